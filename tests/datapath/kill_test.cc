// SPDX-License-Identifier: Apache-2.0

// A process may die anywhere: at each system call of a change in turn.

#include <gtest/gtest.h>

#include <utility>
#include <vector>

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

// With other rooms the maps are made anew, and links go over one by one: in
// between each packet is judged by the one or the other, and the next process
// puts an end to it. What the dead one let in is not believed.
TEST_F(AdoptionTest, AProcessKilledWhileItTakesOverLeavesNothingToBelieve) {
  constexpr uint32_t kRooms[] = {1024, 2048};
  ASSERT_EQ(OpenAndCommit({}, kRooms[0]), absl::OkStatus());
  int kills = 0, let_in = 0;
  for (int at = 1;; ++at) {
    int calls = 0;
    const auto end = RunTraced(
        [&] {
          absl::StatusOr<Datapath> datapath =
              Datapath::Open(Options(kRooms[1]));
          if (!datapath.ok()) return 2;
          MarkTraced();
          return Commit(*datapath, {.second = true}).ok() ? 0 : 3;
        },
        [&](const SystemCall&) { return ++calls < at; });
    if (!end.killed) {
      ASSERT_EQ(end.exit_code, 0) << at;
      EXPECT_TRUE(InForce()->second);
      break;
    }
    ++kills;
    EmptyListeners();
    // One for each try: what does not come through is sent again only later.
    std::vector<std::pair<TestSocket, TestSocket>> tries;
    while (tries.size() < (kills % 4 == 0 ? 5u : 1u)) {
      TestSocket api = TestSocket::Connect(node_->netns("api"), Ip("10.0.1.3"),
                                           Ip("10.0.1.2"), kPort, 60);
      TestSocket served = listeners_["db"].Accept(0);
      if (!served.connected()) break;
      tries.emplace_back(std::move(api), std::move(served));
    }
    auto datapath = Datapath::Open(Options(kRooms[0]));
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    ASSERT_EQ(Commit(*datapath, {}), absl::OkStatus()) << at;
    // The epochs of the living come to those of the dead.
    for (auto& [api, served] : tries) {
      EXPECT_FALSE(api.Reaches(served, "late", 60)) << at;
      RemoteOptions far;
      far.addresses = {Ip(absl::StrCat("10.9.1.", ++let_in % 250))};
      far.identity = known_.at("far");
      ASSERT_EQ(datapath->Begin().UpsertRemote(far).Commit(), absl::OkStatus());
    }
    datapath = absl::UnknownError("closed");
    const auto in_force = InForce();
    ASSERT_TRUE(in_force.has_value()) << "killed at call " << at;
    ASSERT_FALSE(in_force->second) << at;
  }
  RecordProperty("kills", kills);
  RecordProperty("let_in", let_in);
  EXPECT_GT(kills, 20);
  EXPECT_GT(let_in, 0) << "no death came between";
}

}  // namespace
}  // namespace ciliumcore
