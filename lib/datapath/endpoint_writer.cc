// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/endpoint_writer_internal.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
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

absl::StatusOr<EndpointWriter::SlotsRef> EndpointWriter::StageSlots(
    const std::shared_ptr<const DesiredNodes>& nodes, uint32_t next,
    Staging& staging) {
  if (in_force_ != nullptr && in_force_->nodes == nodes) return in_force_;
  auto slots = std::make_shared<Slots>();
  slots->nodes = nodes;
  for (const DesiredEndpoint& endpoint : nodes->endpoints) {
    auto found = live_.find(endpoint.name);
    Live* live = nullptr;
    if (found == live_.end()) {
      CC_ASSIGN_OR_RETURN(live, NewLive(endpoint, next, staging));
    } else if (SameFixed(found->second.fixed, endpoint)) {
      live = &found->second;
      if (live->fixed.closes != endpoint.closes) {
        staging.Record(RecordOf(live->slot, endpoint));
        staging.OnPublished(
            [live, closes = endpoint.closes] { live->fixed.closes = closes; });
      }
    } else {
      return absl::FailedPreconditionError(
          absl::StrCat("endpoint ", endpoint.name,
                       ": its interface or addresses changed; detach it and "
                       "attach it again"));
    }
    slots->slots.push_back(live->slot);
    slots->lives.push_back(live);
  }
  return slots;
}

absl::StatusOr<EndpointWriter::Live*> EndpointWriter::NewLive(
    const DesiredEndpoint& endpoint, uint32_t next, Staging& staging) {
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
  Live& live = live_[endpoint.name];
  live = {.fixed = endpoint,
          .slot = static_cast<uint16_t>(slot),
          .since = next - 1,
          .subject = {},
          .subject_at = 0};
  staging.OnUndo([this, name = endpoint.name, ifindex = endpoint.ifindex, slot,
                  next, owner_before] {
    PutIfindex(ifindex, owner_before).IgnoreError();
    owner_of_ifindex_[ifindex] = owner_before;
    if (owner_before == 0) owner_of_ifindex_.erase(ifindex);
    slots_.Retire(slot, 1, next);
    live_.erase(name);
  });
  staging.Record(RecordOf(slot, endpoint));
  return &live;
}

std::map<std::string, uint16_t> EndpointWriter::SlotsByName() const {
  std::map<std::string, uint16_t> slots;
  for (const auto& [name, live] : live_) slots.emplace(name, live.slot);
  return slots;
}

absl::Status EndpointWriter::Stage(const SlotsRef& slots,
                                   absl::Span<const DesiredVerdicts> verdicts,
                                   absl::Span<const uint16_t> tables,
                                   uint32_t next, Staging& staging) {
  auto changes = std::make_shared<std::vector<Change>>();
  const auto table_of = [&](const std::optional<uint32_t>& index) {
    return index.has_value() ? tables[*index] : uint16_t{0};
  };
  absl::Status staged;
  for (size_t i = 0; staged.ok() && i < slots->lives.size(); ++i) {
    const DesiredEndpoint& endpoint = slots->nodes->endpoints[i];
    const SubjectKey subject = {static_cast<uint32_t>(endpoint.identity),
                                table_of(verdicts[i].egress),
                                table_of(verdicts[i].ingress)};
    staged = StageOne(*slots->lives[i], subject, next, *changes);
  }
  std::vector<std::string> ended;
  if (staged.ok() && slots != in_force_) {
    absl::flat_hash_set<const Live*> wanted(slots->lives.begin(),
                                            slots->lives.end());
    for (auto& [name, live] : live_) {
      if (wanted.contains(&live)) continue;
      staged.Update(StageOne(live, {}, next, *changes));
      ended.push_back(name);
    }
  }
  if (!changes->empty()) {
    staging.OnUndo([this, changes, next] {
      for (const Change& change : *changes) {
        const Live& live = *change.live;
        StoreRelease(
            &maps_->endpoints[live.slot].subject,
            __u64{CC_SWITCH(live.since, live.subject_at, live.subject_at)});
        DropSubject(change.subject, next);
      }
    });
    // Before an endpoint itself may end: steps run in order.
    staging.OnPublished([this, changes, next] {
      for (const Change& change : *changes) {
        Live& live = *change.live;
        DropSubject(live.subject, next);
        live.since = next;
        live.subject = change.subject;
        live.subject_at = change.subject_at;
      }
    });
  }
  for (const std::string& name : ended) StageEnd(name, next, staging);
  staging.OnPublished([this, slots] { in_force_ = slots; });
  return staged;
}

void EndpointWriter::StageEnd(const std::string& name, uint32_t next,
                              Staging& staging) {
  staging.Record({.kind = JournalKind::kEndpoint,
                  .key = EncodeKey(uint32_t{live_.at(name).slot}),
                  .value = {}});
  staging.OnPublished([this, name, next] {
    const Live& gone = live_.at(name);
    const uint32_t ifindex = gone.fixed.ifindex;
    if (owner_of_ifindex_[ifindex] == gone.slot) {
      PutIfindex(ifindex, 0).IgnoreError();
      owner_of_ifindex_.erase(ifindex);
    }
    slots_.Retire(gone.slot, 1, next);
    live_.erase(name);
  });
}

absl::Status EndpointWriter::StageOne(Live& live, SubjectKey subject,
                                      uint32_t next,
                                      std::vector<Change>& changes) {
  if (live.subject == subject) return absl::OkStatus();
  // The word remembers one change: packets older than the last must be gone.
  CC_RETURN_IF_ERROR(grace_->WaitFor(live.since));
  CC_ASSIGN_OR_RETURN(const uint16_t at, TakeSubject(subject));
  StoreRelease(&maps_->endpoints[live.slot].subject,
               __u64{CC_SWITCH(next, at, live.subject_at)});
  changes.push_back({&live, subject, at});
  return absl::OkStatus();
}

// Equal endpoints share a subject.
absl::StatusOr<uint16_t> EndpointWriter::TakeSubject(SubjectKey key) {
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
