// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/oracle_cluster.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace ciliumcore::testing {

Cluster ClusterOf(const PolicyInput& input,
                  const std::vector<std::string>& names) {
  Cluster cluster;
  for (const Namespace& ns : input.namespaces) cluster.namespaces[ns.name] = ns;
  const auto add = [&cluster](const PolicyEndpoint& endpoint,
                              const std::string& name) {
    cluster.namespaces.try_emplace(endpoint.ns, MakeNamespace(endpoint.ns));
    cluster.pods.push_back({endpoint.ns, name, endpoint.labels, "Pod", name,
                            endpoint.ports, endpoint.addresses,
                            endpoint.host_network});
  };
  for (uint32_t i = 0; i < input.endpoints.size(); ++i) {
    add(input.endpoints[i], names[i]);
  }
  uint32_t nodes = 0;
  for (const IpAddress& address : input.host_addresses) {
    PolicyEndpoint node;
    node.ns = "x";
    node.addresses = {address};
    node.host_network = true;
    add(node, absl::StrCat("node-", nodes++));
  }
  cluster.policies = input.policies;
  cluster.cilium_policies = input.cilium_policies;
  cluster.cluster_policies = input.cluster_policies;
  cluster.cidr_groups = input.cidr_groups;
  return cluster;
}

PolicyInput OracleInputOf(Cluster cluster) {
  PolicyInput input;
  input.policies = std::move(cluster.policies);
  for (auto& [name, ns] : cluster.namespaces) {
    input.namespaces.push_back(std::move(ns));
  }
  for (Pod& pod : cluster.pods) {
    input.endpoints.push_back({Identity::kUnknown, std::move(pod.labels),
                               std::move(pod.ns), std::move(pod.ports),
                               std::move(pod.addresses), pod.host_network});
  }
  return input;
}

}  // namespace ciliumcore::testing
