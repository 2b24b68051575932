// SPDX-License-Identifier: Apache-2.0

// CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy and CiliumCIDRGroup.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/policy/manifest_cilium_internal.h"
#include "lib/policy/manifest_objects_internal.h"

namespace ciliumcore::internal {
namespace {

std::optional<CiliumAuthentication> ReadAuthentication(const Field& field) {
  if (!field.HasOnly({"mode"})) return std::nullopt;
  const Field mode = field["mode"];
  if (mode.Is("disabled")) return CiliumAuthentication::kDisabled;
  if (mode.Is("required")) return CiliumAuthentication::kRequired;
  if (mode.Is("test-always-fail")) return CiliumAuthentication::kAlwaysFail;
  mode.Expected("disabled, required or test-always-fail");
  return std::nullopt;
}

CiliumRule ReadRule(const Field& field, const CiliumSection& section) {
  CiliumRule rule;
  std::vector<absl::string_view> names = CiliumPeerFields(section);
  names.insert(names.end(), {"toPorts", "icmps", "authentication"});
  field.HasOnly(names);
  if (!field.is_map()) return rule;
  rule.peers = ReadCiliumPeers(field, section);
  rule.ports = ReadCiliumPortRules(field["toPorts"], section);
  rule.icmps = ReadCiliumIcmps(field["icmps"]);
  if (field["toPorts"].size() != 0 && field["icmps"].size() != 0) {
    field["icmps"].Expected("a rule of its own for icmps",
                            "them beside toPorts");
  }
  if (section.is_denial) {
    Refuse(field["authentication"],
           "no authentication in a denial, which nobody passes");
  } else {
    rule.authentication = ReadAuthentication(field["authentication"]);
  }
  return rule;
}

std::vector<CiliumRule> ReadRules(const Field& rules,
                                  const CiliumSection& section) {
  std::vector<CiliumRule> read;
  for (const Field& rule : rules.Items()) {
    read.push_back(ReadRule(rule, section));
  }
  return read;
}

void ReadDefaultDeny(const Field& field, CiliumSpec& spec) {
  if (!field.HasOnly({"ingress", "egress"})) return;
  spec.default_deny_ingress = field["ingress"].Bool();
  spec.default_deny_egress = field["egress"].Bool();
}

std::vector<Label> ReadRuleLabels(const Field& labels) {
  std::vector<Label> read;
  for (const Field& field : labels.Items()) {
    if (!field.HasOnly({"key", "source", "value"})) continue;
    read.push_back({.source = field["source"].String().value_or(""),
                    .key = ReadRequired(field["key"], "a label key"),
                    .value = field["value"].String().value_or("")});
  }
  return read;
}

std::string ReadLogValue(const Field& log) {
  if (!log.HasOnly({"value"})) return "";
  std::string value = log["value"].String().value_or("");
  const bool is_printable = std::none_of(
      value.begin(), value.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (!is_printable || CharactersOf(value) > 32) {
    log["value"].Expected("at most 32 characters, all of them printable");
  }
  return value;
}

void ReadSubjects(const Field& field, bool is_clusterwide, CiliumSpec& spec) {
  const Field endpoints = field["endpointSelector"];
  const Field nodes = field["nodeSelector"];
  if (endpoints.present()) {
    spec.endpoint_selector = ReadSelector(endpoints, KeyForm::kWithSource);
  }
  if (nodes.present()) {
    spec.node_selector = ReadSelector(nodes, KeyForm::kWithSource);
  }
  if (!is_clusterwide) {
    Refuse(nodes,
           "no nodeSelector in a CiliumNetworkPolicy: nodes are in no "
           "namespace, and for a CiliumClusterwideNetworkPolicy to select");
  }
  if (endpoints.present() && nodes.present()) {
    nodes.Expected("either an endpointSelector or a nodeSelector", "both");
  } else if (!endpoints.present() && !nodes.present()) {
    field.Expected(is_clusterwide ? "an endpointSelector or a nodeSelector"
                                  : "an endpointSelector",
                   "none");
  }
}

CiliumSpec ReadSpec(const Field& field, bool is_clusterwide) {
  CiliumSpec spec;
  field.HasOnly({"endpointSelector", "nodeSelector", "ingress", "ingressDeny",
                 "egress", "egressDeny", "labels", "enableDefaultDeny",
                 "description", "log"});
  if (!field.is_map()) return spec;
  ReadSubjects(field, is_clusterwide, spec);
  const auto section = [&](bool is_ingress, bool is_denial) {
    return CiliumSection{.is_ingress = is_ingress,
                         .is_denial = is_denial,
                         .is_clusterwide = is_clusterwide,
                         .is_of_nodes = spec.node_selector.has_value()};
  };
  spec.ingress = ReadRules(field["ingress"], section(true, false));
  spec.ingress_deny = ReadRules(field["ingressDeny"], section(true, true));
  spec.egress = ReadRules(field["egress"], section(false, false));
  spec.egress_deny = ReadRules(field["egressDeny"], section(false, true));
  const auto has_none = [&](absl::string_view name) {
    const Field rules = field[name];
    return !rules.present() || (rules.is_list() && rules.size() == 0);
  };
  if (has_none("ingress") && has_none("ingressDeny") && has_none("egress") &&
      has_none("egressDeny")) {
    field.Expected(
        "a rule in ingress, ingressDeny, egress or egressDeny; {} is one",
        "none");
  }
  ReadDefaultDeny(field["enableDefaultDeny"], spec);
  spec.description = field["description"].String().value_or("");
  spec.labels = ReadRuleLabels(field["labels"]);
  spec.log_value = ReadLogValue(field["log"]);
  return spec;
}

}  // namespace

std::vector<Field> ReadUnlessEmpty(const Field& list, absl::string_view what) {
  if (list.is_list() && list.size() == 0) {
    list.Expected(what, "an empty list");
  }
  return list.Items();
}

std::vector<Field> ReadNeeded(const Field& list, size_t most,
                              absl::string_view items, absl::string_view what) {
  if (list.size() == 0 && (list.is_list() || !list.present())) {
    list.Expected(what, "none");
  }
  return ReadItems(list, 0, most, items);
}

void Refuse(const Field& field, absl::string_view what) {
  if (field.present()) field.Expected(what);
}

std::string ReadRequired(const Field& field, absl::string_view what) {
  std::string text = field.String().value_or("");
  if (!field.present() || field.Is("")) field.Expected(what);
  return text;
}

CiliumPolicy ReadCiliumPolicy(const Field& root, const ObjectMeta& meta) {
  CiliumPolicy policy = {.ns = meta.ns, .name = meta.name};
  const bool is_known = root.HasOnly(
      {"apiVersion", "kind", "metadata", "spec", "specs", "status"});
  const Field spec = root["spec"];
  const Field specs = root["specs"];
  if (spec.present()) {
    policy.specs.push_back(ReadSpec(spec, policy.is_clusterwide()));
  }
  for (const Field& item : specs.Items()) {
    policy.specs.push_back(ReadSpec(item, policy.is_clusterwide()));
  }
  // What is not known may have been meant for one.
  if (is_known && !spec.present() && specs.size() == 0) {
    root.Expected("a spec, or specs with an element", "neither");
  }
  return policy;
}

CidrGroup ReadCidrGroup(const Field& root, const ObjectMeta& meta) {
  CidrGroup group = {.name = meta.name};
  for (const Label& label : meta.labels) {
    group.labels.Set({.source = std::string(kSourceCidrGroup),
                      .key = label.key,
                      .value = label.value});
  }
  root.HasOnly({"apiVersion", "kind", "metadata", "spec"});
  root["spec"].HasOnly({"externalCIDRs"});
  const Field cidrs = root["spec"]["externalCIDRs"];
  if (!cidrs.present()) cidrs.Expected("a list of IP prefixes");
  for (const Field& cidr : cidrs.Items()) {
    if (const auto prefix = ReadPrefix(cidr)) group.cidrs.push_back(*prefix);
  }
  return group;
}

}  // namespace ciliumcore::internal
