// SPDX-License-Identifier: Apache-2.0

// Why a verdict is what it is, as JSON.

#ifndef CILIUMCORE_TOOLS_CCORE_RULE_JSON_H_
#define CILIUMCORE_TOOLS_CCORE_RULE_JSON_H_

#include "ciliumcore/policy/rule_set.h"
#include "nlohmann/json.hpp"

namespace ciliumcore::ccore {

// "rules", "default deny", ...
const char* ReasonName(RuleSet::Kind kind);

nlohmann::ordered_json RuleJson(const RuleRef& rule);
nlohmann::ordered_json PolicyJson(const PolicyRef& policy);

// Adds "reason", and "rules" or "isolated_by" where the set has them. Null: the
// side was not judged.
void AddRuleSet(const RuleSet* set, nlohmann::ordered_json& json);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_RULE_JSON_H_
