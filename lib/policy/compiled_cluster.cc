// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/compiled_cluster.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/policy/address_arithmetic_internal.h"
#include "lib/policy/compiled_cluster_internal.h"

namespace ciliumcore {
namespace {

// Pods in the host's network share the node's address, others none.
absl::Status CheckAddresses(const std::vector<Pod>& pods) {
  absl::flat_hash_map<IpAddress, uint32_t> owners;
  for (uint32_t i = 0; i < pods.size(); ++i) {
    for (const IpAddress& address : pods[i].addresses) {
      const auto [at, inserted] = owners.try_emplace(address, i);
      const Pod& first = pods[at->second];
      if (inserted || (pods[i].host_network && first.host_network)) continue;
      if (at->second == i) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("pods ", first.ToString(), " and ", pods[i].ToString(),
                       " both have the address ", address.ToString()));
    }
  }
  return absl::OkStatus();
}

// Gives each of `pods` the next address of `cidr` that nobody has; the first
// one and, of IPv4, the last stay unused as in any subnet.
absl::Status Assign(const IpPrefix& cidr, const std::vector<uint32_t>& pods,
                    Cluster& cluster, std::set<IpAddress>& taken) {
  const bool is_subnet = cidr.length() < (cidr.is_v4() ? 31 : 127);
  std::optional<IpAddress> next =
      is_subnet ? Successor(cidr.first()) : cidr.first();
  const IpAddress last =
      is_subnet && cidr.is_v4() ? *Predecessor(cidr.last()) : cidr.last();
  for (uint32_t pod : pods) {
    while (next.has_value() && *next <= last && taken.contains(*next)) {
      next = Successor(*next);
    }
    if (!next.has_value() || *next > last) {
      return absl::ResourceExhaustedError(
          absl::StrCat(cidr.ToString(), " has too few addresses for ",
                       pods.size(), " pods without one"));
    }
    taken.insert(*next);
    cluster.pods[pod].addresses.push_back(*next);
  }
  return absl::OkStatus();
}

// Of a service without a selector.
std::vector<IpAddress> BackendsOf(const Service& service,
                                  const SliceIndex& index) {
  std::vector<IpAddress> addresses;
  const auto slices = index.find({service.ns, service.name});
  if (service.selector.has_value() || slices == index.end()) return addresses;
  for (const EndpointSlice* slice : slices->second) {
    for (const SliceEndpoint& endpoint : slice->endpoints) {
      addresses.insert(addresses.end(), endpoint.addresses.begin(),
                       endpoint.addresses.end());
    }
  }
  return addresses;
}

void Append(const std::vector<IpAddress>& more, std::vector<IpAddress>& to) {
  to.insert(to.end(), more.begin(), more.end());
}

// By the places of nodes among Cluster::nodes.
absl::flat_hash_map<IpAddress, uint32_t> NodesByAddress(
    const Cluster& cluster) {
  absl::flat_hash_map<IpAddress, uint32_t> nodes;
  uint32_t place = 0;
  for (const auto& [name, node] : cluster.nodes) {
    for (const IpAddress& address : node.addresses) {
      nodes.try_emplace(address, place);
    }
    ++place;
  }
  return nodes;
}

// Whether the pod is in the network of the node at this place; none: of no node
// that the manifests have.
std::optional<uint32_t> NodeOf(
    const Pod& pod, const absl::flat_hash_map<IpAddress, uint32_t>& nodes) {
  if (!pod.host_network) return std::nullopt;
  for (const IpAddress& address : pod.addresses) {
    if (const auto at = nodes.find(address); at != nodes.end()) {
      return at->second;
    }
  }
  return std::nullopt;
}

PolicyInput InputOf(const Cluster& cluster) {
  PolicyInput input;
  static_cast<Policies&>(input) = PoliciesOf(cluster);
  static_cast<PolicyContext&>(input) = PolicyContextOf(cluster);
  for (const auto& [name, ns] : cluster.namespaces) {
    input.namespaces.push_back(ns);
  }
  absl::flat_hash_map<IpAddress, uint32_t> nodes = NodesByAddress(cluster);
  absl::flat_hash_map<std::pair<std::string, Labels>, uint32_t> identities;
  for (const Pod& pod : cluster.pods) {
    Identity identity = Identity::kHost;
    if (!pod.host_network) {
      const uint32_t fresh =
          kFirstClusterIdentity + static_cast<uint32_t>(identities.size());
      identity = static_cast<Identity>(
          identities.try_emplace({pod.ns, pod.labels}, fresh).first->second);
    } else if (const auto node = NodeOf(pod, nodes)) {
      identity = Identity::kRemoteNode;
      // Whatever else it has is the node's, too.
      for (const IpAddress& address : pod.addresses) {
        if (!nodes.try_emplace(address, *node).second) continue;
        input.remote_nodes[*node].addresses.push_back(address);
      }
    }
    input.endpoints.push_back({.identity = identity,
                               .labels = pod.labels,
                               .ns = pod.ns,
                               .ports = pod.ports,
                               .addresses = pod.addresses,
                               .host_network = pod.host_network});
  }
  return input;
}

std::vector<Workload> WorkloadsOf(const std::vector<Pod>& pods) {
  std::map<std::tuple<std::string, std::string, std::string>,
           std::vector<uint32_t>>
      owned;
  for (uint32_t i = 0; i < pods.size(); ++i) {
    owned[{pods[i].ns, pods[i].owner_name, pods[i].owner_kind}].push_back(i);
  }
  std::vector<Workload> workloads;
  for (auto& [owner, members] : owned) {
    const auto& [ns, name, kind] = owner;
    workloads.push_back({ns, name, kind, std::move(members)});
  }
  return workloads;
}

// Of networks or domain names, which only rules of egress have.
template <typename Peers>
bool HasPeers(const ClusterPolicy& policy) {
  for (const ClusterRule& rule : policy.egress) {
    for (const ClusterPeer& peer : rule.peers) {
      if (std::holds_alternative<Peers>(peer)) return true;
    }
  }
  return false;
}

bool HasNames(const CiliumPolicy& policy) {
  for (const CiliumSpec& spec : policy.specs) {
    for (const CiliumRule& rule : spec.egress) {
      if (rule.peers.has_value() && !rule.peers->fqdns.empty()) return true;
    }
  }
  return false;
}

PolicyRef RefOf(const ClusterPolicy& policy) {
  return {std::string(ClusterPolicyKindName(policy.kind)), "", policy.name};
}

bool HasIpBlock(const std::vector<NetworkPolicyRule>& rules) {
  for (const NetworkPolicyRule& rule : rules) {
    for (const PeerRule& peer : rule.peers) {
      if (peer.ip_block.has_value()) return true;
    }
  }
  return false;
}

}  // namespace

