// SPDX-License-Identifier: Apache-2.0

// Policies of Cilium and of the whole cluster.

#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/oracle/description.h"

namespace ciliumcore::testing {
namespace {

template <typename T, typename Text>
void AppendList(const char* name, const std::vector<T>& values,
                const Text& text, std::vector<std::string>& parts) {
  if (values.empty()) return;
  std::vector<std::string> texts;
  for (const T& value : values) texts.push_back(text(value));
  parts.push_back(absl::StrCat(name, ": [", absl::StrJoin(texts, ", "), "]"));
}

std::string Selecting(const LabelSelector& selector) {
  return absl::StrCat("{", selector.ToString(), "}");
}

std::string Describe(const CiliumCidrRule& rule) {
  std::string out =
      rule.cidr.has_value() ? rule.cidr->ToString()
      : rule.group_selector.has_value()
          ? absl::StrCat("groups ", Selecting(*rule.group_selector))
          : absl::StrCat("group ", rule.group);
  if (!rule.except.empty()) {
    absl::StrAppend(&out, " except [", Listing(rule.except), "]");
  }
  return out;
}

std::string Describe(const CiliumServiceRef& ref) {
  return absl::StrCat(
      ref.ns, "/",
      ref.selector.has_value() ? Selecting(*ref.selector) : ref.name);
}

std::string Describe(const CiliumPeers& peers) {
  std::vector<std::string> parts;
  AppendList("endpoints", peers.endpoints, Selecting, parts);
  AppendList("nodes", peers.nodes, Selecting, parts);
  AppendList(
      "entities", peers.entities,
      [](CiliumEntity entity) { return std::string(CiliumEntityName(entity)); },
      parts);
  AppendList(
      "cidrs", peers.cidrs,
      [](const CiliumCidrRule& rule) { return Describe(rule); }, parts);
  AppendList(
      "services", peers.services,
      [](const CiliumServiceRef& ref) { return Describe(ref); }, parts);
  AppendList(
      "fqdns", peers.fqdns,
      [](const DnsMatch& match) {
        return match.name.empty() ? match.pattern : match.name;
      },
      parts);
  AppendList(
      "groups", peers.groups, [](const CiliumAwsGroup&) { return "aws"; },
      parts);
  return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
}

std::string Describe(const CiliumPortRule& rule) {
  std::vector<std::string> parts;
  AppendList(
      "ports", rule.ports, [](const PortRule& port) { return PortText(port); },
      parts);
  if (rule.needs_proxy()) parts.push_back("proxy");
  return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
}

std::string Describe(const CiliumRule& rule) {
  std::vector<std::string> parts;
  if (rule.peers.has_value()) {
    parts.push_back(absl::StrCat("peers: ", Describe(*rule.peers)));
  }
  AppendList(
      "toPorts", rule.ports,
      [](const CiliumPortRule& ports) { return Describe(ports); }, parts);
  AppendList(
      "icmps", rule.icmps,
      [](const CiliumIcmp& icmp) {
        return absl::StrCat(icmp.is_v6 ? "v6 " : "v4 ", icmp.type);
      },
      parts);
  if (rule.authentication.has_value()) {
    parts.push_back(absl::StrCat("authentication: ",
                                 static_cast<int>(*rule.authentication)));
  }
  return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
}

std::string Describe(const NamespacedPods& pods) {
  return absl::StrCat(
      "{namespaceSelector: ", Selecting(pods.namespace_selector),
      ", podSelector: ", Selecting(pods.pod_selector), "}");
}

std::string Describe(const NodePeers& nodes) {
  return absl::StrCat("{nodes: ", Selecting(nodes.selector), "}");
}

std::string Describe(const NetworkPeers& networks) {
  return absl::StrCat("{networks: [", Listing(networks.cidrs), "]}");
}

std::string Describe(const DomainPeers& domains) {
  return absl::StrCat("{domainNames: [", absl::StrJoin(domains.names, ", "),
                      "]}");
}

std::string Describe(const ClusterRule& rule) {
  std::vector<std::string> parts;
  AppendList(
      "peers", rule.peers,
      [](const ClusterPeer& peer) {
        return std::visit([](const auto& one) { return Describe(one); }, peer);
      },
      parts);
  if (rule.ports.has_value()) {
    std::vector<std::string> ports;
    for (const ClusterPort& port : *rule.ports) {
      ports.push_back(PortText(
          PortRule{port.protocol, port.port, port.end_port, port.name}));
    }
    parts.push_back(absl::StrCat("ports: [", absl::StrJoin(ports, ", "), "]"));
  }
  return absl::StrCat(ClusterRuleActionName(rule.action), " {",
                      absl::StrJoin(parts, ", "), "}");
}

template <typename Rule>
void AppendSection(const char* section, const std::vector<Rule>& rules,
                   std::string& out) {
  if (rules.empty()) return;
  absl::StrAppend(&out, "  ", section, ":\n");
  for (const Rule& rule : rules) {
    absl::StrAppend(&out, "  - ", Describe(rule), "\n");
  }
}

}  // namespace

std::string Describe(const CiliumPolicy& policy) {
  std::string out = absl::StrCat(policy.ToString(), ":\n");
  for (const CiliumSpec& spec : policy.specs) {
    if (spec.endpoint_selector.has_value()) {
      absl::StrAppend(&out, " spec: endpointSelector: ",
                      Selecting(*spec.endpoint_selector), "\n");
    }
    if (spec.node_selector.has_value()) {
      absl::StrAppend(
          &out, " spec: nodeSelector: ", Selecting(*spec.node_selector), "\n");
    }
    absl::StrAppend(&out, "  denies by default:",
                    spec.denies_ingress_by_default() ? " ingress" : "",
                    spec.denies_egress_by_default() ? " egress" : "", "\n");
    AppendSection("ingress", spec.ingress, out);
    AppendSection("ingressDeny", spec.ingress_deny, out);
    AppendSection("egress", spec.egress, out);
    AppendSection("egressDeny", spec.egress_deny, out);
  }
  return out;
}

std::string Describe(const ClusterPolicy& policy) {
  std::string out = absl::StrCat(
      policy.ToString(), ":\n  tier: ", ClusterPolicyTierName(policy.tier),
      ", priority: ", policy.priority,
      "\n  subject: ", Describe(policy.subject), "\n");
  AppendSection("ingress", policy.ingress, out);
  AppendSection("egress", policy.egress, out);
  return out;
}

}  // namespace ciliumcore::testing
