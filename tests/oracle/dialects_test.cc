// SPDX-License-Identifier: Apache-2.0

// The compiler against the oracle on random policies of all dialects together.
// CC_SEED and CC_ROUNDS choose others, and more of them.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/oracle/compiled_judgement.h"
#include "tests/oracle/random_cluster.h"
#include "tests/oracle/reproduction.h"
#include "tests/oracle/rounds.h"

namespace ciliumcore::testing {
namespace {

constexpr uint32_t kFlowsPerCluster = 200;

// How often each thing explained a side of a flow.
using Reasons = std::map<RuleSet::Kind, uint64_t>;

TEST(DialectsTest, CompilerAgreesWithTheOracleInEveryDialect) {
  const Rounds rounds = RoundsOr(5000);
  uint64_t compared = 0, redirected = 0;
  Reasons reasons;
  for (uint64_t seed = rounds.first; seed < rounds.end; ++seed) {
    SCOPED_TRACE(::testing::Message() << "CC_SEED=" << seed);
    RandomCluster random(seed, Dialects::kAll);
    const PolicyInput input = random.Make();
    PeerRegistry peers;
    RuleSetTable rule_sets;
    const absl::StatusOr<CompiledPolicy> compiled =
        Compile(input, peers, rule_sets);
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    const Oracle oracle(input);
    const std::vector<FlowEnd> ends = RandomCluster::EndsOf(input);
    const std::vector<PortProtocol> targets = RandomCluster::TargetsOf(input);
    for (uint32_t i = 0; i < kFlowsPerCluster; ++i) {
      const Flow flow = random.FlowOf(input, ends, targets);
      const std::string difference = Difference(oracle, *compiled, flow);
      ASSERT_EQ(difference, "") << Reproduce(input, flow, CompileAndCompare);
      ++compared;
      if (i % 10 != 0) continue;
      const Judgement ingress =
          oracle.Ingress(flow.source, flow.destination, flow.target.protocol,
                         flow.target.port);
      if (ingress.why.has_value()) ++reasons[ingress.why->kind];
      if (ingress.verdict == Verdict::kRedirect) ++redirected;
    }
  }
  RecordProperty("compared", std::to_string(compared));
  const auto expect_some = [&](const char* what, uint64_t count) {
    RecordProperty(what, std::to_string(count));
    if (rounds.are_few()) return;
    EXPECT_GT(count * 1000, compared / 10) << "hardly anything was " << what;
  };
  expect_some("allowed", reasons[RuleSet::Kind::kRules]);
  expect_some("not_isolated", reasons[RuleSet::Kind::kNotIsolated]);
  expect_some("default_deny", reasons[RuleSet::Kind::kDefaultDeny]);
  expect_some("denied", reasons[RuleSet::Kind::kDenied]);
  expect_some("own_node", reasons[RuleSet::Kind::kOwnNode]);
  expect_some("unauthenticated", reasons[RuleSet::Kind::kAuthentication]);
  expect_some("redirected", redirected);
}

// After each of many changes, too.
TEST(DialectsTest, CompilerAgreesWithTheOracleAfterChanges) {
  const Rounds rounds = RoundsOr(50);
  for (uint64_t seed = rounds.first; seed < rounds.end; ++seed) {
    RandomCluster random(seed, Dialects::kAll);
    PolicyInput input = random.Make();
    PeerRegistry peers;
    RuleSetTable rule_sets;
    PolicyCompiler compiler(&peers, &rule_sets);
    for (uint32_t change = 0; change < 40; ++change) {
      SCOPED_TRACE(::testing::Message()
                   << "CC_SEED=" << seed << ", change " << change);
      const absl::StatusOr<CompiledPolicy> compiled = compiler.Compile(input);
      ASSERT_TRUE(compiled.ok()) << compiled.status();
      const Oracle oracle(input);
      const std::vector<FlowEnd> ends = RandomCluster::EndsOf(input);
      const std::vector<PortProtocol> targets = RandomCluster::TargetsOf(input);
      for (uint32_t i = 0; i < 40; ++i) {
        const Flow flow = random.FlowOf(input, ends, targets);
        ASSERT_EQ(Difference(oracle, *compiled, flow), "")
            << Reproduce(input, flow, CompileAndCompare);
      }
      random.Change(input);
    }
  }
}

}  // namespace
}  // namespace ciliumcore::testing
