// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/compiler.h"
#include "lib/policy/covers_internal.h"

namespace ciliumcore {
namespace {

static_assert(PrefixPeer::kNoParent == kNoCover);

}  // namespace

Party CompiledPolicy::PartyOf(const IpAddress& address) const {
  if (const AddressPeer* known = peer_map->addresses.Find(address)) {
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
  const RuleSetRef* ref = rule_sets.Find(id);
  return ref == nullptr ? nullptr : &(*ref)->set;
}

}  // namespace ciliumcore
