// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/manifest.h"
#include "ciliumcore/policy/network_policy.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore {
namespace {

auto NameOf(const NetworkPolicy& policy) {
  return std::tie(policy.ns, policy.name);
}

bool Before(const NetworkPolicy& a, const NetworkPolicy& b) {
  return NameOf(a) < NameOf(b);
}

absl::Status Twice(const NetworkPolicy& policy) {
  return absl::AlreadyExistsError(absl::StrCat(
      "NetworkPolicy ", policy.ns, "/", policy.name, " is there already"));
}

}  // namespace

absl::StatusOr<PolicySet> PolicySet::FromManifest(absl::string_view text) {
  const ManifestSource source = {.text = std::string(text)};
  CC_ASSIGN_OR_RETURN(Cluster cluster, LoadManifests({&source, 1}));
  std::vector<std::string> others = std::move(cluster.ignored);
  for (const CiliumPolicy& policy : cluster.cilium_policies) {
    others.push_back(policy.ToString());
  }
  for (const std::string& object : others) {
    const absl::string_view kind =
        absl::string_view(object).substr(0, object.find(' '));
    if (!absl::StrContains(kind, "NetworkPolicy")) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(source.name, ": ", object,
                     ": expected policies of kind NetworkPolicy in "
                     "networking.k8s.io/v1, found another kind"));
  }
  if (!cluster.cluster_policies.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(source.name, ": ", cluster.cluster_policies[0].ToString(),
                     ": expected policies of kind NetworkPolicy in "
                     "networking.k8s.io/v1, found another kind"));
  }
  PolicySet set;
  for (NetworkPolicy& policy : cluster.policies) {
    CC_RETURN_IF_ERROR(set.Add(std::move(policy)));
  }
  return set;
}

absl::Status PolicySet::Add(NetworkPolicy policy) {
  const auto at =
      std::lower_bound(policies_.begin(), policies_.end(), policy, Before);
  if (at != policies_.end() && NameOf(*at) == NameOf(policy)) {
    return Twice(policy);
  }
  policies_.insert(at, std::move(policy));
  return absl::OkStatus();
}

absl::Status PolicySet::Merge(const PolicySet& other) {
  for (const NetworkPolicy& policy : other.policies_) {
    if (std::binary_search(policies_.begin(), policies_.end(), policy,
                           Before)) {
      return Twice(policy);
    }
  }
  policies_.insert(policies_.end(), other.policies_.begin(),
                   other.policies_.end());
  std::sort(policies_.begin(), policies_.end(), Before);
  return absl::OkStatus();
}

}  // namespace ciliumcore
