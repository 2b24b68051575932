// SPDX-License-Identifier: Apache-2.0

// What random clusters are worth: if no flow of theirs met a rule of some kind,
// agreement on it would say nothing.

#include "tests/oracle/random_cluster.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "tests/oracle/reproduction.h"

namespace ciliumcore::testing {
namespace {

struct Seen {
  std::map<RuleSet::Kind, uint64_t> reasons;
  std::set<std::string> deciding;  // kinds of policies, and of their sections
  uint64_t redirected = 0, asked = 0;
};

void Look(const Judgement& judgement, Seen& seen) {
  ++seen.asked;
  if (judgement.verdict == Verdict::kRedirect) ++seen.redirected;
  if (!judgement.why.has_value()) return;
  ++seen.reasons[judgement.why->kind];
  for (const RuleRef& rule : judgement.why->rules) {
    seen.deciding.insert(rule.kind + (rule.is_deny_section ? " denial" : ""));
  }
  for (const PolicyRef& policy : judgement.why->policies) {
    seen.deciding.insert(policy.kind + " isolates");
  }
}

Seen LookAt(Dialects dialects) {
  Seen seen;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    RandomCluster random(seed, dialects);
    PolicyInput input = random.Make();
    for (int change = 0; change < 3; ++change) {
      const Oracle oracle(input);
      const auto ends = RandomCluster::EndsOf(input);
      const auto targets = RandomCluster::TargetsOf(input);
      for (uint32_t i = 0; i < 100; ++i) {
        const auto [source, destination, target] =
            random.FlowOf(input, ends, targets);
        const auto& [protocol, port] = target;
        Look(oracle.Ingress(source, destination, protocol, port), seen);
        Look(oracle.Egress(source, destination, protocol, port), seen);
      }
      random.Change(input);
    }
  }
  return seen;
}

TEST(RandomClusterTest, EveryDialectDecidesSomething) {
  const Seen seen = LookAt(Dialects::kAll);
  const std::set<std::string> expected = {
      "AdminNetworkPolicy",
      "BaselineAdminNetworkPolicy",
      "CiliumClusterwideNetworkPolicy",
      "CiliumClusterwideNetworkPolicy denial",
      "CiliumClusterwideNetworkPolicy isolates",
      "CiliumNetworkPolicy",
      "CiliumNetworkPolicy denial",
      "CiliumNetworkPolicy isolates",
      "ClusterNetworkPolicy",
      "NetworkPolicy",
      "NetworkPolicy isolates",
  };
  EXPECT_EQ(seen.deciding, expected);
  EXPECT_EQ(seen.reasons.size(), 6u);
  for (const auto& [kind, count] : seen.reasons) {
    EXPECT_GT(count * 2000, seen.asked) << static_cast<int>(kind);
  }
  EXPECT_GT(seen.redirected * 2000, seen.asked);
}

TEST(RandomClusterTest, OtherDialectsOnlyIfAsked) {
  const std::set<std::string> expected = {"NetworkPolicy",
                                          "NetworkPolicy isolates"};
  EXPECT_EQ(LookAt(Dialects::kNetworkPolicy).deciding, expected);
}

// The check finds fault with one denial; of the rest, nothing is left.
TEST(ReproductionTest, DropsWhatDoesNotMatter) {
  uint32_t found = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    RandomCluster random(seed, Dialects::kAll);
    const PolicyInput input = random.Make();
    const Check check = [](const PolicyInput& shrunk, const Flow& flow) {
      const Judgement judgement =
          Oracle(shrunk).Ingress(flow.source, flow.destination,
                                 flow.target.protocol, flow.target.port);
      return judgement.why.has_value() &&
                     judgement.why->kind == RuleSet::Kind::kDenied &&
                     judgement.why->rules[0].is_deny_section
                 ? std::string("denied")
                 : std::string();
    };
    const auto ends = RandomCluster::EndsOf(input);
    const auto targets = RandomCluster::TargetsOf(input);
    for (uint32_t tries = 0; tries < 200; ++tries) {
      const Flow flow = random.FlowOf(input, ends, targets);
      if (check(input, flow).empty()) continue;
      const std::string text = Reproduce(input, flow, check);
      EXPECT_EQ(text.find("AdminNetworkPolicy"), std::string::npos) << text;
      EXPECT_EQ(text.find("egress"), text.rfind("egress")) << text;
      EXPECT_NE(text.find("Deny:\n  - {"), std::string::npos) << text;
      EXPECT_EQ(text.find("  - {"), text.rfind("  - {")) << text;
      ++found;
      break;
    }
  }
  EXPECT_GT(found, 5u);
}

}  // namespace
}  // namespace ciliumcore::testing
