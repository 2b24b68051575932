// SPDX-License-Identifier: Apache-2.0

// One node through many changes: after each, the programs must say what the
// oracle says of the new state, to new connections and to those that were open,
// and nothing of a state may be left behind.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "ciliumcore/abi/reason.h"
#include "gtest/gtest.h"
#include "tests/oracle/packet_judgement.h"
#include "tests/oracle/published_node.h"
#include "tests/oracle/random_cluster.h"
#include "tests/oracle/reproduction.h"
#include "tests/oracle/rounds.h"

namespace ciliumcore::testing {
namespace {

constexpr uint32_t kChanges = 40;
constexpr uint32_t kFlowsPerChange = 60;
constexpr size_t kOpen = 300;

class ChangeSequenceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto node = PublishedNode::Native();
    ASSERT_TRUE(node.ok()) << node.status();
    node_ = *std::move(node);
  }

  void Change(RandomCluster& random, const PolicyInput& input) {
    if (random.Chance(25)) {
      RandomCluster other = random;
      PolicyInput vain = input;
      other.Change(vain);
      const auto compiled = Compile(vain, peers_, rule_sets_);
      ASSERT_TRUE(compiled.ok()) << compiled.status();
      const absl::Status published =
          node_->PublishInVain(vain, other.pods(), *compiled);
      if (!IsRefused(published)) {
        ASSERT_EQ(published, absl::OkStatus());
      }
      if (!input_.endpoints.empty()) CheckOpen(random);
    }
    auto compiled = Publish(input, random.pods(), *node_, peers_, rule_sets_);
    if (IsRefused(compiled.status())) {
      ++refused_;
      return;  // and the state before is that of now
    }
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    compiled_ = *std::move(compiled);
    input_ = input;
  }

  // A node through random changes.
  void Run(const Rounds& rounds, Dialects dialects) {
    for (uint64_t seed = rounds.first; seed < rounds.end; ++seed) {
      SCOPED_TRACE(::testing::Message() << "CC_SEED=" << seed);
      RandomCluster random(seed, dialects);
      PolicyInput input = random.Make();
      input_ = {};
      compiled_ = {};
      open_.clear();
      ASSERT_TRUE(node_->Forget().ok());
      port_ = 50000;
      for (uint32_t change = 0; change < kChanges; ++change) {
        SCOPED_TRACE(::testing::Message() << "change " << change);
        ASSERT_NO_FATAL_FAILURE(Change(random, input));
        ASSERT_NO_FATAL_FAILURE(CheckOpen(random));
        ASSERT_NO_FATAL_FAILURE(OpenMore(random));
        random.Change(input);
      }
      ASSERT_NO_FATAL_FAILURE(CheckFreeInterfaces());
    }
    RecordProperty("refused", std::to_string(refused_));
    RecordProperty("rejudged", std::to_string(rejudged_));
    RecordProperty("revoked", std::to_string(revoked_));
    for (const auto& [kind, count] : revoking_) {
      RecordProperty("revoked_by_" + kind, std::to_string(count));
    }
  }

  // Every connection that is still possible. What was allowed and is denied
  // now, has been revoked.
  void CheckOpen(RandomCluster& random) {
    const Oracle oracle(input_);
    for (Connection& connection : open_) {
      Flow& flow = connection.flow;
      flow.source = oracle.EndOf(*flow.source.address);
      flow.destination = oracle.EndOf(*flow.destination.address);
      const auto crossing = node_->CrossingOf(flow);
      if (!crossing.has_value()) continue;
      const Expected expected = ExpectedOf(oracle, *crossing, flow);
      ASSERT_EQ(DifferenceOfOpen(expected, compiled_, *node_, connection), "")
          << Describe(input_, flow);
      ++rejudged_;
      if (!expected.is_allowed) NoteRevoked(expected.last());
    }
    while (open_.size() > kOpen) {
      open_.erase(open_.begin() + random.Below(kOpen));
    }
  }

  void NoteRevoked(const Judgement& judgement) {
    ++revoked_;
    for (const RuleRef& rule : judgement.why->rules) ++revoking_[rule.kind];
    for (const PolicyRef& policy : judgement.why->policies) {
      ++revoking_[policy.kind];
    }
  }

