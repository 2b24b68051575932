// SPDX-License-Identifier: Apache-2.0

#include "tools/ccore/rule_json.h"

#include <string>

namespace ciliumcore::ccore {
namespace {

const char* ReasonName(const RuleSet* set) {
  if (set == nullptr) return "not judged";
  switch (set->kind) {
    case RuleSet::Kind::kRules:
      return "rules";
    case RuleSet::Kind::kDefaultDeny:
      return "default deny";
    case RuleSet::Kind::kNotIsolated:
      return "not isolated";
    case RuleSet::Kind::kOwnNode:
      return "own node";
    case RuleSet::Kind::kDenied:
      return "denied";
    case RuleSet::Kind::kAuthentication:
      return "authentication";
  }
  return "";
}

}  // namespace

void AddRuleSet(const RuleSet* set, nlohmann::ordered_json& json) {
  json["reason"] = ReasonName(set);
  if (set == nullptr) return;
  for (const RuleRef& rule : set->rules) {
    nlohmann::ordered_json& out = json["rules"].emplace_back();
    out["kind"] = rule.kind;
    if (!rule.ns.empty()) out["namespace"] = rule.ns;
    out["name"] = rule.name;
    if (rule.spec != 0) out["spec"] = rule.spec;
    out["section"] = std::string(DirectionName(rule.section)) +
                     (rule.is_deny_section ? "Deny" : "");
    out["index"] = rule.index;
  }
  for (const PolicyRef& isolating : set->policies) {
    json["isolated_by"].push_back({{"kind", isolating.kind},
                                   {"namespace", isolating.ns},
                                   {"name", isolating.name}});
  }
}

}  // namespace ciliumcore::ccore
