// SPDX-License-Identifier: Apache-2.0

// Policies of Cilium as manifests, for tests.

#ifndef CILIUMCORE_TESTS_POLICY_CILIUM_TEXT_H_
#define CILIUMCORE_TESTS_POLICY_CILIUM_TEXT_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/policy/cilium_policy.h"
#include "tests/policy/manifest_text.h"

namespace ciliumcore {

// A policy with this spec, a flow mapping or lines indented by two; it begins
// at line 5.
inline std::string CiliumText(const std::string& spec) {
  return absl::StrCat(
      "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n"
      "metadata: {name: p, namespace: shop}\nspec:\n",
      spec);
}

inline std::string ClusterwideText(const std::string& spec) {
  return absl::StrCat(
      "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\n"
      "metadata: {name: p}\nspec:\n",
      spec);
}

// The only spec of the only policy.
inline CiliumSpec OnlySpec(const std::string& text) {
  const Cluster cluster = Load(text);
  EXPECT_EQ(cluster.cilium_policies.size(), 1u);
  if (cluster.cilium_policies.size() != 1) return {};
  EXPECT_EQ(cluster.cilium_policies[0].specs.size(), 1u);
  if (cluster.cilium_policies[0].specs.size() != 1) return {};
  return cluster.cilium_policies[0].specs[0];
}

inline CiliumSpec ReadCilium(const std::string& spec) {
  return OnlySpec(CiliumText(spec));
}

// A spec with one rule, a flow mapping: "ingress", "{fromEntities: [all]}".
inline std::string RuleText(const std::string& section,
                            const std::string& rule) {
  return absl::StrCat("  endpointSelector: {}\n  ", section, ":\n  - ", rule,
                      "\n");
}

inline CiliumRule ReadRule(const std::string& section,
                           const std::string& rule) {
  const CiliumSpec spec = ReadCilium(RuleText(section, rule));
  for (const auto* rules :
       {&spec.ingress, &spec.ingress_deny, &spec.egress, &spec.egress_deny}) {
    if (!rules->empty()) return rules->front();
  }
  ADD_FAILURE() << "no rule in " << section << ": " << rule;
  return {};
}

// Of each problem, what follows the object.
inline std::string WrongText(const std::string& text) {
  const std::string wrong = Wrong(text);
  std::vector<absl::string_view> lines = absl::StrSplit(wrong, '\n');
  for (absl::string_view& line : lines) {
    const size_t object = line.find("p: ");
    if (object != absl::string_view::npos) line.remove_prefix(object + 3);
  }
  return absl::StrJoin(lines, "\n");
}

inline std::string WrongCilium(const std::string& spec) {
  return WrongText(CiliumText(spec));
}

// The same, behind the path of the rule.
inline std::string WrongRule(const std::string& section,
                             const std::string& rule) {
  return Without(absl::StrCat("spec.", section, "[0]"),
                 WrongCilium(RuleText(section, rule)));
}

// What a test expects of a rule.
struct WrongRuleCase {
  const char* section;
  const char* rule;
  const char* problem;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_TESTS_POLICY_CILIUM_TEXT_H_
