// SPDX-License-Identifier: Apache-2.0

// The compiler against the oracle on random clusters. CC_SEED and CC_ROUNDS
// choose others, and more of them.

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/oracle/compiled_judgement.h"
#include "tests/oracle/random_cluster.h"
#include "tests/oracle/reproduction.h"
#include "tests/oracle/rounds.h"

namespace ciliumcore::testing {
namespace {

constexpr uint32_t kFlowsPerCluster = 1000;

TEST(RandomPolicyTest, CompilerAgreesWithTheOracle) {
  const Rounds rounds = RoundsOr(250);
  uint64_t compared = 0, denied = 0;
  for (uint64_t seed = rounds.first; seed < rounds.end; ++seed) {
    SCOPED_TRACE(::testing::Message() << "CC_SEED=" << seed);
    RandomCluster random(seed);
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
      const Flow flow = {random.OneOf(ends), random.OneOf(ends),
                         random.OneOf(targets)};
      const std::string difference = Difference(oracle, *compiled, flow);
      ASSERT_EQ(difference, "") << Reproduce(input, flow, CompileAndCompare);
      ++compared;
      const bool is_allowed =
          oracle
              .Egress(flow.source, flow.destination, flow.target.protocol,
                      flow.target.port)
              .allowed &&
          oracle
              .Ingress(flow.source, flow.destination, flow.target.protocol,
                       flow.target.port)
              .allowed;
      if (!is_allowed) ++denied;
    }
  }
  RecordProperty("compared", std::to_string(compared));
  RecordProperty("denied", std::to_string(denied));
  if (rounds.are_few()) return;
  EXPECT_GT(denied * 10, compared) << "hardly anything was denied";
  EXPECT_LT(denied * 10, compared * 9) << "hardly anything was allowed";
}

}  // namespace
}  // namespace ciliumcore::testing