std::string Workload::ToString() const {
  return absl::StrCat(ns, "/", name, "[", kind, "]");
}

Policies PoliciesOf(const Cluster& cluster) {
  return {.policies = cluster.policies,
          .cilium_policies = cluster.cilium_policies,
          .cluster_policies = cluster.cluster_policies,
          .cidr_groups = cluster.cidr_groups};
}

PolicyContext PolicyContextOf(const Cluster& cluster) {
  PolicyContext context;
  const SliceIndex slices = IndexSlices(cluster);
  for (const Service& service : cluster.services) {
    context.services.push_back({.ns = service.ns,
                                .name = service.name,
                                .labels = service.labels,
                                .selector = service.selector,
                                .addresses = BackendsOf(service, slices)});
  }
  for (const auto& [name, node] : cluster.nodes) {
    context.remote_nodes.push_back({name, node.labels, node.addresses});
    Append(node.health_addresses, context.health_addresses);
    Append(node.ingress_addresses, context.ingress_addresses);
  }
  return context;
}

absl::StatusOr<CompiledCluster> CompileWithNames(
    const CompiledCluster& cluster, std::vector<ResolvedName> names) {
  PolicyInput input = InputOf(cluster.cluster);
  input.names = std::move(names);
  PeerRegistry peers;
  RuleSetTable rule_sets;
  CC_ASSIGN_OR_RETURN(CompiledPolicy policy, Compile(input, peers, rule_sets));
  return CompiledCluster{cluster.cluster, std::move(policy), cluster.workloads};
}

