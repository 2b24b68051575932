// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/flow_denials_internal.h"

#include <algorithm>
#include <iterator>
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

// The end as a pod of `to`, where it is put.
NamedEnd MovedTo(Cluster& to, NamedEnd end, const Cluster& from) {
  if (!end.pod.has_value()) return end;
  to.pods.push_back(from.pods[*end.pod]);
  end.pod = static_cast<uint32_t>(to.pods.size() - 1);
  return end;
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
    : source_(MovedTo(ends_, source, cluster)),
      destination_(MovedTo(ends_, destination, cluster)),
      port_(port) {
  // Whose addresses are the host's.
  for (uint32_t i = 0; i < cluster.pods.size(); ++i) {
    if (cluster.pods[i].host_network && source.pod != i &&
        destination.pod != i) {
      ends_.pods.push_back(cluster.pods[i]);
    }
  }
  std::set<std::string> namespaces;
  for (const Pod& pod : ends_.pods) namespaces.insert(pod.ns);
  for (const std::string& name : namespaces) {
    const auto at = cluster.namespaces.find(name);
    if (at != cluster.namespaces.end()) ends_.namespaces.insert(*at);
  }
  // Of other namespaces they select nobody here.
  std::copy_if(cluster.policies.begin(), cluster.policies.end(),
               std::back_inserter(ends_.policies),
               [&namespaces](const NetworkPolicy& policy) {
                 return namespaces.contains(policy.ns);
               });
  std::copy_if(cluster.cilium_policies.begin(), cluster.cilium_policies.end(),
               std::back_inserter(ends_.cilium_policies),
               [&namespaces](const CiliumPolicy& policy) {
                 return policy.is_clusterwide() ||
                        namespaces.contains(policy.ns);
               });
  ends_.cluster_policies = cluster.cluster_policies;
  ends_.cidr_groups = cluster.cidr_groups;
  ends_.services = cluster.services;
  ends_.slices = cluster.slices;
  ends_.nodes = cluster.nodes;
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
