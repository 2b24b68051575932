// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/endpoint_writer_internal.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {
namespace {

// Same interface, same addresses: the slot can stay.
bool SameFixed(const DesiredEndpoint& a, const DesiredEndpoint& b) {
  return a.ifindex == b.ifindex && a.mac == b.mac && a.host_mac == b.host_mac &&
         a.v4 == b.v4 && a.v6 == b.v6 && a.flags == b.flags;
}

cc_endpoint ToAbi(const DesiredEndpoint& endpoint) {
  cc_endpoint out = {};
  if (endpoint.v4.has_value()) out.v4 = abi::ToAddr(*endpoint.v4);
  if (endpoint.v6.has_value()) out.v6 = abi::ToAddr(*endpoint.v6);
  std::memcpy(out.mac, endpoint.mac.data(), sizeof(out.mac));
  std::memcpy(out.host_mac, endpoint.host_mac.data(), sizeof(out.host_mac));
  out.ifindex = endpoint.ifindex;
  out.flags = endpoint.flags;
  return out;
}

JournalRecord RecordOf(uint32_t slot, const DesiredEndpoint& endpoint) {
  return {.kind = JournalKind::kEndpoint,
          .key = EncodeKey(slot),
          .value = Encode(JournalEndpoint{.interface = endpoint.name,
                                          .closes = endpoint.closes})};
}

}  // namespace

EndpointWriter::EndpointWriter(PublishedMaps* maps, GraceKeeper* grace)
    : maps_(maps),
      grace_(grace),
      slots_("cc_endpoints", 1,
             std::min<uint32_t>(static_cast<uint32_t>(maps->endpoints.size()),
                                CC_MAX_ENDPOINTS)),
      subjects_("cc_subjects", 1,
                std::min<uint32_t>(static_cast<uint32_t>(maps->subjects.size()),
                                   65536)) {}

absl::Status EndpointWriter::PutIfindex(uint32_t ifindex, uint32_t slot) {
  if (ifindex < CC_IFINDEX_DIRECT) return maps_->ifindex.Put(ifindex, slot);
  if (slot != 0) return maps_->ifindex_far.Put(ifindex, slot);
  return maps_->ifindex_far.Erase(ifindex);
}

absl::StatusOr<std::vector<uint16_t>> EndpointWriter::StageSlots(
    absl::Span<const DesiredEndpoint> endpoints, uint32_t next,
    Staging& staging) {
  std::vector<uint16_t> slots;
  for (const DesiredEndpoint& endpoint : endpoints) {
    auto found = live_.find(endpoint.name);
    if (found != live_.end() && SameFixed(found->second.fixed, endpoint)) {
      Live& live = found->second;
      slots.push_back(live.slot);
      if (live.fixed.closes != endpoint.closes) {
        staging.Record(RecordOf(live.slot, endpoint));
        staging.OnPublished(
            [&live, closes = endpoint.closes] { live.fixed.closes = closes; });
      }
      continue;
    }
    if (found != live_.end()) {
      return absl::FailedPreconditionError(
          absl::StrCat("endpoint ", endpoint.name,
                       ": its interface or addresses changed; detach it and "
                       "attach it again"));
    }
    CC_ASSIGN_OR_RETURN(const uint32_t slot, slots_.Take(1, *grace_));
    maps_->endpoints[slot] = ToAbi(endpoint);
    if (absl::Status put = PutIfindex(endpoint.ifindex, slot); !put.ok()) {
      slots_.Return(slot, 1);
      return Annotate(put, absl::StrCat("endpoint ", endpoint.name));
    }
    // An interface may change its name in one change: then it has an owner that
    // ends with the change.
    const uint32_t owner_before =
        std::exchange(owner_of_ifindex_[endpoint.ifindex], slot);
    live_[endpoint.name] = {.fixed = endpoint,
                            .slot = static_cast<uint16_t>(slot),
                            .since = next - 1,
                            .subject = {},
                            .subject_at = 0};
    staging.OnUndo([this, name = endpoint.name, ifindex = endpoint.ifindex,
                    slot, next, owner_before] {
      PutIfindex(ifindex, owner_before).IgnoreError();
      owner_of_ifindex_[ifindex] = owner_before;
      if (owner_before == 0) owner_of_ifindex_.erase(ifindex);
      slots_.Retire(slot, 1, next);
      live_.erase(name);
    });
    staging.Record(RecordOf(slot, endpoint));
    slots.push_back(static_cast<uint16_t>(slot));
  }
  return slots;
}