absl::StatusOr<CompiledCluster> CompileCluster(
    Cluster cluster, const CompileClusterOptions& options) {
  CC_RETURN_IF_ERROR(CheckAddresses(cluster.pods));
  std::set<IpAddress> taken = TakenAddresses(cluster);
  const std::vector<uint32_t> unaddressed = PodsWithoutAddress(cluster);
  for (const IpPrefix& cidr : options.pod_cidrs) {
    CC_RETURN_IF_ERROR(Assign(cidr, unaddressed, cluster, taken));
  }
  PeerRegistry peers;
  RuleSetTable rule_sets;
  CC_ASSIGN_OR_RETURN(CompiledPolicy policy,
                      Compile(InputOf(cluster), peers, rule_sets));
  std::vector<Workload> workloads = WorkloadsOf(cluster.pods);
  return CompiledCluster{std::move(cluster), std::move(policy),
                         std::move(workloads)};
}

std::vector<uint32_t> PodsWithoutAddress(const Cluster& cluster) {
  std::vector<uint32_t> pods;
  for (uint32_t i = 0; i < cluster.pods.size(); ++i) {
    const Pod& pod = cluster.pods[i];
    if (!pod.host_network && pod.addresses.empty()) pods.push_back(i);
  }
  return pods;
}

std::set<IpAddress> TakenAddresses(const Cluster& cluster) {
  std::set<IpAddress> taken;
  for (const Pod& pod : cluster.pods) {
    taken.insert(pod.addresses.begin(), pod.addresses.end());
  }
  for (const auto& [name, node] : cluster.nodes) {
    for (const auto* addresses :
         {&node.addresses, &node.health_addresses, &node.ingress_addresses}) {
      taken.insert(addresses->begin(), addresses->end());
    }
  }
  return taken;
}

std::vector<uint32_t> PodsOfNodes(const Cluster& cluster) {
  const auto nodes = NodesByAddress(cluster);
  std::vector<uint32_t> pods;
  for (uint32_t i = 0; i < cluster.pods.size(); ++i) {
    if (NodeOf(cluster.pods[i], nodes).has_value()) pods.push_back(i);
  }
  return pods;
}

std::vector<PolicyRef> PoliciesWithIpBlock(const Cluster& cluster) {
  std::vector<PolicyRef> found;
  for (const NetworkPolicy& policy : cluster.policies) {
    if (!(policy.isolates_ingress && HasIpBlock(policy.ingress)) &&
        !(policy.isolates_egress && HasIpBlock(policy.egress))) {
      continue;
    }
    const auto selected = [&policy](const Pod& pod) {
      return pod.ns == policy.ns && !pod.host_network &&
             policy.pod_selector.Matches(pod.labels);
    };
    if (std::any_of(cluster.pods.begin(), cluster.pods.end(), selected)) {
      found.push_back({"NetworkPolicy", policy.ns, policy.name});
    }
  }
  for (const ClusterPolicy& policy : cluster.cluster_policies) {
    if (!HasPeers<NetworkPeers>(policy)) continue;
    const auto is_subject = [&](const Pod& pod) {
      const auto ns = cluster.namespaces.find(pod.ns);
      return !pod.host_network &&
             policy.subject.pod_selector.Matches(pod.labels) &&
             policy.subject.namespace_selector.Matches(
                 ns == cluster.namespaces.end() ? MakeNamespace(pod.ns).labels
                                                : ns->second.labels);
    };
    if (std::any_of(cluster.pods.begin(), cluster.pods.end(), is_subject)) {
      found.push_back(RefOf(policy));
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<PolicyRef> PoliciesWithNames(const Cluster& cluster) {
  std::vector<PolicyRef> found;
  for (const CiliumPolicy& policy : cluster.cilium_policies) {
    if (!HasNames(policy)) continue;
    found.push_back({std::string(policy.kind()), policy.ns, policy.name});
  }
  for (const ClusterPolicy& policy : cluster.cluster_policies) {
    if (HasPeers<DomainPeers>(policy)) found.push_back(RefOf(policy));
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<RuleRef> RulesForProxies(const CompiledPolicy& policy) {
  absl::flat_hash_set<uint32_t> rule_sets;
  for (const TableRef& table : policy.tables) {
    for (const Cell& cell : table->cells) {
      if (cell.verdict == Verdict::kRedirect) rule_sets.insert(cell.rule_set);
    }
  }
  std::set<RuleRef> rules;
  for (const uint32_t id : rule_sets) {
    const RuleSet* set = policy.FindRuleSet(id);
    if (set != nullptr) rules.insert(set->rules.begin(), set->rules.end());
  }
  return {rules.begin(), rules.end()};
}

}  // namespace ciliumcore
