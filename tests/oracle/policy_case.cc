// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/policy_case.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "ciliumcore/policy/manifest.h"
#include "tests/oracle/reproduction.h"
#include "tests/oracle/village.h"

namespace ciliumcore::testing {
namespace {

enum Pods : uint32_t { kWeb, kDb, kLone, kBank, kInit, kAgent };

std::vector<IpAddress> Addresses(const std::vector<std::string>& texts) {
  std::vector<IpAddress> addresses;
  for (const std::string& text : texts) {
    addresses.push_back(*IpAddress::Parse(text));
  }
  return addresses;
}

PolicyEndpoint Pod(uint32_t identity, const std::string& ns, Labels labels,
                   const std::vector<std::string>& addresses,
                   std::vector<NamedPort> ports) {
  return {.identity = static_cast<Identity>(identity),
          .labels = std::move(labels),
          .ns = ns,
          .ports = std::move(ports),
          .addresses = Addresses(addresses)};
}

PolicyInput Town() {
  PolicyInput town;
  town.namespaces = {MakeNamespace("shop", {{"team", "one"}}),
                     MakeNamespace("bank", {{"team", "two"}})};
  town.endpoints = {
      Pod(1001, "shop", {{"app", "web"}, {"tier", "front"}},
          {"10.0.0.1", "fd00::1"}, {{"http", {Protocol::kTcp, 8080}}}),
      Pod(1002, "shop", {{"app", "db"}}, {"10.0.0.2", "fd00::2"},
          {{"http", {Protocol::kTcp, 80}},
           {"sql", {Protocol::kTcp, 5432}},
           {"dns", {Protocol::kUdp, 53}}}),
      Pod(1003, "shop", {{"app", "lone"}}, {}, {}),
      Pod(1004, "bank", {{"app", "web"}, {"tier", "front"}}, {"10.0.1.1"},
          {{"http", {Protocol::kTcp, 80}}}),
      Pod(5, "bank", {}, {"10.0.1.5"}, {}),
      Pod(1, "shop", {{"app", "agent"}}, {"192.168.0.1"}, {}),
  };
  town.endpoints[kAgent].host_network = true;
  town.host_addresses = Addresses({"192.168.0.1"});
  town.remote_node_addresses = Addresses({"192.168.0.2"});
  town.remote_nodes = {{.name = "gpu",
                        .labels = {{"gpu", "yes"}},
                        .addresses = Addresses({"192.168.0.3"})}};
  town.api_server_addresses = Addresses({"172.16.0.1"});
  town.services = {
      {.ns = "shop",
       .name = "db",
       .labels = {{"tier", "back"}},
       .selector = Only("app", "db")},
      {.ns = "shop",
       .name = "legacy",
       .addresses = Addresses({"203.0.113.20", "10.0.0.2"})},
      {.ns = "bank",
       .name = "web",
       .labels = {{"tier", "front"}},
       .selector = Only("app", "web")},
      {.ns = "default",
       .name = "kubernetes",
       .addresses = Addresses({"172.16.0.1"})},
  };
  town.names = {{"example.com", Addresses({"203.0.113.10"})},
                {"api.example.com", Addresses({"203.0.113.11"})},
                {"v2.api.example.com", Addresses({"203.0.113.12"})},
                {"db.example.com", Addresses({"10.0.0.2", "203.0.113.13"})}};
  const auto group = [](const char* name, const char* role,
                        const std::vector<std::string>& prefixes) {
    CidrGroup made = {.name = name};
    made.labels.Set({std::string(kSourceCidrGroup), "role", role});
    for (const std::string& prefix : prefixes) {
      made.cidrs.push_back(*IpPrefix::Parse(prefix));
    }
    return made;
  };
  town.cidr_groups = {
      group("partners", "partner", {"198.51.100.0/24"}),
      group("office", "own", {"192.0.2.0/25", "2001:db8:1::/48"})};
  return town;
}

absl::StatusOr<FlowEnd> ParseEnd(const PolicyInput& town,
                                 absl::string_view text) {
  static const auto* pods = new std::map<absl::string_view, uint32_t>{
      {"web", kWeb},   {"db", kDb},     {"lone", kLone},
      {"bank", kBank}, {"init", kInit}, {"agent", kAgent}};
  static const auto* others =
      new std::map<absl::string_view, absl::string_view>{
          {"host", "192.168.0.1"},  {"node", "192.168.0.2"},
          {"gpu", "192.168.0.3"},   {"api", "172.16.0.1"},
          {"world", "203.0.113.9"}, {"six", "2001:db8::9"}};
  if (const auto pod = pods->find(text); pod != pods->end()) {
    const auto& addresses = town.endpoints[pod->second].addresses;
    FlowEnd end = {pod->second, {}};
    if (!addresses.empty()) end.address = addresses[0];
    return end;
  }
  if (const auto other = others->find(text); other != others->end()) {
    return FlowEnd{kNoEndpoint, *IpAddress::Parse(other->second)};
  }
  absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
  if (!address.ok()) return address.status();
  return Oracle(town).EndOf(*address);
}

absl::StatusOr<PortProtocol> ParseTarget(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  if (parts.size() == 1) return PortProtocol::Parse(text);
  absl::StatusOr<Protocol> protocol = ParseProtocol(parts[0]);
  if (!protocol.ok()) return protocol.status();
  uint32_t type = 0, code = 0;
  if (!absl::SimpleAtoi(parts[1], &type) ||
      (parts.size() == 3 && !absl::SimpleAtoi(parts[2], &code))) {
    return absl::InvalidArgumentError(text);
  }
  return PortProtocol{*protocol, static_cast<uint16_t>(type << 8 | code)};
}

std::string SectionOf(const RuleRef& rule) {
  std::string text = rule.ToString();
  return text.substr(rule.kind.size() + 1 +
                     (rule.ns.empty() ? 0 : rule.ns.size() + 1));
}

std::string Because(const RuleSet& why) {
  const std::string rules =
      absl::StrJoin(why.rules, ", ", [](std::string* out, const RuleRef& rule) {
        out->append(SectionOf(rule));
      });
  switch (why.kind) {
    case RuleSet::Kind::kRules:
    case RuleSet::Kind::kDenied:
      return rules;
    case RuleSet::Kind::kAuthentication:
      return "unauthenticated for " + rules;
    case RuleSet::Kind::kDefaultDeny:
      return "default deny of " +
             absl::StrJoin(why.policies, ", ",
                           [](std::string* out, const PolicyRef& policy) {
                             out->append(policy.name);
                           });
    case RuleSet::Kind::kNotIsolated:
      return "not isolated";
    case RuleSet::Kind::kOwnNode:
      return "own node";
  }
  return "?";
}

}  // namespace

absl::StatusOr<PolicyInput> TownWith(const std::string& manifests) {
  const ManifestSource source = {.name = "case.yaml", .text = manifests};
  absl::StatusOr<Cluster> cluster = LoadManifests({&source, 1});
  if (!cluster.ok()) return cluster.status();
  PolicyInput town = Town();
  town.policies = cluster->policies;
  town.cilium_policies = cluster->cilium_policies;
  town.cluster_policies = cluster->cluster_policies;
  return town;
}

absl::StatusOr<AskedFlow> ParseFlow(const PolicyInput& town,
                                    const std::string& text) {
  const std::vector<std::string> words = absl::StrSplit(text, ' ');
  if (words.size() != 4 || (words[1] != "<" && words[1] != ">")) {
    return absl::InvalidArgumentError(text);
  }
  absl::StatusOr<FlowEnd> subject = ParseEnd(town, words[0]);
  if (!subject.ok()) return subject.status();
  absl::StatusOr<FlowEnd> peer = ParseEnd(town, words[2]);
  if (!peer.ok()) return peer.status();
  absl::StatusOr<PortProtocol> target = ParseTarget(words[3]);
  if (!target.ok()) return target.status();
  if (words[1] == "<") {
    return AskedFlow{{*peer, *subject, *target}, Direction::kIngress};
  }
  return AskedFlow{{*subject, *peer, *target}, Direction::kEgress};
}

std::string Brief(const Judgement& judgement) {
  return absl::StrCat(
      VerdictText(judgement), ": ",
      judgement.why.has_value() ? Because(*judgement.why) : "nobody judges");
}

}  // namespace ciliumcore::testing
