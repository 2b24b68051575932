// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/outside_ranges_internal.h"

#include <algorithm>
#include <optional>
#include <set>

#include "lib/policy/address_arithmetic_internal.h"
#include "lib/policy/sorted_internal.h"

namespace ciliumcore {
namespace {

// Those of no pod, ascending.
std::vector<IpAddress> KnownAddresses(const CompiledCluster& cluster,
                                      bool is_v4) {
  std::set<IpAddress> of_hosts;
  for (const Pod& pod : cluster.cluster.pods) {
    if (!pod.host_network) continue;
    of_hosts.insert(pod.addresses.begin(), pod.addresses.end());
  }
  std::vector<IpAddress> known;
  for (const auto& [address, owner] : cluster.policy.peer_map->addresses) {
    if (owner.endpoint == kNoEndpoint && address.is_v4() == is_v4 &&
        !of_hosts.contains(address)) {
      known.push_back(address);
    }
  }
  return known;
}

}  // namespace

std::vector<OutsidePart> OutsideParts(
    std::initializer_list<const CompiledCluster*> clusters, bool is_v4) {
  std::vector<IpAddress> starts = {is_v4 ? IpAddress::FromV4(0) : IpAddress()};
  std::set<IpAddress> known;
  const auto cut = [&](const IpAddress& first, const IpAddress& last) {
    starts.push_back(first);
    const std::optional<IpAddress> behind = Successor(last);
    if (behind.has_value()) starts.push_back(*behind);
  };
  for (const CompiledCluster* cluster : clusters) {
    for (const PrefixPeer& prefix : cluster->policy.peer_map->prefixes) {
      if (prefix.prefix.is_v4() != is_v4) continue;
      cut(prefix.prefix.first(), prefix.prefix.last());
    }
    for (const IpAddress& address : KnownAddresses(*cluster, is_v4)) {
      cut(address, address);
      known.insert(address);
    }
  }
  SortUnique(starts);

  std::vector<OutsidePart> parts;
  for (const IpAddress& start : starts) {
    if (!parts.empty()) parts.back().range.last = *Predecessor(start);
    parts.push_back({{start, start}, known.contains(start)});
  }
  parts.back().range.last = IpPrefix::Of(starts.front(), 0).last();
  return parts;
}

uint32_t PeerOf(const OutsidePart& part, const CompiledPolicy& policy) {
  const IpAddress& address = part.range.first;
  if (part.is_known) {
    const Party party = policy.PartyOf(address);
    if (party.endpoint == kNoEndpoint) return party.peer;
  }
  // Not PeerOf: the address may be a pod's.
  return policy.OutsidePeerOf(address);
}

}  // namespace ciliumcore
