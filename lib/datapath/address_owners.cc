// SPDX-License-Identifier: Apache-2.0

#include "lib/datapath/address_owners_internal.h"

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {
namespace {

absl::Status ValidateEndpoint(const EndpointOptions& endpoint) {
  const std::string subject = absl::StrCat("endpoint ", endpoint.interface);
  if (!endpoint.identity.valid()) {
    return Annotate(endpoint.identity.status(), subject);
  }
  int families[2] = {0, 0};
  for (const IpAddress& address : endpoint.addresses)
    ++families[address.is_v4() ? 0 : 1];
  if (endpoint.addresses.empty() || families[0] > 1 || families[1] > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        subject,
        ": expected one IPv4 address, one IPv6 address or both, found ",
        families[0], " and ", families[1]));
  }
  return absl::OkStatus();
}

}  // namespace

std::string AddressOwners::Owner::ToString() const {
  return interface.empty() ? absl::StrCat("remote ", remote.ToString())
                           : absl::StrCat("endpoint ", interface);
}

AddressOwners::Changes AddressOwners::Between(const Intent& held,
                                              const Intent& next) {
  Changes changes;
  if (!next.endpoints.IsSameAs(held.endpoints)) {
    for (const auto& [interface, endpoint] : *held.endpoints) {
      changes.released.insert(changes.released.end(),
                              endpoint.addresses.begin(),
                              endpoint.addresses.end());
    }
    for (const auto& [interface, endpoint] : *next.endpoints) {
      for (const IpAddress& address : endpoint.addresses) {
        changes.claimed.push_back({address, {interface, {}}});
      }
    }
  }
  next.remotes.DiffFrom(
      held.remotes, [&](const IpAddress& first, const RemoteOptions* was,
                        const RemoteOptions* is) {
        if (was != nullptr) {
          changes.released.insert(changes.released.end(),
                                  was->addresses.begin(), was->addresses.end());
        }
        if (is == nullptr) return;
        for (const IpAddress& address : is->addresses) {
          changes.claimed.push_back({address, {"", first}});
        }
      });
  return changes;
}

absl::Status AddressOwners::Check(const Intent& held,
                                  const Intent& next) const {
  if (!next.endpoints.IsSameAs(held.endpoints)) {
    for (const auto& [interface, endpoint] : *next.endpoints) {
      CC_RETURN_IF_ERROR(ValidateEndpoint(endpoint));
    }
  }
  absl::Status valid;
  next.remotes.DiffFrom(
      held.remotes, [&](const IpAddress& first, const RemoteOptions*,
                        const RemoteOptions* is) {
        if (is == nullptr || is->identity.valid()) return;
        valid.Update(Annotate(is->identity.status(),
                              absl::StrCat("remote ", first.ToString())));
      });
  CC_RETURN_IF_ERROR(valid);

  const Changes changes = Between(held, next);
  const absl::flat_hash_set<IpAddress> released(changes.released.begin(),
                                                changes.released.end());
  absl::flat_hash_map<IpAddress, const Owner*> claimed;
  for (const auto& [address, owner] : changes.claimed) {
    const auto [at, is_new] = claimed.try_emplace(address, &owner);
    const auto held_by = owners_.find(address);
    const Owner* other = at->second;
    if (is_new) {
      if (held_by == owners_.end() || released.contains(address)) continue;
      other = &held_by->second;
    }
    return absl::InvalidArgumentError(
        absl::StrCat("address ", address.ToString(),
                     ": belongs to two, one is ", other->ToString()));
  }
  return absl::OkStatus();
}

void AddressOwners::Take(const Intent& held, const Intent& next) {
  Changes changes = Between(held, next);
  for (const IpAddress& address : changes.released) owners_.erase(address);
  for (Owned& owned : changes.claimed) {
    owners_[owned.first] = std::move(owned.second);
  }
}

}  // namespace ciliumcore::internal
