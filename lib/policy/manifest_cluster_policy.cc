// SPDX-License-Identifier: Apache-2.0

// ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy, as
// of version 0.2 and 0.1 of their API, with all that is experimental in it.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/identity/kubernetes_name_internal.h"
#include "lib/policy/manifest_cluster_policy_internal.h"
#include "lib/policy/manifest_objects_internal.h"

namespace ciliumcore::internal {
namespace {

using Action = ClusterRule::Action;
using Kind = ClusterPolicy::Kind;
using Tier = ClusterPolicy::Tier;

constexpr size_t kLongestRuleName = 100;

constexpr std::array<ClusterPolicyApi, 3> kApis = {{
    {.kind = Kind::kClusterNetworkPolicy,
     .most = 25,
     .ports = "protocols",
     .accept = "Accept",
     .has_default_namespaces = true},
    {.kind = Kind::kAdminNetworkPolicy,
     .most = 100,
     .ports = "ports",
     .accept = "Allow",
     .has_default_namespaces = false},
    {.kind = Kind::kBaselineAdminNetworkPolicy,
     .most = 100,
     .ports = "ports",
     .accept = "Allow",
     .has_default_namespaces = false},
}};

const ClusterPolicyApi& ApiOf(Kind kind) {
  return *std::find_if(
      kApis.begin(), kApis.end(),
      [kind](const ClusterPolicyApi& api) { return api.kind == kind; });
}

std::optional<uint16_t> ReadRequiredPort(const Field& field) {
  if (!field.present()) field.Expected("a port in 1..65535");
  return ReadPortNumber(field);
}

void ReadRange(const Field& range, ClusterPort& port) {
  port.port = ReadRequiredPort(range["start"]);
  port.end_port = ReadRequiredPort(range["end"]);
  if (port.port.has_value() && port.end_port.has_value() &&
      *port.end_port <= *port.port) {
    range["end"].Expected(absl::StrCat("a port above the start, ", *port.port));
  }
}

// A name means whatever protocol the container gives it.
ClusterPort ReadNamedPort(const Field& field) {
  const auto name = field.String();
  // Another one could not be a container's.
  if (name.has_value() && !IsPortName(*name)) field.Expected(kPortNameForm);
  return {.protocol = Protocol::kAny, .name = name.value_or("")};
}

// An element of `ports` of version v1alpha1.
ClusterPort ReadPort(const Field& field) {
  ClusterPort port;
  const auto kind = ReadUnion(field, {"portNumber", "portRange", "namedPort"});
  if (kind == "namedPort") return ReadNamedPort(field["namedPort"]);
  if (kind == "portNumber") {
    const Field number = field["portNumber"];
    if (!number.HasOnly({"protocol", "port"})) return port;
    port.protocol = ReadProtocol(number["protocol"]);
    port.port = ReadRequiredPort(number["port"]);
  } else if (kind == "portRange") {
    const Field range = field["portRange"];
    if (!range.HasOnly({"protocol", "start", "end"})) return port;
    port.protocol = ReadProtocol(range["protocol"]);
    ReadRange(range, port);
  }
  return port;
}

// An element of `protocols` of version v1alpha2.
ClusterPort ReadProtocolMatch(const Field& field) {
  ClusterPort port;
  const auto kind =
      ReadUnion(field, {"tcp", "udp", "sctp", "destinationNamedPort"});
  if (!kind.has_value()) return port;
  if (kind == "destinationNamedPort") return ReadNamedPort(field[*kind]);
  if (kind == "udp") port.protocol = Protocol::kUdp;
  if (kind == "sctp") port.protocol = Protocol::kSctp;
  const Field match = field[*kind];
  if (!match.HasOnly({"destinationPort"})) return port;
  const Field number = match["destinationPort"];
  if (!number.present()) number.Expected("a number or a range");
  const auto form = ReadUnion(number, {"number", "range"});
  if (form == "number") port.port = ReadPortNumber(number["number"]);
  if (form == "range" && number["range"].HasOnly({"start", "end"})) {
    ReadRange(number["range"], port);
  }
  return port;
}

std::string ReadRuleName(const Field& field) {
  std::string name = field.String().value_or("");
  if (CharactersOf(name) > kLongestRuleName) {
    field.Expected(absl::StrCat("at most ", kLongestRuleName, " characters"),
                   absl::StrCat(CharactersOf(name)));
  }
  return name;
}

std::optional<Action> ReadAction(const Field& field,
                                 const ClusterPolicyApi& api) {
  const bool can_pass = api.kind != Kind::kBaselineAdminNetworkPolicy;
  const auto name = field.String();
  if (name == std::string(api.accept)) return Action::kAccept;
  if (name == "Deny") return Action::kDeny;
  if (name == "Pass" && can_pass) return Action::kPass;
  if (name.has_value() || !field.present()) {
    field.Expected(can_pass ? absl::StrCat(api.accept, ", Deny or Pass")
                            : absl::StrCat(api.accept, " or Deny"));
  }
  return std::nullopt;
}

// What a direction's rules are read with.
struct RuleContext {
  const ClusterPolicyApi& api;
  Tier tier;
  bool is_ingress;
};

// Nobody knows every address that a name resolves to: too few accept too
// little, but would deny too little too.
void CheckDomains(const Field& domains, std::optional<Action> action,
                  const RuleContext& context) {
  if (action.has_value() && *action != Action::kAccept) {
    domains.Expected(
        absl::StrCat("domain names only with the action ", context.api.accept),
        ClusterRuleActionName(*action));
  }
  if (context.tier != Tier::kAdmin) {
    domains.Expected("domain names only in the tier Admin",
                     ClusterPolicyTierName(context.tier));
  }
}

ClusterRule ReadRule(const Field& field, const RuleContext& context) {
  const ClusterPolicyApi& api = context.api;
  const absl::string_view peers = context.is_ingress ? "from" : "to";
  ClusterRule rule;
  if (!field.HasOnly({"name", "action", peers, api.ports})) return rule;
  rule.name = ReadRuleName(field["name"]);
  const auto action = ReadAction(field["action"], api);
  rule.action = action.value_or(Action::kDeny);
  for (const Field& item : ReadItems(field[peers], 1, api.most, "peers")) {
    rule.peers.push_back(context.is_ingress ? ReadIngressPeer(item, api)
                                            : ReadEgressPeer(item, api));
    if (std::holds_alternative<DomainPeers>(rule.peers.back())) {
      CheckDomains(item["domainNames"], action, context);
    }
  }
  if (!field[api.ports].present()) return rule;
  const bool has_addresses = std::any_of(
      rule.peers.begin(), rule.peers.end(), [](const ClusterPeer& peer) {
        return !std::holds_alternative<NamespacedPods>(peer);
      });
  rule.ports.emplace();
  for (const Field& item :
       ReadItems(field[api.ports], 1, api.most, api.ports)) {
    ClusterPort port = api.kind == Kind::kClusterNetworkPolicy
                           ? ReadProtocolMatch(item)
                           : ReadPort(item);
    if (has_addresses && !port.name.empty()) {
      item.Expected(
          "no named port where peers are nodes, networks or domain names",
          QuotedName(port.name));
    }
    rule.ports->push_back(std::move(port));
  }
  return rule;
}

std::vector<ClusterRule> ReadRules(const Field& section,
                                   const RuleContext& context) {
  std::vector<ClusterRule> rules;
  for (const Field& item : ReadItems(section, 0, context.api.most, "rules")) {
    rules.push_back(ReadRule(item, context));
  }
  return rules;
}

NamespacedPods ReadSubject(const Field& field, const ClusterPolicyApi& api) {
  if (!field.present()) field.Expected("namespaces or pods");
  if (!ReadUnion(field, {"namespaces", "pods"}).has_value()) return {};
  return ReadPods(field, api);
}

Tier ReadTier(const Field& field) {
  const auto name = field.String();
  if (name == "Baseline") return Tier::kBaseline;
  if (name != "Admin" && (name.has_value() || !field.present())) {
    field.Expected("Admin or Baseline");
  }
  return Tier::kAdmin;
}

int32_t ReadPriority(const Field& field) {
  if (!field.present()) {
    field.Expected(
        absl::StrCat("a priority in 0..", ClusterPolicy::kLowestPriority));
  }
  return static_cast<int32_t>(
      field.Int(0, ClusterPolicy::kLowestPriority, "a priority").value_or(0));
}

}  // namespace

ClusterPolicy ReadClusterPolicy(const Field& root, Kind kind,
                                const ObjectMeta& meta) {
  const ClusterPolicyApi& api = ApiOf(kind);
  ClusterPolicy policy = {.kind = kind, .name = meta.name};
  root.HasOnly({"apiVersion", "kind", "metadata", "spec", "status"});
  const Field spec = root["spec"];
  if (!spec.present()) spec.Expected("a mapping with a subject");
  if (!spec.is_map()) {
    spec.ExpectMap();
    return policy;
  }
  switch (kind) {
    case Kind::kClusterNetworkPolicy:
      spec.HasOnly({"tier", "priority", "subject", "ingress", "egress"});
      policy.tier = ReadTier(spec["tier"]);
      policy.priority = ReadPriority(spec["priority"]);
      break;
    case Kind::kAdminNetworkPolicy:
      spec.HasOnly({"priority", "subject", "ingress", "egress"});
      policy.priority = ReadPriority(spec["priority"]);
      break;
    case Kind::kBaselineAdminNetworkPolicy:
      spec.HasOnly({"subject", "ingress", "egress"});
      policy.tier = Tier::kBaseline;
      policy.priority = ClusterPolicy::kNoPriority;
      if (!meta.name.empty() && meta.name != "default") {
        root["metadata"]["name"].Expected("default, the only one's name");
      }
      break;
  }
  policy.subject = ReadSubject(spec["subject"], api);
  policy.ingress = ReadRules(spec["ingress"], {api, policy.tier, true});
  policy.egress = ReadRules(spec["egress"], {api, policy.tier, false});
  return policy;
}

}  // namespace ciliumcore::internal
