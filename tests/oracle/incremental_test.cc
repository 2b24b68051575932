// SPDX-License-Identifier: Apache-2.0

// One compiler through many changes: what it says after each must be what a new
// one says of that state. CC_SEED and CC_ROUNDS choose other changes, and more.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "ciliumcore/policy/compiler.h"
#include "gtest/gtest.h"
#include "tests/oracle/random_cluster.h"
#include "tests/oracle/rounds.h"
#include "tests/oracle/same_policy.h"

namespace ciliumcore::testing {
namespace {

constexpr uint32_t kEditsPerCluster = 100;

// A cluster for each of `rounds`, of at most this extent.
void CompareEveryChange(const Rounds& rounds, const Extent& most) {
  // Edits that changed something; policies alone; and what became of tables.
  uint64_t edits = 0, of_policies = 0, kept = 0, tables = 0;
  for (uint64_t seed = rounds.first; seed < rounds.end; ++seed) {
    RandomCluster random(
        seed, seed % 2 == 0 ? Dialects::kAll : Dialects::kNetworkPolicy, most);
    PolicyInput input = random.Make();
    PeerRegistry peers;
    RuleSetTable rule_sets;
    PolicyCompiler compiler(&peers, &rule_sets);
    CompiledPolicy before;
    for (uint32_t edit = 0; edit < kEditsPerCluster; ++edit) {
      SCOPED_TRACE(::testing::Message()
                   << "CC_SEED=" << seed << ", edit " << edit);
      const PolicyInput old = input;
      if (edit != 0) random.Change(input);
      const bool is_edit = old != input;
      PolicyInput with_policies = old;
      static_cast<Policies&>(with_policies) = input;
      const bool is_of_policies = edit != 0 && with_policies == input;
      const auto incremental =
          is_of_policies ? compiler.Recompile(input) : compiler.Compile(input);
      ASSERT_TRUE(incremental.ok()) << incremental.status();
      const auto full = Compile(input, peers, rule_sets);
      ASSERT_TRUE(full.ok()) << full.status();
      ASSERT_NO_FATAL_FAILURE(ExpectSame(*incremental, *full));
      if (is_edit) ++edits;
      if (is_edit && is_of_policies) {
        ++of_policies;
        tables += incremental->tables.size();
        for (const TableRef& table : incremental->tables) {
          kept += std::count(before.tables.begin(), before.tables.end(), table);
        }
      }
      before = *incremental;
    }
  }
  ::testing::Test::RecordProperty("edits", std::to_string(edits));
  ::testing::Test::RecordProperty("edits_of_policies",
                                  std::to_string(of_policies));
  ::testing::Test::RecordProperty("tables", std::to_string(tables));
  ::testing::Test::RecordProperty("kept", std::to_string(kept));
  if (rounds.are_few()) return;
  EXPECT_GT(edits, rounds.count() * kEditsPerCluster / 2);
  EXPECT_GT(of_policies, edits / 4);
  EXPECT_GT(kept * 4, tables) << "hardly any table was kept";
}

TEST(IncrementalTest, EveryChangeGivesWhatANewCompilerGives) {
  CompareEveryChange(RoundsOr(250), {});
}

// Where less is there, a change is of more of it; and more can be tried.
TEST(IncrementalTest, EveryChangeOfASmallClusterGivesWhatANewCompilerGives) {
  CompareEveryChange(RoundsOr(450), kSmallExtent);
}

}  // namespace
}  // namespace ciliumcore::testing
