// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/policy_set.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/manifest.h"
#include "lib/base/status_macros_internal.h"
#include "lib/policy/policy_names_internal.h"

namespace ciliumcore {
namespace {

template <typename Policy>
absl::Status AddTo(std::vector<Policy>& policies, Policy policy) {
  const auto at = std::lower_bound(policies.begin(), policies.end(), policy,
                                   NamedBefore<Policy>);
  if (at != policies.end() && NameKeyOf(*at) == NameKeyOf(policy)) {
    return absl::AlreadyExistsError(
        absl::StrCat(FullName(policy), " is there already"));
  }
  policies.insert(at, std::move(policy));
  return absl::OkStatus();
}

template <typename Policy>
absl::Status AddAll(const std::vector<Policy>& policies, PolicySet& set) {
  for (const Policy& policy : policies) CC_RETURN_IF_ERROR(set.Add(policy));
  return absl::OkStatus();
}

absl::Status AddAll(const Policies& policies, PolicySet& set) {
  CC_RETURN_IF_ERROR(AddAll(policies.policies, set));
  CC_RETURN_IF_ERROR(AddAll(policies.cilium_policies, set));
  CC_RETURN_IF_ERROR(AddAll(policies.cluster_policies, set));
  return AddAll(policies.cidr_groups, set);
}

}  // namespace

absl::StatusOr<PolicySet> PolicySet::FromManifest(absl::string_view text) {
  const ManifestSource source = {.text = std::string(text)};
  CC_ASSIGN_OR_RETURN(Cluster cluster, LoadManifests({&source, 1}));
  for (const std::string& object : cluster.ignored) {
    const absl::string_view kind =
        absl::string_view(object).substr(0, object.find(' '));
    if (!absl::StrContains(kind, "NetworkPolicy")) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(source.name, ": ", object,
                     ": expected a policy of Kubernetes or of Cilium, found "
                     "another kind"));
  }
  PolicySet set;
  CC_RETURN_IF_ERROR(
      AddAll(Policies{.policies = std::move(cluster.policies),
                      .cilium_policies = std::move(cluster.cilium_policies),
                      .cluster_policies = std::move(cluster.cluster_policies),
                      .cidr_groups = std::move(cluster.cidr_groups)},
             set));
  return set;
}

absl::Status PolicySet::Add(NetworkPolicy policy) {
  return AddTo(policies_.policies, std::move(policy));
}
absl::Status PolicySet::Add(CiliumPolicy policy) {
  return AddTo(policies_.cilium_policies, std::move(policy));
}
absl::Status PolicySet::Add(ClusterPolicy policy) {
  return AddTo(policies_.cluster_policies, std::move(policy));
}
absl::Status PolicySet::Add(CidrGroup group) {
  return AddTo(policies_.cidr_groups, std::move(group));
}

absl::Status PolicySet::Merge(const PolicySet& other) {
  PolicySet merged = *this;
  CC_RETURN_IF_ERROR(AddAll(other.policies_, merged));
  *this = std::move(merged);
  return absl::OkStatus();
}

}  // namespace ciliumcore
