// SPDX-License-Identifier: Apache-2.0

// Who is meant by a rule of Cilium's policies.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/identity/kubernetes_name_internal.h"
#include "lib/policy/manifest_cilium_internal.h"

namespace ciliumcore::internal {
namespace {

// The fields with peers of one direction, or "" where it has none.
struct PeerFields {
  absl::string_view endpoints, nodes, entities, cidr, cidr_set, groups,
      services, fqdns, requirements;
};
constexpr PeerFields kFrom = {
    "fromEndpoints", "fromNodes", "fromEntities", "fromCIDR",    "fromCIDRSet",
    "fromGroups",    "",          "fromFQDNs",    "fromRequires"};
constexpr PeerFields kTo = {"toEndpoints", "toNodes",   "toEntities",
                            "toCIDR",      "toCIDRSet", "toGroups",
                            "toServices",  "toFQDNs",   "toRequires"};

std::vector<LabelSelector> ReadSelectors(const Field& selectors) {
  std::vector<LabelSelector> read;
  for (const Field& item : selectors.Items()) {
    read.push_back(ReadSelector(item, KeyForm::kWithSource));
  }
  return read;
}

constexpr CiliumEntity kLastEntity = CiliumEntity::kNone;

std::vector<absl::string_view> EntityNames() {
  std::vector<absl::string_view> names;
  for (int i = 0; i <= static_cast<int>(kLastEntity); ++i) {
    names.push_back(CiliumEntityName(static_cast<CiliumEntity>(i)));
  }
  return names;
}

std::vector<CiliumEntity> ReadEntities(const Field& entities) {
  static const auto* const names =
      new std::vector<absl::string_view>(EntityNames());
  std::vector<CiliumEntity> read;
  for (const Field& item : entities.Items()) {
    const auto text = item.String();
    if (!text.has_value()) continue;
    const auto at = std::find(names->begin(), names->end(), *text);
    if (at == names->end()) {
      item.Expected(
          absl::StrCat("an entity, one of ", absl::StrJoin(*names, ", ")));
      continue;
    }
    read.push_back(static_cast<CiliumEntity>(at - names->begin()));
  }
  return read;
}

// A prefix, or an address alone.
void ReadCidrs(const Field& cidrs, std::vector<CiliumCidrRule>& read) {
  for (const Field& item : cidrs.Items()) {
    const auto text = item.String();
    if (!text.has_value()) continue;
    const auto prefix = IpPrefix::ParseLenient(*text);
    if (prefix.ok()) {
      read.push_back({.cidr = *prefix});
    } else {
      item.Expected("an IP address, or a prefix such as 10.0.0.0/8");
    }
  }
}

// Groups have labels of one source; a selector of another selects none, and a
// denial by it would deny nobody.
void CheckGroupKeys(const Field& selector, const LabelSelector& read) {
  const auto check = [&](const std::string& key) {
    const size_t colon = key.find(':');
    const std::string source =
        colon == std::string::npos ? "any" : key.substr(0, colon);
    if (source == kSourceAny || source == kSourceCidrGroup) return;
    selector.Expected(
        "keys without a source other than cidrgroup, which all "
        "labels of groups have",
        QuotedName(key));
  };
  for (const auto& [key, value] : read.match_labels) check(key);
  for (const auto& term : read.match_expressions) check(term.key);
}

CiliumCidrRule ReadCidrRule(const Field& field) {
  CiliumCidrRule rule;
  if (!field.HasOnly({"cidr", "cidrGroupRef", "cidrGroupSelector", "except"})) {
    return rule;
  }
  const Field cidr = field["cidr"];
  const Field group = field["cidrGroupRef"];
  const Field selector = field["cidrGroupSelector"];
  const int kinds = cidr.present() + group.present() + selector.present();
  if (kinds != 1) {
    field.Expected("one of cidr, cidrGroupRef and cidrGroupSelector",
                   kinds == 0 ? "none of them" : "more than one");
  }
  if (cidr.present()) rule.cidr = ReadPrefix(cidr);
  if (group.present()) {
    rule.group = group.String().value_or("");
    if (!IsDnsSubdomain(rule.group)) group.Expected(kDnsSubdomainForm);
  }
  if (selector.present()) {
    rule.group_selector = ReadSelector(selector, KeyForm::kWithSource);
    CheckGroupKeys(selector, *rule.group_selector);
  }
  for (const Field& item : field["except"].Items()) {
    const auto except = ReadPrefix(item);
    if (!except.has_value()) continue;
    if (rule.cidr.has_value() && !rule.cidr->Contains(*except)) {
      item.Expected(absl::StrCat("a prefix inside ", rule.cidr->ToString()));
    }
    rule.except.push_back(*except);
  }
  return rule;
}

CiliumServiceRef ReadServiceRef(const Field& field) {
  CiliumServiceRef ref;
  if (!field.HasOnly({"k8sService", "k8sServiceSelector"})) return ref;
  const Field named = field["k8sService"];
  const Field selected = field["k8sServiceSelector"];
  if (named.present() == selected.present()) {
    field.Expected("either a k8sService or a k8sServiceSelector",
                   named.present() ? "both" : "neither");
    return ref;
  }
  const Field& given = named.present() ? named : selected;
  const bool is_known = named.present()
                            ? named.HasOnly({"serviceName", "namespace"})
                            : selected.HasOnly({"selector", "namespace"});
  if (!is_known) return ref;
  const Field ns = given["namespace"];
  ref.ns = ns.String().value_or("");
  if (!ref.ns.empty() && !IsDnsLabel(ref.ns)) ns.Expected(kDnsLabelForm);
  if (named.present()) {
    const Field name = named["serviceName"];
    ref.name = ReadRequired(name, "the name of a service");
    if (!ref.name.empty() && !IsDnsLabel(ref.name)) {
      name.Expected(kDnsLabelForm);
    }
  } else {
    const Field selector = selected["selector"];
    if (!selector.present()) selector.Expected("a selector of services");
    ref.selector = ReadSelector(selector, KeyForm::kWithSource);
  }
  return ref;
}

CiliumAwsGroup ReadGroup(const Field& field) {
  CiliumAwsGroup group;
  if (!field.HasOnly({"aws"})) return group;
  const Field aws = field["aws"];
  if (!aws.present()) aws.Expected("a group of AWS");
  if (!aws.HasOnly(
          {"labels", "securityGroupsIds", "securityGroupsNames", "region"})) {
    return group;
  }
  for (const Field::Entry& label : aws["labels"].Entries()) {
    group.labels.emplace_back(std::string(label.key),
                              label.value.String().value_or(""));
  }
  for (const Field& id : aws["securityGroupsIds"].Items()) {
    group.security_group_ids.push_back(ReadRequired(id, "an id"));
  }
  for (const Field& name : aws["securityGroupsNames"].Items()) {
    group.security_group_names.push_back(ReadRequired(name, "a name"));
  }
  group.region = aws["region"].String().value_or("");
  if (group.labels.empty() && group.security_group_ids.empty() &&
      group.security_group_names.empty()) {
    aws.Expected("labels, securityGroupsIds or securityGroupsNames",
                 "nothing to select by");
  }
  return group;
}

// Cilium takes an empty list of these not for nobody, but for everybody.
std::vector<Field> Elements(const Field& list, absl::string_view what) {
  return ReadUnlessEmpty(
      list, absl::StrCat(what, ", since Cilium takes none for all peers"));
}

void RefuseForeign(const Field& rule, const CiliumSection& section,
                   const PeerFields& fields) {
  Refuse(rule[fields.requirements],
         absl::StrCat("no ", fields.requirements,
                      ", which Cilium 1.19 removed: each peer says itself what "
                      "it must be"));
  if (section.is_ingress) {
    for (absl::string_view name : {kFrom.fqdns, kTo.fqdns}) {
      Refuse(rule[name],
             "no DNS names at ingress, where an address is all that is known");
    }
  } else if (section.is_denial) {
    Refuse(rule[fields.fqdns],
           "no DNS names in a denial, which an address escapes as long as its "
           "name is not known");
  }
}

// The only field with peers; empty if there is none.
absl::string_view PeerFieldOf(const Field& rule, const PeerFields& fields) {
  absl::string_view first;
  for (absl::string_view name :
       {fields.endpoints, fields.nodes, fields.entities, fields.cidr,
        fields.cidr_set, fields.groups, fields.services, fields.fqdns}) {
    if (name.empty() || !rule[name].present()) continue;
    if (first.empty()) {
      first = name;
    } else {
      rule[name].Expected("one kind of peers in a rule, if only an empty one",
                          absl::StrCat(name, " beside ", first));
    }
  }
  return first;
}

}  // namespace

std::vector<absl::string_view> CiliumPeerFields(const CiliumSection& section) {
  const PeerFields& fields = section.is_ingress ? kFrom : kTo;
  std::vector<absl::string_view> names = {
      fields.endpoints, fields.nodes,  fields.entities, fields.cidr,
      fields.cidr_set,  fields.groups, fields.fqdns,    fields.requirements};
  // At ingress, known only to be refused.
  names.push_back(section.is_ingress ? kTo.fqdns : kTo.services);
  return names;
}

std::optional<CiliumPeers> ReadCiliumPeers(const Field& rule,
                                           const CiliumSection& section) {
  const PeerFields& fields = section.is_ingress ? kFrom : kTo;
  RefuseForeign(rule, section, fields);
  if (PeerFieldOf(rule, fields).empty()) return std::nullopt;
  CiliumPeers peers;
  peers.endpoints = ReadSelectors(rule[fields.endpoints]);
  peers.nodes = ReadSelectors(rule[fields.nodes]);
  peers.entities = ReadEntities(rule[fields.entities]);
  ReadCidrs(rule[fields.cidr], peers.cidrs);
  for (const Field& item : rule[fields.cidr_set].Items()) {
    peers.cidrs.push_back(ReadCidrRule(item));
  }
  for (const Field& item : Elements(rule[fields.groups], "a group")) {
    peers.groups.push_back(ReadGroup(item));
  }
  if (section.is_ingress) return peers;
  for (const Field& item : Elements(rule[fields.services], "a service")) {
    peers.services.push_back(ReadServiceRef(item));
  }
  if (section.is_denial) return peers;
  for (const Field& item : Elements(rule[fields.fqdns], "a name")) {
    peers.fqdns.push_back(ReadDnsMatch(item));
  }
  return peers;
}

}  // namespace ciliumcore::internal
