// SPDX-License-Identifier: Apache-2.0

// Whom the policies of the cluster are about: subjects and peers.

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/policy/dns_match_internal.h"
#include "lib/policy/manifest_cluster_policy_internal.h"
#include "lib/policy/manifest_objects_internal.h"

namespace ciliumcore::internal {
namespace {

constexpr size_t kMostNetworks = 25;
constexpr size_t kMostDomains = 25;
constexpr size_t kLongestNetwork = 43;

bool IsAlnum(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c));
}

// The API's own pattern lets a label begin with any of [\]^` too, for it says
// A-z; no domain has such a name.
bool HasEndsOfDomainLabel(absl::string_view label) {
  return (IsAlnum(label.front()) || label.front() == '_') &&
         (label.size() == 1 || IsAlnum(label.back()));
}

// Two labels or more, maybe with "*." before them and a '.' behind.
std::optional<std::string> ParseDomain(absl::string_view text) {
  absl::ConsumeSuffix(&text, ".");
  absl::string_view name = text;
  absl::ConsumePrefix(&name, "*.");
  if (!IsDnsName(name)) return std::nullopt;
  const std::vector<absl::string_view> labels = absl::StrSplit(name, '.');
  if (labels.size() < 2 ||
      !std::all_of(labels.begin(), labels.end(), HasEndsOfDomainLabel)) {
    return std::nullopt;
  }
  return absl::AsciiStrToLower(text);
}

std::optional<std::string> ReadDomain(const Field& field) {
  const auto text = field.String();
  if (!text.has_value()) return std::nullopt;
  auto domain = ParseDomain(*text);
  if (!domain.has_value()) {
    field.Expected(
        "a domain name such as example.com, or *.example.com for all below it");
  }
  return domain;
}

std::optional<IpPrefix> ReadNetwork(const Field& field) {
  const auto prefix = ReadPrefix(field);
  if (!prefix.has_value()) return prefix;
  const std::string text = field.String().value_or("");
  if (text.size() > kLongestNetwork) {
    field.Expected(absl::StrCat("at most ", kLongestNetwork, " characters"),
                   absl::StrCat(text.size()));
  } else if (prefix->is_v4() && text.find(':') != std::string::npos) {
    field.Expected(
        absl::StrCat("an IPv4 prefix as such: ", prefix->ToString()));
  }
  return prefix;
}

// Each element once, as it is written.
template <typename T>
std::vector<T> ReadSet(const Field& list, size_t most, absl::string_view what,
                       std::optional<T> (*read)(const Field&)) {
  std::vector<T> values;
  std::set<std::string> texts;
  for (const Field& item : ReadItems(list, 1, most, what)) {
    auto value = read(item);
    if (!value.has_value()) continue;
    if (!texts.insert(item.String().value_or("")).second) {
      item.Expected("each one once");
    }
    values.push_back(*std::move(value));
  }
  return values;
}

ClusterPeer ReadPeer(const Field& field, const ClusterPolicyApi& api,
                     absl::Span<const absl::string_view> kinds) {
  const auto kind = ReadUnion(field, kinds);
  if (!kind.has_value()) return NamespacedPods();
  if (kind == "nodes") return NodePeers{ReadSelector(field["nodes"])};
  if (kind == "networks") {
    return NetworkPeers{
        ReadSet(field["networks"], kMostNetworks, "networks", ReadNetwork)};
  }
  if (kind == "domainNames") {
    return DomainPeers{ReadSet(field["domainNames"], kMostDomains,
                               "domain names", ReadDomain)};
  }
  return ReadPods(field, api);
}

}  // namespace

std::optional<absl::string_view> ReadUnion(
    const Field& field, absl::Span<const absl::string_view> names) {
  if (!field.HasOnly(names)) return std::nullopt;
  std::vector<absl::string_view> found;
  for (absl::string_view name : names) {
    if (field[name].present()) found.push_back(name);
  }
  if (found.size() == 1) return found[0];
  field.Expected(
      absl::StrCat("exactly one of ", absl::StrJoin(names, ", ")),
      found.empty() ? "none of them" : absl::StrJoin(found, " and "));
  return std::nullopt;
}

NamespacedPods ReadPods(const Field& field, const ClusterPolicyApi& api) {
  NamespacedPods read;
  read.namespace_selector = ReadSelector(field["namespaces"]);
  const Field pods = field["pods"];
  if (!pods.HasOnly({"namespaceSelector", "podSelector"})) return read;
  const Field namespaces = pods["namespaceSelector"];
  const Field selector = pods["podSelector"];
  if (!namespaces.present() && !api.has_default_namespaces) {
    namespaces.Expected("a selector; {} selects all namespaces");
  }
  if (!selector.present()) selector.Expected("a selector; {} selects all pods");
  read.namespace_selector = ReadSelector(namespaces);
  read.pod_selector = ReadSelector(selector);
  return read;
}

ClusterPeer ReadIngressPeer(const Field& field, const ClusterPolicyApi& api) {
  for (absl::string_view kind : {"nodes", "networks", "domainNames"}) {
    if (!field[kind].present()) continue;
    field[kind].Expected("namespaces or pods as a source", kind);
    return NamespacedPods();
  }
  return ReadPeer(field, api, {"namespaces", "pods"});
}

ClusterPeer ReadEgressPeer(const Field& field, const ClusterPolicyApi& api) {
  if (api.kind == ClusterPolicy::Kind::kBaselineAdminNetworkPolicy) {
    return ReadPeer(field, api, {"namespaces", "pods", "nodes", "networks"});
  }
  return ReadPeer(field, api,
                  {"namespaces", "pods", "nodes", "networks", "domainNames"});
}

}  // namespace ciliumcore::internal
