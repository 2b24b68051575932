// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/flow_denials_internal.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace ciliumcore {
namespace {

Party PartyOf(const CompiledCluster& cluster, const NamedEnd& end) {
  if (!end.pod.has_value()) return cluster.policy.PartyOf(*end.address);
  size_t index = 0;
  const std::vector<IpAddress>& addresses =
      cluster.cluster.pods[*end.pod].addresses;
  if (end.address.has_value()) {
    index = std::find(addresses.begin(), addresses.end(), *end.address) -
            addresses.begin();
  }
  return cluster.policy.PartyOf(*end.pod, index);
}

Denial DenialOf(const CompiledPolicy& policy, const Cell& cell) {
  if (cell.verdict != Verdict::kDeny) return Denial::kNone;
  const RuleSet* set = policy.FindRuleSet(cell.rule_set);
  return set != nullptr && set->kind == RuleSet::Kind::kDefaultDeny
             ? Denial::kByDefault
             : Denial::kByRules;
}

}  // namespace

PairDecision DecideFlow(const CompiledCluster& cluster, const NamedEnd& source,
                        const NamedEnd& destination, const PortProtocol& port) {
  return cluster.policy.DecidePair(PartyOf(cluster, source),
                                   PartyOf(cluster, destination), port.protocol,
                                   *PolicyPortOf(port));
}

std::vector<ProxiedSide> ProxiedSidesOf(const CompiledPolicy& policy,
                                        const PairDecision& decision) {
  std::vector<ProxiedSide> sides;
  for (Direction direction : {Direction::kEgress, Direction::kIngress}) {
    const Cell& cell = decision.of(direction);
    if (cell.verdict != Verdict::kRedirect) continue;
    const RuleSet* set = policy.FindRuleSet(cell.rule_set);
    sides.push_back({direction, cell.proxy_port,
                     set == nullptr ? std::vector<RuleRef>() : set->rules});
  }
  return sides;
}

Denials DenialsOf(const CompiledPolicy& policy, const PairDecision& decision) {
  return {DenialOf(policy, decision.egress),
          DenialOf(policy, decision.ingress)};
}

RelabelledFlow::RelabelledFlow(const Cluster& cluster, const NamedEnd& source,
                               const NamedEnd& destination,
                               const PortProtocol& port)
    : ends_(cluster), source_(source), destination_(destination), port_(port) {
  ends_.pods.clear();
  for (NamedEnd* end : {&source_, &destination_}) {
    if (!end->pod.has_value()) continue;
    ends_.pods.push_back(cluster.pods[*end->pod]);
    end->pod = static_cast<uint32_t>(ends_.pods.size() - 1);
  }
  // Whose addresses are a node's.
  for (uint32_t i = 0; i < cluster.pods.size(); ++i) {
    if (cluster.pods[i].host_network && source.pod != i &&
        destination.pod != i) {
      ends_.pods.push_back(cluster.pods[i]);
    }
  }
  std::set<std::string> namespaces;
  for (const Pod& pod : ends_.pods) namespaces.insert(pod.ns);
  std::erase_if(ends_.namespaces,
                [&](const auto& ns) { return !namespaces.contains(ns.first); });
  // Of other namespaces they select nobody here.
  std::erase_if(ends_.policies, [&](const NetworkPolicy& policy) {
    return !namespaces.contains(policy.ns);
  });
  std::erase_if(ends_.cilium_policies, [&](const CiliumPolicy& policy) {
    return !policy.is_clusterwide() && !namespaces.contains(policy.ns);
  });
}

std::optional<Denials> RelabelledFlow::DenialsWith(
    const std::vector<PolicyEdit>& labels) const {
  absl::StatusOr<Cluster> labelled = Apply(ends_, labels);
  if (!labelled.ok()) return std::nullopt;
  const absl::StatusOr<CompiledCluster> compiled =
      CompileCluster(*std::move(labelled));
  if (!compiled.ok()) return std::nullopt;
  return DenialsOf(compiled->policy,
                   DecideFlow(*compiled, source_, destination_, port_));
}

}  // namespace ciliumcore
