// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/oracle_cluster.h"

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
  return cluster;
}

PolicyInput OracleInputOf(const Cluster& cluster) {
  PolicyInput input;
  input.policies = cluster.policies;
  for (const auto& [name, ns] : cluster.namespaces) {
    input.namespaces.push_back(ns);
  }
  for (const Pod& pod : cluster.pods) {
    input.endpoints.push_back({Identity::kUnknown, pod.labels, pod.ns,
                               pod.ports, pod.addresses, pod.host_network});
  }
  return input;
}

}  // namespace ciliumcore::testing
