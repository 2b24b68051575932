// SPDX-License-Identifier: Apache-2.0

// NetworkPolicy, to be read against
// https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/

#include <algorithm>
#include <cstdint>

#include "tests/oracle/oracle_dialects.h"
#include "tests/oracle/oracle_matching.h"

namespace ciliumcore::testing {
namespace {

// "podSelector selects the pods to which this NetworkPolicy object applies", in
// the policy's namespace.
bool IsSelected(const PolicyEndpoint& pod, const NetworkPolicy& policy) {
  return pod.ns == policy.ns && Selects(policy.pod_selector, pod.labels);
}

bool CoversPeer(const PeerRule& rule, const NetworkPolicy& policy,
                const Census& census, const FlowEnd& peer) {
  if (rule.ip_block.has_value()) {
    return IsInsideAny(peer.address, {rule.ip_block->cidr}) &&
           !IsInsideAny(peer.address, rule.ip_block->except);
  }
  const PolicyEndpoint* pod = census.PodAt(peer);
  if (pod == nullptr) return false;  // selectors are about pods
  const bool namespace_matches =
      rule.namespace_selector.has_value()
          ? Selects(*rule.namespace_selector, census.NamespaceLabelsOf(peer))
          : pod->ns == policy.ns;
  const bool pod_matches = !rule.pod_selector.has_value() ||
                           Selects(*rule.pod_selector, pod->labels);
  return namespace_matches && pod_matches;
}

// Names are those of the pod that is asked for the port.
bool CoversPort(const PortRule& rule, const Census& census,
                const Question& question) {
  if (rule.protocol != question.protocol) return false;
  if (!rule.name.empty()) {
    return Calls(census.PodAt(question.destination()), rule.name,
                 question.protocol, question.port);
  }
  return !rule.port.has_value() ||
         IsInRange(question.port, *rule.port, rule.end_port);
}

// "Traffic must match both ports and from [to]"; "if this field is empty or
// missing, this rule matches all".
bool Allows(const NetworkPolicyRule& rule, const NetworkPolicy& policy,
            const Census& census, const Question& question) {
  const bool peer_matches =
      rule.peers.empty() ||
      std::any_of(rule.peers.begin(), rule.peers.end(), [&](const auto& peer) {
        return CoversPeer(peer, policy, census, question.peer);
      });
  const bool port_matches =
      rule.ports.empty() ||
      std::any_of(rule.ports.begin(), rule.ports.end(), [&](const auto& port) {
        return CoversPort(port, census, question);
      });
  return peer_matches && port_matches;
}

}  // namespace

void AskNetworkPolicies(const Census& census, const Question& question,
                        Opinion& opinion) {
  const PolicyEndpoint& pod = *census.PodAt(question.subject);
  for (const NetworkPolicy& policy : census.input().policies) {
    const bool isolates = question.is_ingress() ? policy.isolates_ingress
                                                : policy.isolates_egress;
    if (!isolates || !IsSelected(pod, policy)) continue;
    opinion.is_concerned = true;
    opinion.isolating.push_back({"NetworkPolicy", policy.ns, policy.name});
    const auto& rules = question.is_ingress() ? policy.ingress : policy.egress;
    for (uint32_t i = 0; i < rules.size(); ++i) {
      if (!Allows(rules[i], policy, census, question)) continue;
      opinion.allowing.push_back(
          {"NetworkPolicy", policy.ns, policy.name, question.direction, i});
    }
  }
}

}  // namespace ciliumcore::testing
