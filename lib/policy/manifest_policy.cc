// SPDX-License-Identifier: Apache-2.0

// NetworkPolicy and Namespace.

#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/identity/kubernetes_name_internal.h"
#include "lib/policy/manifest_objects_internal.h"

namespace ciliumcore::internal {
namespace {

IpBlock ReadIpBlock(const Field& field) {
  IpBlock block;
  if (!field.HasOnly({"cidr", "except"})) return block;
  const auto cidr = ReadPrefix(field["cidr"]);
  if (cidr.has_value()) block.cidr = *cidr;
  for (const Field& item : field["except"].Items()) {
    const auto except = ReadPrefix(item);
    if (!except.has_value() || !cidr.has_value()) continue;
    if (!cidr->Contains(*except) || *cidr == *except) {
      item.Expected(absl::StrCat("a prefix inside ", cidr->ToString(),
                                 " and not all of "
                                 "it"));
    }
    block.except.push_back(*except);
  }
  return block;
}

PeerRule ReadPeer(const Field& field) {
  PeerRule peer;
  if (!field.HasOnly({"podSelector", "namespaceSelector", "ipBlock"})) {
    return peer;
  }
  const Field pods = field["podSelector"];
  const Field namespaces = field["namespaceSelector"];
  const Field block = field["ipBlock"];
  if (pods.present()) peer.pod_selector = ReadSelector(pods);
  if (namespaces.present()) peer.namespace_selector = ReadSelector(namespaces);
  if (block.present()) peer.ip_block = ReadIpBlock(block);
  if (block.present() && (pods.present() || namespaces.present())) {
    block.Expected("either ipBlock or selectors", "both");
  } else if (!block.present() && !pods.present() && !namespaces.present()) {
    field.Expected("a podSelector, a namespaceSelector or an ipBlock",
                   "none of them");
  }
  return peer;
}

PortRule ReadPortRule(const Field& field) {
  PortRule rule;
  if (!field.HasOnly({"protocol", "port", "endPort"})) return rule;
  rule.protocol = ReadProtocol(field["protocol"]);
  PortOrName port = ReadPortOrName(field["port"]);
  rule.port = port.number;
  rule.name = std::move(port.name);
  const Field end = field["endPort"];
  rule.end_port = ReadPortNumber(end);
  if (end.present() && !field["port"].IsNumber()) {
    end.Expected("a port with a number, if there is an endPort",
                 field["port"].present() ? "one with a name" : "no port");
  } else if (rule.end_port.has_value() && rule.port.has_value() &&
             *rule.end_port < *rule.port) {
    end.Expected(absl::StrCat("a port in ", *rule.port, "..65535"));
  }
  return rule;
}

std::vector<NetworkPolicyRule> ReadRules(const Field& section,
                                         absl::string_view peers) {
  std::vector<NetworkPolicyRule> rules;
  for (const Field& field : section.Items()) {
    NetworkPolicyRule rule;
    if (field.HasOnly({"ports", peers})) {
      for (const Field& peer : field[peers].Items()) {
        rule.peers.push_back(ReadPeer(peer));
      }
      for (const Field& port : field["ports"].Items()) {
        rule.ports.push_back(ReadPortRule(port));
      }
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

void ReadPolicyTypes(const Field& types, NetworkPolicy& policy) {
  if (types.size() == 0) {
    // The API server's default looks at the rules, not at the section.
    types.Items();
    policy.isolates_ingress = true;
    policy.isolates_egress = !policy.egress.empty();
    return;
  }
  policy.isolates_ingress = policy.isolates_egress = false;
  for (const Field& type : types.Items()) {
    const auto name = type.String();
    if (name == "Ingress") {
      policy.isolates_ingress = true;
    } else if (name == "Egress") {
      policy.isolates_egress = true;
    } else if (name.has_value()) {
      type.Expected("Ingress or Egress");
    }
  }
}

}  // namespace

NetworkPolicy ReadNetworkPolicy(const Field& root, const ObjectMeta& meta) {
  NetworkPolicy policy;
  policy.ns = meta.ns;
  policy.name = meta.name;
  root.HasOnly({"apiVersion", "kind", "metadata", "spec", "status"});
  const Field spec = root["spec"];
  spec.HasOnly({"podSelector", "policyTypes", "ingress", "egress"});
  policy.pod_selector = ReadSelector(spec["podSelector"]);
  policy.ingress = ReadRules(spec["ingress"], "from");
  policy.egress = ReadRules(spec["egress"], "to");
  ReadPolicyTypes(spec["policyTypes"], policy);
  return policy;
}

Namespace ReadNamespace(const Field& root, const ObjectMeta& meta) {
  root.HasOnly({"apiVersion", "kind", "metadata", "spec", "status"});
  root["spec"].HasOnly({"finalizers"});
  root["status"].HasOnly({"phase", "conditions"});
  return MakeNamespace(meta.name, meta.labels);
}

}  // namespace ciliumcore::internal
