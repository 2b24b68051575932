// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/publisher_internal.h"

#include <sys/socket.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/convert.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {

Publisher::Publisher(PublishedMaps maps, Barrier barrier, uint32_t epoch)
    : maps_(std::move(maps)),
      grace_(std::move(barrier)),
      endpoints_(&maps_, &grace_),
      tables_(&maps_, &grace_),
      places_(&maps_, &grace_),
      hop_pool_("cc_hops", 1, static_cast<uint32_t>(maps_.hops.size())),
      epoch_(epoch) {
  if (maps_.state[0].epoch != epoch_)
    StoreRelease(&maps_.state[0].epoch, epoch_);
  grace_.Published(epoch_);
}

void Publisher::AddServices(ServiceMaps maps, double tick_seconds) {
  services_.emplace(&maps_.state[0], std::move(maps), &grace_, tick_seconds);
}

absl::StatusOr<std::vector<EndpointWriter::Adopted>> Publisher::Adopt(
    Journal journal, const RecoveredNames& names) {
  // What the earlier process retired may be in use until then.
  CC_RETURN_IF_ERROR(grace_.Pass());
  const Found found = {.epoch = epoch_, .records = &journal.records()};
  CC_ASSIGN_OR_RETURN(std::vector<EndpointWriter::Adopted> endpoints,
                      endpoints_.Adopt(found));
  CC_RETURN_IF_ERROR(tables_.Adopt(endpoints_.TablesInUse(), found));
  CC_RETURN_IF_ERROR(places_.Adopt(found));
  CC_RETURN_IF_ERROR(AdoptHops());
  if (services_.has_value()) CC_RETURN_IF_ERROR(services_->Adopt(found));
  names_.Hold(journal, names);
  journal_ = std::move(journal);
  return endpoints;
}

void Publisher::Skip(uint32_t epochs) {
  epoch_ += epochs;
  StoreRelease(&maps_.state[0].epoch, epoch_);
  grace_.Published(epoch_);
}

