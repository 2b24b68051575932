// SPDX-License-Identifier: Apache-2.0

// ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy, to
// be read against https://network-policy-api.sigs.k8s.io

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "tests/oracle/oracle_dialects.h"
#include "tests/oracle/oracle_matching.h"

namespace ciliumcore::testing {
namespace {

// In the order in which they are asked: "lower values have higher precedence";
// equal ones by name, then by kind.
std::vector<const ClusterPolicy*> PoliciesOf(const PolicyInput& input,
                                             ClusterPolicy::Tier tier) {
  std::vector<const ClusterPolicy*> policies;
  for (const ClusterPolicy& policy : input.cluster_policies) {
    if (policy.tier == tier) policies.push_back(&policy);
  }
  std::sort(policies.begin(), policies.end(),
            [](const ClusterPolicy* a, const ClusterPolicy* b) {
              return std::tie(a->priority, a->name, a->kind) <
                     std::tie(b->priority, b->name, b->kind);
            });
  return policies;
}

std::string KindOf(const ClusterPolicy& policy) {
  switch (policy.kind) {
    case ClusterPolicy::Kind::kClusterNetworkPolicy:
      return "ClusterNetworkPolicy";
    case ClusterPolicy::Kind::kAdminNetworkPolicy:
      return "AdminNetworkPolicy";
    case ClusterPolicy::Kind::kBaselineAdminNetworkPolicy:
      return "BaselineAdminNetworkPolicy";
  }
  return "";
}

// "Note that host-networked pods are not included."
bool IsAmong(const Census& census, const FlowEnd& end,
             const NamespacedPods& pods) {
  const PolicyEndpoint* pod = census.PodAt(end);
  return pod != nullptr &&
         Selects(pods.namespace_selector, census.NamespaceLabelsOf(end)) &&
         Selects(pods.pod_selector, pod->labels);
}

bool IsAmong(const Census& census, const FlowEnd& end, const NodePeers& nodes) {
  return (census.IsRemoteNode(end) || census.IsHost(end)) &&
         Selects(nodes.selector, census.NodeLabelsOf(end));
}

bool IsAmong(const Census&, const FlowEnd& end, const NetworkPeers& networks) {
  return IsInsideAny(end.address, networks.cidrs);
}

// "*.kubernetes.io" is every name before ".kubernetes.io", not itself.
bool IsAmong(const Census& census, const FlowEnd& end,
             const DomainPeers& domains) {
  if (!census.IsOutside(end)) return false;
  for (const ResolvedName& known : census.input().names) {
    if (std::count(known.addresses.begin(), known.addresses.end(),
                   *end.address) == 0) {
      continue;
    }
    for (const std::string& name : domains.names) {
      const bool is_meant = name.starts_with("*.")
                                ? known.name.size() >= name.size() &&
                                      known.name.ends_with(name.substr(1))
                                : known.name == name;
      if (is_meant) return true;
    }
  }
  return false;
}

// Names are those of the pod that is asked for the port.
bool CoversPort(const ClusterPort& rule, const Census& census,
                const Question& question) {
  if (rule.protocol != Protocol::kAny && rule.protocol != question.protocol) {
    return false;
  }
  if (!rule.name.empty()) {
    return Calls(census.PodAt(question.destination()), rule.name,
                 question.protocol, question.port);
  }
  return rule.port.has_value() &&
         IsInRange(question.port, *rule.port, rule.end_port);
}

bool Matches(const ClusterRule& rule, const Census& census,
             const Question& question) {
  const bool peer_matches = std::any_of(
      rule.peers.begin(), rule.peers.end(), [&](const ClusterPeer& peer) {
        return std::visit(
            [&](const auto& alternative) {
              return IsAmong(census, question.peer, alternative);
            },
            peer);
      });
  const bool port_matches =
      !rule.ports.has_value() ||
      std::any_of(rule.ports->begin(), rule.ports->end(),
                  [&](const ClusterPort& port) {
                    return CoversPort(port, census, question);
                  });
  return peer_matches && port_matches;
}

}  // namespace

TierOpinion AskTier(const Census& census, const Question& question,
                    ClusterPolicy::Tier tier) {
  TierOpinion opinion;
  bool is_decided = false;
  for (const ClusterPolicy* policy : PoliciesOf(census.input(), tier)) {
    const auto& rules =
        question.is_ingress() ? policy->ingress : policy->egress;
    if (rules.empty() || !IsAmong(census, question.subject, policy->subject)) {
      continue;
    }
    opinion.is_concerned = true;
    for (uint32_t i = 0; i < rules.size() && !is_decided; ++i) {
      if (!Matches(rules[i], census, question)) continue;
      is_decided = true;
      if (rules[i].action == ClusterRule::Action::kPass) break;
      opinion.action = rules[i].action;
      opinion.rule = {KindOf(*policy), "", policy->name, question.direction, i};
    }
  }
  return opinion;
}

}  // namespace ciliumcore::testing