std::map<std::string, uint16_t> EndpointWriter::Slots() const {
  std::map<std::string, uint16_t> slots;
  for (const auto& [name, live] : live_) slots.emplace(name, live.slot);
  return slots;
}

absl::Status EndpointWriter::Stage(absl::Span<const DesiredEndpoint> endpoints,
                                   absl::Span<const uint16_t> tables,
                                   uint32_t next, Staging& staging) {
  std::set<std::string> wanted;
  for (const DesiredEndpoint& endpoint : endpoints) {
    wanted.insert(endpoint.name);
    const SubjectKey subject = {
        static_cast<uint32_t>(endpoint.identity),
        endpoint.egress.has_value() ? tables[*endpoint.egress] : 0,
        endpoint.ingress.has_value() ? tables[*endpoint.ingress] : 0};
    CC_RETURN_IF_ERROR(
        StageOne(live_.at(endpoint.name), subject, next, staging));
  }
  for (auto& [name, live] : live_) {
    if (wanted.contains(name)) continue;
    CC_RETURN_IF_ERROR(StageOne(live, {}, next, staging));
    staging.Record({.kind = JournalKind::kEndpoint,
                    .key = EncodeKey(uint32_t{live.slot}),
                    .value = {}});
    staging.OnPublished([this, name = name, next] {
      Live& gone = live_.at(name);
      const uint32_t ifindex = gone.fixed.ifindex;
      if (owner_of_ifindex_[ifindex] == gone.slot) {
        PutIfindex(ifindex, 0).IgnoreError();
        owner_of_ifindex_.erase(ifindex);
      }
      slots_.Retire(gone.slot, 1, next);
      live_.erase(name);
    });
  }
  return absl::OkStatus();
}

absl::Status EndpointWriter::StageOne(Live& live, SubjectKey subject,
                                      uint32_t next, Staging& staging) {
  if (live.subject == subject) return absl::OkStatus();
  CC_RETURN_IF_ERROR(grace_->WaitFor(live.since));
  CC_ASSIGN_OR_RETURN(const uint16_t at, TakeSubject(subject, next, staging));
  StoreRelease(&maps_->endpoints[live.slot].subject,
               __u64{CC_SWITCH(next, at, live.subject_at)});
  staging.OnUndo(
      [this, slot = live.slot, since = live.since, was = live.subject_at] {
        StoreRelease(&maps_->endpoints[slot].subject,
                     __u64{CC_SWITCH(since, was, was)});
      });
  // Before the endpoint itself may end: steps run in order.
  staging.OnPublished([this, &live, subject, at, next] {
    DropSubject(live.subject, next);
    live.since = next;
    live.subject = subject;
    live.subject_at = at;
  });
  return absl::OkStatus();
}

// Equal endpoints share a subject.
absl::StatusOr<uint16_t> EndpointWriter::TakeSubject(SubjectKey key,
                                                     uint32_t next,
                                                     Staging& staging) {
  if (key == SubjectKey()) return 0;  // nobody
  Subject& subject = subject_index_[key];
  if (subject.users == 0) {
    absl::StatusOr<uint32_t> at = subjects_.Take(1, *grace_);
    if (!at.ok()) {
      subject_index_.erase(key);
      return at.status();
    }
    subject.at = *at;
    const auto& [identity, egress, ingress] = key;
    cc_subject out = {};
    out.identity = identity;
    out.table[CC_EGRESS] = egress;
    out.table[CC_INGRESS] = ingress;
    maps_->subjects[subject.at] = out;
  }
  ++subject.users;
  staging.OnUndo([this, key, next] { DropSubject(key, next); });
  return static_cast<uint16_t>(subject.at);
}

void EndpointWriter::DropSubject(SubjectKey key, uint32_t epoch) {
  if (key == SubjectKey()) return;
  auto found = subject_index_.find(key);
  if (--found->second.users != 0) return;
  subjects_.Retire(found->second.at, 1, epoch);
  subject_index_.erase(found);
}

}  // namespace ciliumcore::internal
