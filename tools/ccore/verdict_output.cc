// SPDX-License-Identifier: Apache-2.0

#include "tools/ccore/verdict_output.h"

#include "absl/strings/str_cat.h"

namespace ciliumcore::ccore {

std::string VerdictText(const Cell& cell) {
  if (cell.verdict != Verdict::kRedirect) {
    return std::string(VerdictName(cell.verdict));
  }
  return absl::StrCat("redirect to proxy port ", cell.proxy_port);
}

const char* ReasonName(RuleSet::Kind kind) {
  switch (kind) {
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

nlohmann::ordered_json RuleJson(const RuleRef& rule) {
  nlohmann::ordered_json json = {{"kind", rule.kind}};
  if (!rule.ns.empty()) json["namespace"] = rule.ns;
  json["name"] = rule.name;
  if (rule.spec != 0) json["spec"] = rule.spec;
  json["section"] = std::string(DirectionName(rule.section)) +
                    (rule.is_deny_section ? "Deny" : "");
  json["index"] = rule.index;
  return json;
}

nlohmann::ordered_json PolicyJson(const PolicyRef& policy) {
  nlohmann::ordered_json json = {{"kind", policy.kind}};
  if (!policy.ns.empty()) json["namespace"] = policy.ns;
  json["name"] = policy.name;
  return json;
}

void AddRuleSet(const RuleSet* set, nlohmann::ordered_json& json) {
  json["reason"] = set == nullptr ? "not judged" : ReasonName(set->kind);
  if (set == nullptr) return;
  for (const RuleRef& rule : set->rules)
    json["rules"].push_back(RuleJson(rule));
  for (const PolicyRef& isolating : set->policies) {
    json["isolated_by"].push_back(PolicyJson(isolating));
  }
}

nlohmann::ordered_json CellJson(const Cell& cell, const RuleSet* set) {
  nlohmann::ordered_json json = {
      {"verdict", std::string(VerdictName(cell.verdict))}};
  if (cell.verdict == Verdict::kRedirect) json["proxy_port"] = cell.proxy_port;
  AddRuleSet(set, json);
  return json;
}

}  // namespace ciliumcore::ccore