absl::Status Publisher::AdoptHops() {
  for (const auto& [address, value] : places_.current().addresses()) {
    if ((value.where & CC_REMOTE) == 0) continue;
    const auto at = static_cast<uint16_t>(value.where & ~CC_REMOTE);
    if (at == 0) continue;
    if (at >= maps_.hops.size()) {
      return DamagedEntry("cc_hops", at, "expected one below ",
                          maps_.hops.size());
    }
    const cc_hop& hop = maps_.hops[at];
    DesiredHop key = {.ifindex = hop.ifindex, .gateway = std::nullopt};
    if (hop.family != 0) key.gateway = abi::FromAddr(hop.gateway);
    if (hops_.try_emplace(key, at).second) hop_pool_.Reserve(at, 1);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> Publisher::Publish(
    const DesiredState& desired, const std::function<absl::Status()>& attach) {
  const uint32_t next = epoch_ + 1;
  Staging staging;
  absl::Status prepared = Stage(desired, next, staging);
  const bool changes = !staging.empty();
  if (prepared.ok() && journal_.has_value()) {
    prepared = journal_->Append(
        next, staging.records(),
        [this](const auto& key) { return names_.IsUsed(key); });
    staging.OnFailure([this] { journal_->Undo(); });
    staging.OnPublished([this] { names_.Forget(journal_->dropped()); });
  }
  if (prepared.ok()) prepared = attach();
  if (!prepared.ok()) {
    staging.Undo();
    return prepared;
  }
  if (!changes) {
    staging.Published();
    return epoch_;
  }
  StoreRelease(&maps_.state[0].epoch, next);
  epoch_ = next;
  grace_.Published(next);
  staging.Published();
  return next;
}

absl::Status Publisher::Stage(const DesiredState& desired, uint32_t next,
                              Staging& staging) {
  CC_ASSIGN_OR_RETURN(const EndpointWriter::SlotsRef slots,
                      endpoints_.StageSlots(desired.nodes, next, staging));
  CC_ASSIGN_OR_RETURN(
      const std::vector<uint16_t> tables,
      tables_.Stage(
          desired.tables, [this](uint32_t peer) { return places_.Has(peer); },
          next, staging));
  CC_RETURN_IF_ERROR(
      endpoints_.Stage(slots, desired.verdicts, tables, next, staging));
  CC_RETURN_IF_ERROR(StagePlaces(slots, next, staging));
  if (journal_.has_value()) names_.Stage(desired, staging);
  if (services_.has_value())
    return services_->Stage(desired.services, next, staging);
  if (desired.services.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("service ", desired.services.begin()->first.ToString(),
                   ": the datapath was opened without a cgroup"));
}

// In the trie, the IPv4 addresses lie inside of ::/0 and a few more: without a
// prefix of their own they would be taken for part of an IPv6 block.
void Publisher::AddPrefixes(const DesiredNodes& nodes, PlaceTable& places) {
  places.SetPrefix(IpPrefix::Of(IpAddress::FromV4(0), 0), PlaceValue());
  for (const DesiredPrefix& prefix : nodes.prefixes)
    places.SetPrefix(prefix.prefix, {.peer = prefix.peer, .where = CC_REMOTE});
}

absl::Status Publisher::StagePlaces(const EndpointWriter::SlotsRef& slots,
                                    uint32_t next, Staging& staging) {
  const DesiredNodes& nodes = *slots->nodes;
  if (slots == placed_) {
    places_.Sweep(next);
    return absl::OkStatus();
  }
  staging.OnPublished([this, slots] { placed_ = slots; });
  if (placed_ != nullptr && placed_->slots == slots->slots &&
      placed_->nodes->prefixes == nodes.prefixes) {
    CC_ASSIGN_OR_RETURN(auto changes, AddressChanges(*placed_->nodes, *slots));
    return places_.Stage(std::move(changes), next, staging);
  }
  PlaceTable places;
  for (const auto& [address, owner] : nodes.addresses) {
    CC_ASSIGN_OR_RETURN(const uint16_t where, WhereOf(owner, slots->slots));
    places.SetAddress(address, {.peer = owner.peer, .where = where});
  }
  AddPrefixes(nodes, places);
  return places_.Stage(places, next, staging);
}

absl::StatusOr<std::vector<PlaceWriter::AddressChange>>
Publisher::AddressChanges(const DesiredNodes& before,
                          const EndpointWriter::Slots& slots) {
  std::vector<PlaceWriter::AddressChange> changes;
  absl::Status status;
  slots.nodes->addresses.DiffFrom(
      before.addresses, [&](const IpAddress& address, const DesiredAddress*,
                            const DesiredAddress* is) {
        PlaceWriter::AddressChange& change =
            changes.emplace_back(PlaceWriter::AddressChange{address, {}});
        if (is == nullptr) return;
        const absl::StatusOr<uint16_t> where = WhereOf(*is, slots.slots);
        status.Update(where.status());
        change.value = {.peer = is->peer, .where = where.value_or(0)};
      });
  CC_RETURN_IF_ERROR(status);
  return changes;
}

absl::StatusOr<uint16_t> Publisher::WhereOf(const DesiredAddress& address,
                                            absl::Span<const uint16_t> slots) {
  if (address.endpoint.has_value()) return slots[*address.endpoint];
  if (!address.hop.has_value()) return static_cast<uint16_t>(CC_REMOTE);
  CC_ASSIGN_OR_RETURN(const uint16_t hop, TakeHop(*address.hop));
  return static_cast<uint16_t>(CC_REMOTE | hop);
}

// A hop that nobody refers to is harmless, and stays for the next who does.
absl::StatusOr<uint16_t> Publisher::TakeHop(const DesiredHop& hop) {
  auto found = hops_.find(hop);
  if (found != hops_.end()) return found->second;
  CC_ASSIGN_OR_RETURN(const uint32_t at, hop_pool_.Take(1, grace_));
  cc_hop out = {};
  out.ifindex = hop.ifindex;
  if (hop.gateway.has_value()) {
    out.family = hop.gateway->is_v4() ? AF_INET : AF_INET6;
    out.gateway = abi::ToAddr(*hop.gateway);
  }
  maps_.hops[at] = out;
  hops_[hop] = static_cast<uint16_t>(at);
  return static_cast<uint16_t>(at);
}

}  // namespace ciliumcore::internal
