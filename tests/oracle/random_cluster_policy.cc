// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/oracle/random_dialects.h"

namespace ciliumcore::testing {
namespace {

using Kind = ClusterPolicy::Kind;
using Tier = ClusterPolicy::Tier;
using Action = ClusterRule::Action;

NamespacedPods Pods(RandomSource& random) {
  NamespacedPods pods;
  if (random.Chance(40)) pods.namespace_selector = random.Selector(true);
  if (random.Chance(60)) pods.pod_selector = random.Selector(false);
  return pods;
}

NetworkPeers Networks(RandomSource& random) {
  NetworkPeers networks;
  for (uint32_t i = random.OneOf<uint32_t>({1, 1, 2}); i > 0; --i) {
    networks.cidrs.push_back(random.Prefix(random.Address()));
  }
  return networks;
}

DomainPeers Domains(RandomSource& random) {
  DomainPeers domains;
  for (uint32_t i = random.OneOf<uint32_t>({1, 1, 2}); i > 0; --i) {
    domains.names.push_back(random.OneOf<std::string>(
        {"example.com", "*.example.com", "api.example.com", "*.org"}));
  }
  return domains;
}

ClusterPeer Peer(RandomSource& random, Direction direction,
                 bool may_name_domains) {
  if (direction == Direction::kIngress || random.Chance(45)) {
    return Pods(random);
  }
  if (random.Chance(55)) return Networks(random);
  if (may_name_domains && random.Chance(50)) return Domains(random);
  return NodePeers{RandomNodeSelector(random)};
}

ClusterPort Port(RandomSource& random) {
  const PortRule port = random.Port();
  ClusterPort out = {port.protocol, port.port, port.end_port, port.name};
  if (!out.name.empty()) {
    if (random.Chance(60)) out.protocol = Protocol::kAny;
  } else if (!out.port.has_value()) {
    out.port = random.OneOf(Ports());
  }
  return out;
}

ClusterRule Rule(RandomSource& random, const ClusterPolicy& policy,
                 Direction direction) {
  ClusterRule rule;
  rule.action = random.OneOf<Action>(
      {Action::kAccept, Action::kAccept, Action::kDeny, Action::kPass});
  if (policy.kind == Kind::kBaselineAdminNetworkPolicy &&
      rule.action == Action::kPass) {
    rule.action = Action::kDeny;
  }
  const bool may_name_domains =
      policy.tier == Tier::kAdmin && rule.action == Action::kAccept;
  for (uint32_t i = random.OneOf<uint32_t>({1, 1, 1, 1, 2, 2, 3, 0}); i > 0;
       --i) {
    rule.peers.push_back(Peer(random, direction, may_name_domains));
  }
  if (random.Chance(55)) {
    rule.ports.emplace();
    for (uint32_t i = random.OneOf<uint32_t>({1, 1, 1, 1, 2, 2, 3, 0}); i > 0;
         --i) {
      rule.ports->push_back(Port(random));
    }
  }
  return rule;
}

}  // namespace

ClusterPolicy RandomClusterPolicy(RandomSource& random,
                                  const std::vector<ClusterPolicy>& others) {
  ClusterPolicy policy;
  const auto is_taken = [&] {
    return std::any_of(
        others.begin(), others.end(), [&](const ClusterPolicy& other) {
          return other.kind == policy.kind && other.name == policy.name;
        });
  };
  do {
    policy.kind = random.OneOf<Kind>(
        {Kind::kClusterNetworkPolicy, Kind::kClusterNetworkPolicy,
         Kind::kAdminNetworkPolicy, Kind::kBaselineAdminNetworkPolicy});
    policy.name = random.OneOf<std::string>({"a", "b", "c", "d", "e"});
  } while (is_taken());
  policy.priority = static_cast<int32_t>(random.Below(3));
  switch (policy.kind) {
    case Kind::kClusterNetworkPolicy:
      policy.tier = random.OneOf<Tier>({Tier::kAdmin, Tier::kBaseline});
      break;
    case Kind::kAdminNetworkPolicy:
      policy.tier = Tier::kAdmin;
      break;
    case Kind::kBaselineAdminNetworkPolicy:
      policy.tier = Tier::kBaseline;
      policy.priority = ClusterPolicy::kNoPriority;
      break;
  }
  policy.subject = Pods(random);
  for (uint32_t i = random.OneOf<uint32_t>({0, 1, 2, 3}); i > 0; --i) {
    policy.ingress.push_back(Rule(random, policy, Direction::kIngress));
  }
  for (uint32_t i = random.OneOf<uint32_t>({0, 1, 2, 3}); i > 0; --i) {
    policy.egress.push_back(Rule(random, policy, Direction::kEgress));
  }
  return policy;
}

}  // namespace ciliumcore::testing