  void OpenMore(RandomCluster& random) {
    const Oracle oracle(input_);
    const std::vector<FlowEnd> ends = RandomCluster::EndsOf(input_);
    const std::vector<PortProtocol> targets = RandomCluster::TargetsOf(input_);
    for (uint32_t i = 0; i < kFlowsPerChange; ++i) {
      const Flow flow = {random.OneOf(ends), random.OneOf(ends),
                         SentTo(random.OneOf(targets))};
      const auto crossing = node_->CrossingOf(flow);
      if (!crossing.has_value() || HasNoPorts(flow.target.protocol)) continue;
      const Connection connection = {flow, port_++};
      const Expected expected = ExpectedOf(oracle, *crossing, flow);
      ASSERT_EQ(Difference(expected, compiled_, *node_, connection), "")
          << Describe(input_, flow);
      if (expected.is_allowed) open_.push_back(connection);
    }
  }

  void CheckFreeInterfaces() {
    for (uint32_t ifindex : node_->free_interfaces()) {
      const auto output =
          node_->runner().Run({.program = Program::kFromEndpoint,
                               .packet = std::string(60, '\0'),
                               .ifindex = ifindex,
                               .ingress_ifindex = 0});
      ASSERT_TRUE(output.ok()) << output.status();
      ASSERT_EQ(output->action, Action::kDrop);
      ASSERT_EQ(output->events.size(), 1u);
      ASSERT_EQ(output->events[0].reason, CC_REASON_NO_ENDPOINT);
    }
  }

  std::unique_ptr<PublishedNode> node_;
  PeerRegistry peers_;
  RuleSetTable rule_sets_;
  PolicyInput input_;
  CompiledPolicy compiled_;
  std::vector<Connection> open_;
  uint16_t port_ = 50000;
  uint64_t refused_ = 0, rejudged_ = 0, revoked_ = 0;
  std::map<std::string, uint64_t> revoking_;  // by kind of policy
};

TEST_F(ChangeSequenceTest, EveryStateIsTheOraclesAndRevokesWhatItDenies) {
  const Rounds rounds = RoundsOr(20);
  ASSERT_NO_FATAL_FAILURE(Run(rounds, Dialects::kNetworkPolicy));
  EXPECT_EQ(refused_, 0u);
  if (rounds.are_few()) return;
  EXPECT_GT(revoked_, rejudged_ / 50) << "hardly anything was revoked";
}

TEST_F(ChangeSequenceTest, PoliciesOfEveryDialectRevokeWhatTheyDeny) {
  const Rounds rounds = RoundsOr(40);
  ASSERT_NO_FATAL_FAILURE(Run(rounds, Dialects::kAll));
  if (rounds.are_few()) return;
  EXPECT_LE(refused_ * 3, rounds.count() * kChanges);
  EXPECT_GT(revoked_, rejudged_ / 50) << "hardly anything was revoked";
  for (const char* kind :
       {"NetworkPolicy", "CiliumNetworkPolicy",
        "CiliumClusterwideNetworkPolicy", "ClusterNetworkPolicy",
        "AdminNetworkPolicy", "BaselineAdminNetworkPolicy"}) {
    EXPECT_GT(revoking_[kind], 10u) << kind;
  }
}

TEST_F(ChangeSequenceTest, NothingIsLeftBehind) {
  const PolicyInput nothing;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    RandomCluster random(seed);
    PolicyInput input = random.Make();
    for (uint32_t change = 0; change < 3; ++change) {
      ASSERT_NO_FATAL_FAILURE(Change(random, input));
      random.Change(input);
    }
    // What was given up goes with the changes behind its grace period.
    for (int tries = 0; tries < 100; ++tries) {
      const auto compiled = Publish(nothing, {}, *node_, peers_, rule_sets_);
      ASSERT_TRUE(compiled.ok()) << compiled.status();
      if (node_->entries() <= 1) break;
      absl::SleepFor(absl::Milliseconds(1));
    }
    EXPECT_EQ(node_->entries(), 1u);
    input_ = nothing;
  }
}

}  // namespace
}  // namespace ciliumcore::testing
