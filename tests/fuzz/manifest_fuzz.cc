// SPDX-License-Identifier: Apache-2.0

// Whatever the text: a cluster that keeps its promises, or a message.

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ciliumcore/policy/manifest.h"
#include "ciliumcore/policy/policy_set.h"
#include "tests/fuzz/fuzz_check.h"

namespace ciliumcore {
namespace {

void CheckPort(const PortRule& port) {
  FuzzCheck(port.port != 0, "port 0 is none");
  FuzzCheck(!port.end_port || (port.port && *port.port <= *port.end_port),
            "a range has both ends");
  FuzzCheck(port.name.empty() || !port.port, "a port is one thing");
}

void CheckRule(const NetworkPolicyRule& rule) {
  for (const PeerRule& peer : rule.peers) {
    const bool selects = peer.pod_selector || peer.namespace_selector;
    FuzzCheck(selects != peer.ip_block.has_value(), "a peer is one thing");
    if (!peer.ip_block) continue;
    for (const IpPrefix& except : peer.ip_block->except) {
      FuzzCheck(peer.ip_block->cidr.Contains(except), "except is inside");
    }
  }
  for (const PortRule& port : rule.ports) CheckPort(port);
}

void CheckPeers(const CiliumPeers& peers) {
  const int kinds = !peers.endpoints.empty() + !peers.nodes.empty() +
                    !peers.entities.empty() + !peers.cidrs.empty() +
                    !peers.services.empty() + !peers.fqdns.empty() +
                    !peers.groups.empty();
  FuzzCheck(kinds <= 1, "peers are of one kind");
  for (const LabelSelector& selector : peers.endpoints) {
    FuzzCheck(selector.Validate().ok(), "selectors are valid");
  }
  for (const CiliumCidrRule& rule : peers.cidrs) {
    FuzzCheck(rule.cidr.has_value() + !rule.group.empty() +
                      rule.group_selector.has_value() ==
                  1,
              "addresses are one thing");
    for (const IpPrefix& except : rule.except) {
      FuzzCheck(!rule.cidr || rule.cidr->Contains(except), "except is inside");
    }
  }
}

void CheckRules(const std::vector<CiliumRule>& rules, bool is_denial) {
  for (const CiliumRule& rule : rules) {
    if (rule.peers) CheckPeers(*rule.peers);
    FuzzCheck(rule.ports.empty() || rule.icmps.empty(), "ports or icmps");
    for (const CiliumPortRule& ports : rule.ports) {
      FuzzCheck(!ports.ports.empty(), "a port rule has ports");
      FuzzCheck(ports.http.empty() || ports.dns.empty(), "http or dns");
      FuzzCheck(!is_denial || !ports.needs_proxy(), "denials need no proxy");
      for (const PortRule& port : ports.ports) CheckPort(port);
    }
  }
}

void CheckCiliumPolicy(const CiliumPolicy& policy) {
  FuzzCheck(!policy.specs.empty(), "a policy specifies something");
  for (const CiliumSpec& spec : policy.specs) {
    FuzzCheck(
        spec.endpoint_selector.has_value() != spec.node_selector.has_value(),
        "subjects are one thing");
    FuzzCheck(!spec.node_selector || policy.is_clusterwide(),
              "nodes are in no namespace");
    FuzzCheck(
        !spec.endpoint_selector || spec.endpoint_selector->Validate().ok(),
        "selectors are valid");
    CheckRules(spec.ingress, false);
    CheckRules(spec.ingress_deny, true);
    CheckRules(spec.egress, false);
    CheckRules(spec.egress_deny, true);
  }
}

void CheckRule(const ClusterPolicy& policy, const ClusterRule& rule,
               bool is_egress) {
  FuzzCheck(!rule.peers.empty(), "a rule of the cluster has peers");
  bool has_only_pods = true;
  for (const ClusterPeer& peer : rule.peers) {
    if (std::holds_alternative<NamespacedPods>(peer)) continue;
    FuzzCheck(is_egress, "only pods are a source");
    has_only_pods = false;
    if (!std::holds_alternative<DomainPeers>(peer)) continue;
    FuzzCheck(rule.action == ClusterRule::Action::kAccept &&
                  policy.tier == ClusterPolicy::Tier::kAdmin,
              "domains are only accepted");
  }
  if (!rule.ports) return;
  FuzzCheck(!rule.ports->empty(), "ports that are there are some");
  for (const ClusterPort& port : *rule.ports) {
    FuzzCheck(port.name.empty() == port.port.has_value(),
              "a port is one thing");
    FuzzCheck(port.port != 0, "port 0 is none");
    FuzzCheck((port.protocol == Protocol::kAny) == !port.name.empty(),
              "a name has any protocol");
    FuzzCheck(!port.end_port || (port.port && *port.port < *port.end_port),
              "a range has both ends");
    FuzzCheck(port.name.empty() || has_only_pods, "addresses name no ports");
  }
}

void CheckCluster(const Cluster& cluster) {
  std::set<std::pair<std::string, std::string>> pods;
  for (const Pod& pod : cluster.pods) {
    FuzzCheck(cluster.namespaces.count(pod.ns) == 1, "namespaces are there");
    FuzzCheck(pods.emplace(pod.ns, pod.name).second, "pods have one name each");
    FuzzCheck(!pod.owner_kind.empty(), "pods have owners");
  }
  for (const auto& [name, ns] : cluster.namespaces) {
    FuzzCheck(ns.name == name, "namespaces are under their names");
    FuzzCheck(*ns.labels.Get(kNamespaceNameLabel) == name, "and labelled");
  }
  PolicySet set;
  for (const NetworkPolicy& policy : cluster.policies) {
    FuzzCheck(set.Add(policy).ok(), "policies have one name each");
    FuzzCheck(policy.isolates_ingress || policy.isolates_egress,
              "policies isolate");
    FuzzCheck(policy.pod_selector.Validate().ok(), "selectors are valid");
    for (const auto& rule : policy.ingress) CheckRule(rule);
    for (const auto& rule : policy.egress) CheckRule(rule);
  }
  std::set<std::string> names;
  for (const ClusterPolicy& policy : cluster.cluster_policies) {
    FuzzCheck(names.insert(policy.ToString()).second, "one name each");
    FuzzCheck(policy.subject.namespace_selector.Validate().ok() &&
                  policy.subject.pod_selector.Validate().ok(),
              "subjects are valid");
    for (const auto& rule : policy.ingress) CheckRule(policy, rule, false);
    for (const auto& rule : policy.egress) CheckRule(policy, rule, true);
  }
  std::set<std::string> cilium;
  for (const CiliumPolicy& policy : cluster.cilium_policies) {
    FuzzCheck(cilium.insert(policy.ToString()).second,
              "policies have one name each");
    CheckCiliumPolicy(policy);
  }
}

}  // namespace
}  // namespace ciliumcore

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ciliumcore::ManifestSource source = {
      .text = std::string(reinterpret_cast<const char*>(data), size)};
  const auto cluster =
      ciliumcore::LoadManifests({&source, 1}, {.max_replicas = 4});
  if (cluster.ok()) {
    ciliumcore::CheckCluster(*cluster);
  } else {
    ciliumcore::FuzzCheck(!cluster.status().message().empty(),
                          "a refusal says why");
  }
  return 0;
}
