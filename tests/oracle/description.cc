// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/description.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ciliumcore::testing {
namespace {

struct AppendString {
  template <typename T>
  void operator()(std::string* out, const T& value) const {
    out->append(value.ToString());
  }
};

std::string Describe(const PeerRule& peer) {
  std::vector<std::string> parts;
  if (peer.pod_selector.has_value()) {
    parts.push_back(
        absl::StrCat("podSelector: {", peer.pod_selector->ToString(), "}"));
  }
  if (peer.namespace_selector.has_value()) {
    parts.push_back(absl::StrCat("namespaceSelector: {",
                                 peer.namespace_selector->ToString(), "}"));
  }
  if (peer.ip_block.has_value()) {
    std::string block =
        absl::StrCat("ipBlock: ", peer.ip_block->cidr.ToString());
    for (const IpPrefix& except : peer.ip_block->except) {
      absl::StrAppend(&block, " except ", except.ToString());
    }
    parts.push_back(std::move(block));
  }
  return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
}

void AppendRules(const char* section, const char* peers_name,
                 const std::vector<NetworkPolicyRule>& rules,
                 std::string& out) {
  if (rules.empty()) return;
  absl::StrAppend(&out, "  ", section, ":\n");
  for (const NetworkPolicyRule& rule : rules) {
    std::vector<std::string> peers, ports;
    for (const PeerRule& peer : rule.peers) peers.push_back(Describe(peer));
    for (const PortRule& port : rule.ports) {
      ports.push_back(PortText(port));
    }
    absl::StrAppend(&out, "  - {", peers_name, ": [",
                    absl::StrJoin(peers, ", "), "], ports: [",
                    absl::StrJoin(ports, ", "), "]}\n");
  }
}

std::string Describe(const PolicyEndpoint& pod) {
  std::string ports;
  for (const NamedPort& port : pod.ports) {
    absl::StrAppend(&ports, port.name, "=", port.port.ToString(), " ");
  }
  return absl::StrCat("{namespace: ", pod.ns,
                      ", identity: ", static_cast<uint32_t>(pod.identity),
                      ", labels: {", pod.labels.ToString(), "}, addresses: [",
                      Listing(pod.addresses), "], ports: [", ports, "]",
                      pod.host_network ? ", hostNetwork" : "", "}");
}

std::string Describe(const NetworkPolicy& policy) {
  std::string out = absl::StrCat(
      "NetworkPolicy ", policy.ns, "/", policy.name, ":\n  podSelector: {",
      policy.pod_selector.ToString(), "}\n  policyTypes: [",
      policy.isolates_ingress ? "Ingress " : "",
      policy.isolates_egress ? "Egress" : "", "]\n");
  AppendRules("ingress", "from", policy.ingress, out);
  AppendRules("egress", "to", policy.egress, out);
  return out;
}

// Whom policies speak of, but pods.
void AppendSurroundings(const PolicyInput& input, std::string& out) {
  for (const Namespace& ns : input.namespaces) {
    absl::StrAppend(&out, "namespace ", ns.name, ": {", ns.labels.ToString(),
                    "}\n");
  }
  absl::StrAppend(&out, "hosts: [", Listing(input.host_addresses), "] {",
                  input.host_labels.ToString(), "}, remote nodes: [",
                  Listing(input.remote_node_addresses), "], API servers: [",
                  Listing(input.api_server_addresses), "]\n");
  for (const PolicyNode& node : input.remote_nodes) {
    absl::StrAppend(&out, "remote node {", node.labels.ToString(), "}: [",
                    Listing(node.addresses), "]\n");
  }
  for (const PolicyService& service : input.services) {
    absl::StrAppend(
        &out, "service ", service.ns, "/", service.name, ": {labels: {",
        service.labels.ToString(), "}, ",
        service.selector.has_value()
            ? absl::StrCat("selector: {", service.selector->ToString(), "}")
            : absl::StrCat("addresses: [", Listing(service.addresses), "]"),
        "}\n");
  }
  for (const ResolvedName& name : input.names) {
    absl::StrAppend(&out, "name ", name.name, ": [", Listing(name.addresses),
                    "]\n");
  }
  for (const CidrGroup& group : input.cidr_groups) {
    absl::StrAppend(&out, "CiliumCIDRGroup ", group.name, ": {labels: {",
                    group.labels.ToString(), "}, cidrs: [",
                    Listing(group.cidrs), "]}\n");
  }
}

}  // namespace

std::string Listing(const std::vector<IpAddress>& addresses) {
  return absl::StrJoin(addresses, ", ", AppendString());
}

std::string Listing(const std::vector<IpPrefix>& prefixes) {
  return absl::StrJoin(prefixes, ", ", AppendString());
}

std::string PortText(const PortRule& port) {
  std::string what = port.name;
  if (port.port.has_value()) absl::StrAppend(&what, *port.port);
  if (port.end_port.has_value()) absl::StrAppend(&what, "-", *port.end_port);
  if (what.empty()) what = "every";
  return absl::StrCat(what, "/", ProtocolName(port.protocol));
}

std::string Describe(const PolicyInput& input) {
  std::string out;
  AppendSurroundings(input, out);
  for (size_t i = 0; i < input.endpoints.size(); ++i) {
    absl::StrAppend(&out, "pod ", i, ": ", Describe(input.endpoints[i]), "\n");
  }
  for (const NetworkPolicy& policy : input.policies) {
    absl::StrAppend(&out, Describe(policy));
  }
  for (const CiliumPolicy& policy : input.cilium_policies) {
    absl::StrAppend(&out, Describe(policy));
  }
  for (const ClusterPolicy& policy : input.cluster_policies) {
    absl::StrAppend(&out, Describe(policy));
  }
  return out;
}

}  // namespace ciliumcore::testing
