// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/why_not.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/policy/flow_denials_internal.h"
#include "lib/policy/policy_names_internal.h"
#include "lib/policy/rule_conditions_internal.h"

namespace ciliumcore {
namespace {

DeniedSide::Tier TierOf(const Cluster& cluster, const RuleRef& rule) {
  for (const ClusterPolicy& policy : cluster.cluster_policies) {
    if (policy.name != rule.name ||
        ClusterPolicyKindName(policy.kind) != rule.kind) {
      continue;
    }
    return policy.tier == ClusterPolicy::Tier::kAdmin
               ? DeniedSide::Tier::kAdmin
               : DeniedSide::Tier::kBaseline;
  }
  return DeniedSide::Tier::kNormal;
}

DeniedSide Describe(const CompiledCluster& cluster, const FlowView& flow,
                    Direction direction, const Cell& cell) {
  DeniedSide side;
  side.direction = direction;
  const RuleSet* set = cluster.policy.FindRuleSet(cell.rule_set);
  if (set == nullptr) return side;
  side.reason = set->kind;
  side.denied_by = set->rules;
  if (!set->rules.empty()) {
    side.tier = TierOf(cluster.cluster, set->rules.front());
  }
  side.isolated_by = set->policies;
  for (const PolicyRef& ref : set->policies) {
    const NetworkPolicy* const policy =
        FindNetworkPolicy(cluster.cluster.policies, ref);
    if (policy == nullptr) continue;
    uint32_t index = 0;
    for (const NetworkPolicyRule& rule : SectionOf(*policy, direction)) {
      RuleFailures failures = FailuresOf(rule, policy->ns, direction, flow);
      NearRule near = {{ref.kind, ref.ns, ref.name, direction, index++},
                       std::move(failures.peer)};
      near.failed.insert(near.failed.end(), failures.port.begin(),
                         failures.port.end());
      side.rules.push_back(std::move(near));
    }
  }
  std::stable_sort(side.rules.begin(), side.rules.end(),
                   [](const NearRule& a, const NearRule& b) {
                     return a.failed.size() < b.failed.size();
                   });
  return side;
}

}  // namespace

std::string FailedCondition::ToString() const {
  return absl::StrCat(
      place, ": ",
      [&] {
        switch (kind) {
          case Kind::kProtocol:
            return std::string("protocol: ");
          case Kind::kPort:
            return std::string("port: ");
          case Kind::kPodLabel:
            return absl::StrCat("label ", key, ": ");
          case Kind::kNamespaceLabel:
            return absl::StrCat("label ", key, " of the namespace: ");
          default:
            return std::string();
        }
      }(),
      "expected ", expected, ", found ", found);
}

absl::StatusOr<WhyNot> ExplainDenial(const CompiledCluster& cluster,
                                     const NamedEnd& source,
                                     const NamedEnd& destination,
                                     PortProtocol port) {
  if (!source.pod.has_value() && !destination.pod.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "source and destination: expected a pod among them, found ",
        source.ToString(), " and ", destination.ToString()));
  }
  if (!MayMeet(source, destination)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "source and destination: expected addresses of one family, found ",
        source.ToString(), " and ", destination.ToString()));
  }
  WhyNot why;
  if (source.pod == destination.pod) {
    why.decision.egress.verdict = Verdict::kAllow;
    why.decision.ingress.verdict = Verdict::kAllow;
    return why;
  }
  const absl::StatusOr<uint16_t> policy_port = PolicyPortOf(port);
  if (!policy_port.ok()) return policy_port.status();
  why.decision = cluster.policy.DecidePair(source.party, destination.party,
                                           port.protocol, *policy_port);
  const FlowView flow = {ViewOf(cluster.cluster, source),
                         ViewOf(cluster.cluster, destination), port};
  for (Direction direction : {Direction::kEgress, Direction::kIngress}) {
    const Cell& cell = why.decision.of(direction);
    if (cell.verdict != Verdict::kDeny) continue;
    why.sides.push_back(Describe(cluster, flow, direction, cell));
  }
  why.proxied = ProxiedSidesOf(cluster.policy, why.decision);
  return why;
}

}  // namespace ciliumcore
