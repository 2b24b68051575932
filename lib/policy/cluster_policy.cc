// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/cluster_policy.h"

#include <tuple>

#include "absl/strings/str_cat.h"

namespace ciliumcore {
namespace {

auto PlaceOf(const ClusterPolicy& policy) {
  return std::tie(policy.tier, policy.priority, policy.name, policy.kind);
}

}  // namespace

std::string ClusterPolicy::ToString() const {
  return absl::StrCat(ClusterPolicyKindName(kind), " ", name);
}

bool EvaluatedBefore(const ClusterPolicy& a, const ClusterPolicy& b) {
  return PlaceOf(a) < PlaceOf(b);
}

absl::string_view ClusterPolicyKindName(ClusterPolicy::Kind kind) {
  switch (kind) {
    case ClusterPolicy::Kind::kClusterNetworkPolicy:
      return "ClusterNetworkPolicy";
    case ClusterPolicy::Kind::kAdminNetworkPolicy:
      return "AdminNetworkPolicy";
    case ClusterPolicy::Kind::kBaselineAdminNetworkPolicy:
      return "BaselineAdminNetworkPolicy";
  }
  return "";
}

absl::string_view ClusterPolicyTierName(ClusterPolicy::Tier tier) {
  return tier == ClusterPolicy::Tier::kAdmin ? "Admin" : "Baseline";
}

absl::string_view ClusterRuleActionName(ClusterRule::Action action) {
  switch (action) {
    case ClusterRule::Action::kAccept:
      return "Accept";
    case ClusterRule::Action::kDeny:
      return "Deny";
    case ClusterRule::Action::kPass:
      return "Pass";
  }
  return "";
}

}  // namespace ciliumcore
