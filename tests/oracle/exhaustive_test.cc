// SPDX-License-Identifier: Apache-2.0

// The compiler against the oracle on every small set of policies: what is wrong
// with rules that meet is nearly always wrong with two of them already.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/oracle/compiled_judgement.h"
#include "tests/oracle/random_cluster.h"
#include "tests/oracle/reproduction.h"
#include "tests/oracle/small_policies.h"
#include "tests/oracle/village.h"

namespace ciliumcore::testing {
namespace {

class ExhaustivePolicyTest : public ::testing::Test {
 protected:
  ExhaustivePolicyTest() : input_(Village()), flows_(FlowsOf(input_)) {}

  // False if the compiler is wrong about `policies`.
  bool Agrees(std::vector<NetworkPolicy> policies) {
    for (size_t i = 0; i < policies.size(); ++i) {
      policies[i].name = std::string(1, static_cast<char>('p' + i));
    }
    input_.policies = std::move(policies);
    const absl::StatusOr<CompiledPolicy> compiled =
        Compile(input_, peers_, rule_sets_);
    EXPECT_TRUE(compiled.ok()) << compiled.status();
    if (!compiled.ok()) return false;
    const Oracle oracle(input_);
    for (const Flow& flow : flows_) {
      if (Difference(oracle, *compiled, flow).empty()) continue;
      ADD_FAILURE() << Reproduce(input_, flow, CompileAndCompare);
      return false;
    }
    return true;
  }

  const std::vector<LabelSelector> subjects_ = {{}, Only("app", "a")};
  const std::vector<NetworkPolicyRule> rules_ = SmallRules();
  PolicyInput input_;
  const std::vector<Flow> flows_;
  PeerRegistry peers_;
  RuleSetTable rule_sets_;
};

TEST_F(ExhaustivePolicyTest, EveryPolicyOfUpToTwoRules) {
  for (Direction direction : {Direction::kIngress, Direction::kEgress}) {
    ASSERT_TRUE(Agrees({PolicyOf({}, direction, {})}));
    for (size_t i = 0; i < rules_.size(); ++i) {
      ASSERT_TRUE(Agrees({PolicyOf({}, direction, {rules_[i]})}));
      for (size_t j = 0; j <= i; ++j) {
        ASSERT_TRUE(Agrees({PolicyOf({}, direction, {rules_[i], rules_[j]})}));
      }
    }
  }
}

TEST_F(ExhaustivePolicyTest, EveryTwoPoliciesOfUpToOneRule) {
  for (Direction direction : {Direction::kIngress, Direction::kEgress}) {
    std::vector<NetworkPolicy> policies;
    for (const LabelSelector& subject : subjects_) {
      policies.push_back(PolicyOf(subject, direction, {}));
      for (size_t i = 0; i < rules_.size(); i += 2) {
        policies.push_back(PolicyOf(subject, direction, {rules_[i]}));
      }
    }
    for (size_t i = 0; i < policies.size(); ++i) {
      for (size_t j = 0; j <= i; ++j) {
        ASSERT_TRUE(Agrees({policies[i], policies[j]}));
      }
    }
  }
}

TEST_F(ExhaustivePolicyTest, EveryPolicyOfARuleForEachDirection) {
  for (const NetworkPolicyRule& in : rules_) {
    for (const NetworkPolicyRule& out : rules_) {
      NetworkPolicy policy = PolicyOf({}, Direction::kIngress, {in});
      policy.egress = {out};
      policy.isolates_egress = true;
      ASSERT_TRUE(Agrees({policy}));
    }
    // Rules of a direction that is not isolated mean nothing.
    for (bool isolates_ingress : {false, true}) {
      NetworkPolicy policy = PolicyOf({}, Direction::kIngress, {in});
      policy.egress = {in};
      policy.isolates_ingress = isolates_ingress;
      policy.isolates_egress = !isolates_ingress;
      ASSERT_TRUE(Agrees({policy}));
    }
  }
}

}  // namespace
}  // namespace ciliumcore::testing
