// SPDX-License-Identifier: Apache-2.0

// Verdicts and why they are what they are, as text and JSON.

#ifndef CILIUMCORE_TOOLS_CCORE_VERDICT_OUTPUT_H_
#define CILIUMCORE_TOOLS_CCORE_VERDICT_OUTPUT_H_

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "ciliumcore/policy/rule_set.h"
#include "ciliumcore/policy/verdict_table.h"
#include "nlohmann/json.hpp"

namespace ciliumcore::ccore {

// "allow", "deny", "redirect to proxy port 10001".
std::string VerdictText(const Cell& cell);

// "NetworkPolicy shop/db ingress[0], NetworkPolicy shop/web ingress[1]": of
// rules or policies.
template <typename Ref>
std::string NamesOf(const std::vector<Ref>& refs) {
  return absl::StrJoin(refs, ", ", [](std::string* text, const Ref& ref) {
    text->append(ref.ToString());
  });
}

// "rules", "default deny", ...
const char* ReasonName(RuleSet::Kind kind);

nlohmann::ordered_json RuleJson(const RuleRef& rule);
nlohmann::ordered_json PolicyJson(const PolicyRef& policy);

// Adds "reason", and "rules" or "isolated_by" where the set has them. Null: the
// side was not judged.
void AddRuleSet(const RuleSet* set, nlohmann::ordered_json& json);

// "verdict", "proxy_port" of a redirect, and what AddRuleSet adds.
nlohmann::ordered_json CellJson(const Cell& cell, const RuleSet* set);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_VERDICT_OUTPUT_H_
