// SPDX-License-Identifier: Apache-2.0

// The compiler against what people have written down.

#include <string>

#include "ciliumcore/policy/compiler.h"
#include "gtest/gtest.h"
#include "tests/oracle/compiled_judgement.h"
#include "tests/oracle/policy_cases.h"

namespace ciliumcore::testing {
namespace {

class PolicyCasesTest : public ::testing::TestWithParam<PolicyCase> {};

TEST_P(PolicyCasesTest, CompilesToWhatTheSentenceSays) {
  const PolicyCase& one = GetParam();
  const absl::StatusOr<PolicyInput> town = TownWith(one.manifests);
  ASSERT_TRUE(town.ok()) << town.status();
  PeerRegistry peers;
  RuleSetTable rule_sets;
  const absl::StatusOr<CompiledPolicy> compiled =
      Compile(*town, peers, rule_sets);
  ASSERT_TRUE(compiled.ok()) << compiled.status();
  for (const Asked& asked : one.asked) {
    const absl::StatusOr<AskedFlow> flow = ParseFlow(*town, asked.flow);
    ASSERT_TRUE(flow.ok()) << flow.status();
    EXPECT_EQ(Brief(JudgementOf(*town, *compiled, flow->flow, flow->direction)),
              asked.answer)
        << one.sentence << ": " << asked.flow << "\n"
        << one.manifests;
  }
}

INSTANTIATE_TEST_SUITE_P(Every, PolicyCasesTest,
                         ::testing::ValuesIn(AllPolicyCases()));

}  // namespace
}  // namespace ciliumcore::testing
