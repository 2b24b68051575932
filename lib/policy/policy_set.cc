// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/policy_set.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "ciliumcore/policy/manifest.h"
#include "lib/base/status_macros_internal.h"
#include "lib/policy/policy_names_internal.h"

namespace ciliumcore {
namespace {

template <typename Policy>
absl::Status IsThere(const Policy& policy) {
  return absl::AlreadyExistsError(
      absl::StrCat(FullName(policy), " is there already"));
}

template <typename Policy>
absl::Status AddTo(std::vector<Policy>& policies, Policy policy) {
  const auto at = std::lower_bound(policies.begin(), policies.end(), policy,
                                   NamedBefore<Policy>);
  if (at != policies.end() && NameKeyOf(*at) == NameKeyOf(policy)) {
    return IsThere(policy);
  }
  policies.insert(at, std::move(policy));
  return absl::OkStatus();
}

// In the order of names. AlreadyExists if two of them have one.
template <typename Policy>
absl::Status AddAll(const std::vector<Policy>& policies,
                    std::vector<Policy>& to) {
  to.insert(to.end(), policies.begin(), policies.end());
  std::sort(to.begin(), to.end(), NamedBefore<Policy>);
  const auto twice = std::adjacent_find(to.begin(), to.end(),
                                        [](const Policy& a, const Policy& b) {
                                          return NameKeyOf(a) == NameKeyOf(b);
                                        });
  return twice == to.end() ? absl::OkStatus() : IsThere(*twice);
}

absl::Status AddAll(const Policies& policies, Policies& to) {
  CC_RETURN_IF_ERROR(AddAll(policies.policies, to.policies));
  CC_RETURN_IF_ERROR(AddAll(policies.cilium_policies, to.cilium_policies));
  CC_RETURN_IF_ERROR(AddAll(policies.cluster_policies, to.cluster_policies));
  return AddAll(policies.cidr_groups, to.cidr_groups);
}

}  // namespace

absl::StatusOr<PolicySet> PolicySet::FromManifest(absl::string_view text) {
  const ManifestSource source = {.text = std::string(text)};
  CC_ASSIGN_OR_RETURN(const Cluster cluster, LoadManifests({&source, 1}));
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
  CC_RETURN_IF_ERROR(AddAll(PoliciesOf(cluster), set.policies_));
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
  Policies merged = policies_;
  CC_RETURN_IF_ERROR(AddAll(other.policies_, merged));
  policies_ = std::move(merged);
  return absl::OkStatus();
}

}  // namespace ciliumcore
