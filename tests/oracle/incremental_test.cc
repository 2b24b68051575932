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

struct Seen {
  uint64_t edits = 0;        // that changed something
  uint64_t of_policies = 0;  // of these, policies alone; and then:
  uint64_t kept = 0, tables = 0;
};

// A cluster for each of `rounds`, of at most this extent.
void CompareEveryChange(const Rounds& rounds, const Extent& most, Seen& seen) {
  auto& [edits, of_policies, kept, tables] = seen;
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
}

TEST(IncrementalTest, EveryChangeGivesWhatANewCompilerGives) {
  const Rounds rounds = RoundsOr(250);
  Seen seen;
  ASSERT_NO_FATAL_FAILURE(CompareEveryChange(rounds, {}, seen));
  if (rounds.are_few()) return;
  EXPECT_GT(seen.edits, rounds.count() * kEditsPerCluster / 2);
  EXPECT_GT(seen.of_policies, seen.edits / 4);
  EXPECT_GT(seen.kept * 4, seen.tables) << "hardly any table was kept";
}

// Where less is there, a change is of more of it; and more can be tried.
TEST(IncrementalTest, EveryChangeOfASmallClusterGivesWhatANewCompilerGives) {
  const Rounds rounds = RoundsOr(450);
  Seen seen;
  ASSERT_NO_FATAL_FAILURE(CompareEveryChange(rounds, kSmallExtent, seen));
  if (rounds.are_few()) return;
  EXPECT_GT(seen.edits, rounds.count() * kEditsPerCluster / 4);
}

}  // namespace
}  // namespace ciliumcore::testing
