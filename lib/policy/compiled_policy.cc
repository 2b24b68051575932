// SPDX-License-Identifier: Apache-2.0

#include <algorithm>

#include "ciliumcore/policy/compiler.h"
#include "lib/policy/covers_internal.h"

namespace ciliumcore {
namespace {

static_assert(PrefixPeer::kNoParent == kNoCover);

const AddressPeer* FindAddress(const std::vector<AddressPeer>& addresses,
                               const IpAddress& address) {
  auto at =
      std::lower_bound(addresses.begin(), addresses.end(), address,
                       [](const AddressPeer& entry, const IpAddress& key) {
                         return entry.address < key;
                       });
  return at != addresses.end() && at->address == address ? &*at : nullptr;
}

}  // namespace

Party CompiledPolicy::PartyOf(const IpAddress& address) const {
  if (const AddressPeer* known = FindAddress(peer_map->addresses, address)) {
    return {known->endpoint, known->peer};
  }
  return {kNoEndpoint, OutsidePeerOf(address)};
}

Party CompiledPolicy::PartyOf(uint32_t endpoint, size_t address_index) const {
  return {endpoint, peer_map->of_endpoint[endpoint][address_index]};
}

uint32_t CompiledPolicy::PeerOf(const IpAddress& address) const {
  return PartyOf(address).peer;
}

uint32_t CompiledPolicy::OutsidePeerOf(const IpAddress& address) const {
  const std::vector<PrefixPeer>& prefixes = peer_map->prefixes;
  const uint32_t prefix = LongestMatch(prefixes, address);
  return prefix == kNoCover ? static_cast<uint32_t>(Identity::kWorld)
                            : prefixes[prefix].peer;
}

Cell CompiledPolicy::Decide(uint32_t endpoint, Direction direction,
                            uint32_t peer, Protocol protocol,
                            uint16_t port) const {
  constexpr Cell kNobody = {Verdict::kAllow, 0, 0};
  if (endpoint == kNoEndpoint) return kNobody;
  const CompiledEndpoint& subject = endpoints[endpoint];
  const uint32_t table =
      direction == Direction::kIngress ? subject.ingress : subject.egress;
  if (table == kNoTable) return kNobody;
  return tables[table]->At(peer, protocol, port);
}

PairDecision CompiledPolicy::DecidePair(const Party& source,
                                        const Party& destination,
                                        Protocol protocol,
                                        uint16_t port) const {
  return {Decide(source.endpoint, Direction::kEgress, destination.peer,
                 protocol, port),
          Decide(destination.endpoint, Direction::kIngress, source.peer,
                 protocol, port)};
}

const RuleSet* CompiledPolicy::FindRuleSet(uint32_t id) const {
  auto at = std::lower_bound(
      rule_sets.begin(), rule_sets.end(), id,
      [](const RuleSetRef& ref, uint32_t key) { return ref->id < key; });
  return at != rule_sets.end() && (*at)->id == id ? &(*at)->set : nullptr;
}

}  // namespace ciliumcore
