// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/lowered_policies_internal.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/policy/policy_names_internal.h"

namespace ciliumcore {
namespace {

// By name: rules are numbered, and explained, in this order.
template <typename Policy>
absl::StatusOr<std::vector<const Policy*>> Sorted(
    const std::vector<Policy>& policies) {
  std::vector<const Policy*> sorted;
  sorted.reserve(policies.size());
  for (const Policy& policy : policies) sorted.push_back(&policy);
  const auto before = [](const Policy* a, const Policy* b) {
    return NamedBefore(*a, *b);
  };
  if (!std::is_sorted(sorted.begin(), sorted.end(), before)) {
    std::sort(sorted.begin(), sorted.end(), before);
  }
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (NameKeyOf(*sorted[i]) == NameKeyOf(*sorted[i - 1])) {
      return absl::InvalidArgumentError(
          absl::StrCat("two policies are named ", FullName(*sorted[i])));
    }
  }
  return sorted;
}

}  // namespace

void LoweredPolicies::Reset(const std::vector<PolicyService>& services) {
  services_ = &services;
  cilium_.clear();
  cluster_.clear();
}

template <typename Policy>
absl::StatusOr<LoweredPolicies::Entries<Policy>> LoweredPolicies::Updated(
    const std::vector<Policy>& policies, const Entries<Policy>& known,
    const PolicyReferences& references) {
  CC_ASSIGN_OR_RETURN(const auto sorted, Sorted(policies));
  Entries<Policy> entries;
  entries.reserve(sorted.size());
  auto at = known.begin();
  for (const Policy* policy : sorted) {
    while (at != known.end() && NamedBefore(*at->policy, *policy)) ++at;
    if (at != known.end() && *at->policy == *policy) {
      entries.push_back(*at);
      continue;
    }
    CC_ASSIGN_OR_RETURN(auto lowered, Lower(*policy, references));
    entries.push_back({std::make_shared<const Policy>(*policy),
                       {std::make_move_iterator(lowered.begin()),
                        std::make_move_iterator(lowered.end())}});
  }
  return entries;
}

absl::Status LoweredPolicies::Update(const Policies& policies) {
  const bool same_groups = cidr_groups_ == policies.cidr_groups;
  const PolicyReferences references = {.cidr_groups = &policies.cidr_groups,
                                       .services = services_};
  CC_ASSIGN_OR_RETURN(auto network,
                      Updated(policies.policies, network_, references));
  CC_ASSIGN_OR_RETURN(
      auto cilium,
      Updated(policies.cilium_policies,
              same_groups ? cilium_ : Entries<CiliumPolicy>(), references));
  CC_ASSIGN_OR_RETURN(auto cluster,
                      Updated(policies.cluster_policies, cluster_, references));
  cidr_groups_ = policies.cidr_groups;
  network_ = std::move(network);
  cilium_ = std::move(cilium);
  cluster_ = std::move(cluster);
  all_.clear();
  const auto append = [&](const auto& entries) {
    for (const auto& entry : entries) {
      all_.insert(all_.end(), entry.lowered.begin(), entry.lowered.end());
    }
  };
  append(network_);
  append(cilium_);
  append(cluster_);
  return absl::OkStatus();
}

}  // namespace ciliumcore
