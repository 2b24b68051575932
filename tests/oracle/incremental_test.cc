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

TEST(IncrementalTest, EveryChangeGivesWhatANewCompilerGives) {
  const Rounds rounds = RoundsOr(250);
  uint64_t of_policies = 0, kept = 0, tables = 0;
  for (uint64_t seed = rounds.first; seed < rounds.end; ++seed) {
    RandomCluster random(
        seed, seed % 2 == 0 ? Dialects::kAll : Dialects::kNetworkPolicy);
    PolicyInput input = random.Make();
    PeerRegistry peers;
    RuleSetTable rule_sets;
    PolicyCompiler compiler(&peers, &rule_sets);
    CompiledPolicy before;
    for (uint32_t edit = 0; edit < kEditsPerCluster; ++edit) {
      SCOPED_TRACE(::testing::Message()
                   << "CC_SEED=" << seed << ", edit " << edit);
      PolicyInput old = input;
      if (edit != 0) random.Change(input);
      static_cast<Policies&>(old) = input;
      const bool same_nodes = edit != 0 && old == input;
      const auto incremental =
          same_nodes ? compiler.Recompile(input) : compiler.Compile(input);
      ASSERT_TRUE(incremental.ok()) << incremental.status();
      const auto full = Compile(input, peers, rule_sets);
      ASSERT_TRUE(full.ok()) << full.status();
      ASSERT_NO_FATAL_FAILURE(ExpectSame(*incremental, *full));
      if (same_nodes) {
        ++of_policies;
        tables += incremental->tables.size();
        for (const TableRef& table : incremental->tables) {
          kept += std::count(before.tables.begin(), before.tables.end(), table);
        }
      }
      before = *incremental;
    }
  }
  RecordProperty("edits_of_policies", std::to_string(of_policies));
  EXPECT_GT(kept * 4, tables) << "hardly any table was kept";
}

}  // namespace
}  // namespace ciliumcore::testing
