// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <optional>
#include <utility>

#include "ciliumcore/abi/convert.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/endpoint_writer_internal.h"

namespace ciliumcore::internal {
namespace {

std::optional<IpAddress> AddressOf(const cc_addr& addr) {
  const IpAddress address = abi::FromAddr(addr);
  return address == IpAddress() ? std::nullopt : std::optional(address);
}

}  // namespace

absl::StatusOr<std::vector<EndpointWriter::Adopted>> EndpointWriter::Adopt(
    const Found& found) {
  CC_RETURN_IF_ERROR(found.ForEach(
      JournalKind::kEndpoint,
      [&](const std::string& key, const std::string& value) -> absl::Status {
        const auto slot = DecodeKey(key);
        const auto endpoint = DecodeEndpoint(value);
        if (!slot.has_value() || !endpoint.has_value()) {
          return absl::DataLossError(
              "map cc_journal: a record of an endpoint cannot be read");
        }
        return AdoptOne(found, *slot, *endpoint);
      }));
  CC_RETURN_IF_ERROR(DropStrangers());
  std::vector<Adopted> adopted;
  for (const auto& [name, live] : live_) {
    adopted.push_back({.interface = name,
                       .ifindex = live.fixed.ifindex,
                       .closes = live.fixed.closes});
  }
  return adopted;
}

absl::Status EndpointWriter::AdoptOne(const Found& found, uint32_t slot,
                                      const JournalEndpoint& endpoint) {
  if (!slots_.Reserve(slot, 1)) {
    return DamagedEntry("cc_endpoints", slot, endpoint.interface,
                        ": expected a slot below ", slots_.capacity() + 1);
  }
  cc_endpoint& entry = maps_->endpoints[slot];
  const uint16_t subject_at = SettleSwitch(&entry.subject, found.epoch);
  if (subject_at >= maps_->subjects.size()) {
    return DamagedEntry("cc_endpoints", slot, "subject: expected one below ",
                        maps_->subjects.size(), ", found ", subject_at);
  }
  Live live;
  live.fixed.name = endpoint.interface;
  live.fixed.closes = endpoint.closes;
  live.fixed.ifindex = entry.ifindex;
  std::memcpy(live.fixed.mac.data(), entry.mac, sizeof(entry.mac));
  std::memcpy(live.fixed.host_mac.data(), entry.host_mac,
              sizeof(entry.host_mac));
  live.fixed.v4 = AddressOf(entry.v4);
  live.fixed.v6 = AddressOf(entry.v6);
  live.fixed.flags = entry.flags;
  live.slot = static_cast<uint16_t>(slot);
  live.since = SwitchedSince(&entry.subject);
  live.subject_at = subject_at;
  if (subject_at != 0) {
    const cc_subject& subject = maps_->subjects[subject_at];
    live.subject = {subject.identity, subject.table[CC_EGRESS],
                    subject.table[CC_INGRESS]};
    Subject& shared = subject_index_[live.subject];
    if (shared.users == 0) {
      shared.at = subject_at;
      subjects_.Reserve(subject_at, 1);
    }
    // Two entries of one subject would come from nobody's hand.
    if (shared.at != subject_at || live.subject == SubjectKey()) {
      return DamagedEntry("cc_subjects", subject_at, "expected a subject that ",
                          "no other entry holds");
    }
    ++shared.users;
  }
  if (!live_.emplace(endpoint.interface, live).second) {
    return DamagedEntry("cc_endpoints", slot, endpoint.interface,
                        " has another slot too");
  }
  owner_of_ifindex_[entry.ifindex] = slot;
  return absl::OkStatus();
}

// What leads from interfaces to slots that are nobody's, or another's now: of a
// change that was never published. The slots will be given out.
absl::Status EndpointWriter::DropStrangers() {
  std::map<uint32_t, uint32_t> leads;
  const auto note = [&](uint32_t ifindex, uint32_t slot) {
    if (slot != 0) leads[ifindex] = slot;
  };
  CC_RETURN_IF_ERROR(maps_->ifindex.ForEach(note));
  CC_RETURN_IF_ERROR(maps_->ifindex_far.ForEach(note));
  for (const auto& [ifindex, slot] : leads) {
    const auto owner = owner_of_ifindex_.find(ifindex);
    const uint32_t own = owner == owner_of_ifindex_.end() ? 0 : owner->second;
    if (own != slot) CC_RETURN_IF_ERROR(PutIfindex(ifindex, own));
  }
  for (const auto& [ifindex, slot] : owner_of_ifindex_) {
    if (!leads.contains(ifindex)) CC_RETURN_IF_ERROR(PutIfindex(ifindex, slot));
  }
  return absl::OkStatus();
}

std::set<uint16_t> EndpointWriter::TablesInUse() const {
  std::set<uint16_t> tables;
  for (const auto& [key, subject] : subject_index_) {
    for (const uint16_t table : {std::get<1>(key), std::get<2>(key)}) {
      if (table != 0) tables.insert(table);
    }
  }
  return tables;
}

}  // namespace ciliumcore::internal
