// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/cluster_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace ciliumcore {
namespace {

using Kind = ClusterPolicy::Kind;
using Tier = ClusterPolicy::Tier;

TEST(ClusterPolicyTest, IsEvaluatedByTierThenPriorityThenNameThenKind) {
  const std::vector<ClusterPolicy> ascending = {
      {.kind = Kind::kAdminNetworkPolicy, .name = "z", .priority = 0},
      {.kind = Kind::kClusterNetworkPolicy, .name = "a", .priority = 1},
      {.kind = Kind::kAdminNetworkPolicy, .name = "a", .priority = 1},
      {.kind = Kind::kClusterNetworkPolicy, .name = "b", .priority = 1},
      {.kind = Kind::kClusterNetworkPolicy, .name = "a", .priority = 1000},
      {.name = "z", .tier = Tier::kBaseline, .priority = 0},
      {.name = "a", .tier = Tier::kBaseline, .priority = 1000},
      {.kind = Kind::kBaselineAdminNetworkPolicy,
       .name = "a",
       .tier = Tier::kBaseline,
       .priority = ClusterPolicy::kNoPriority},
  };
  for (size_t i = 0; i < ascending.size(); ++i) {
    for (size_t j = 0; j < ascending.size(); ++j) {
      EXPECT_EQ(EvaluatedBefore(ascending[i], ascending[j]), i < j)
          << i << " " << j;
    }
  }
}

TEST(ClusterPolicyTest, HasNamesForExplanations) {
  ClusterPolicy policy = {.name = "guard"};
  EXPECT_EQ(policy.ToString(), "ClusterNetworkPolicy guard");
  policy.kind = Kind::kAdminNetworkPolicy;
  EXPECT_EQ(policy.ToString(), "AdminNetworkPolicy guard");
  policy.kind = Kind::kBaselineAdminNetworkPolicy;
  EXPECT_EQ(policy.ToString(), "BaselineAdminNetworkPolicy guard");
  EXPECT_EQ(ClusterPolicyTierName(Tier::kAdmin), "Admin");
  EXPECT_EQ(ClusterPolicyTierName(Tier::kBaseline), "Baseline");
  EXPECT_EQ(ClusterRuleActionName(ClusterRule::Action::kAccept), "Accept");
  EXPECT_EQ(ClusterRuleActionName(ClusterRule::Action::kDeny), "Deny");
  EXPECT_EQ(ClusterRuleActionName(ClusterRule::Action::kPass), "Pass");
}

TEST(ClusterPolicyTest, PortsThatAreNotThereAreNotAnEmptyList) {
  ClusterRule all;
  ClusterRule none;
  none.ports.emplace();
  EXPECT_FALSE(all == none);
}

}  // namespace
}  // namespace ciliumcore
