// SPDX-License-Identifier: Apache-2.0

// A process may die anywhere: at each system call of a change in turn.

#include <gtest/gtest.h>

#include "tests/datapath/adoption_fixture.h"
#include "tests/support/traced_child.h"

namespace ciliumcore {
namespace {

using testing::MarkTraced;
using testing::RunTraced;
using testing::SystemCall;

TEST_F(AdoptionTest, AProcessKilledAtAnySystemCallLeavesOldOrNew) {
  ASSERT_EQ(OpenAndCommit({}), absl::OkStatus());
  bool second = false;
  int kills = 0;
  for (int at = 1;; ++at) {
    int calls = 0;
    const auto end = RunTraced(
        [&] {
          absl::StatusOr<Datapath> datapath = Datapath::Open(Options());
          if (!datapath.ok()) return 2;
          MarkTraced();
          return Commit(*datapath, {.second = !second}).ok() ? 0 : 3;
        },
        [&](const SystemCall&) { return ++calls < at; });
    const auto in_force = InForce();
    ASSERT_TRUE(in_force.has_value()) << "killed at call " << at;
    if (!end.killed) {
      ASSERT_EQ(end.exit_code, 0) << at;
      EXPECT_EQ(in_force->second, !second);
      break;
    }
    ++kills;
    second = in_force->second;
  }
  RecordProperty("kills", kills);
  EXPECT_GT(kills, 20);
}

}  // namespace
}  // namespace ciliumcore
