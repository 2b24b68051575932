// SPDX-License-Identifier: Apache-2.0

// What tells policies of one dialect apart, and is their order.

#ifndef CILIUMCORE_LIB_POLICY_POLICY_NAMES_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_POLICY_NAMES_INTERNAL_H_

#include <algorithm>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/policy_input.h"

namespace ciliumcore {

inline auto NameKeyOf(const NetworkPolicy& policy) {
  return std::tie(policy.ns, policy.name);
}
inline auto NameKeyOf(const CiliumPolicy& policy) {
  return std::tie(policy.ns, policy.name);
}
inline auto NameKeyOf(const ClusterPolicy& policy) {
  return std::tie(policy.name, policy.kind);
}
inline auto NameKeyOf(const CidrGroup& group) { return std::tie(group.name); }

template <typename Policy>
bool NamedBefore(const Policy& a, const Policy& b) {
  return NameKeyOf(a) < NameKeyOf(b);
}

// The NetworkPolicy that `ref` (PolicyRef, RuleRef) names; null if there is
// none.
template <typename NetworkPolicies, typename Ref>
auto FindNetworkPolicy(NetworkPolicies& policies, const Ref& ref) {
  const auto at = std::find_if(
      policies.begin(), policies.end(), [&ref](const NetworkPolicy& policy) {
        return ref.kind == "NetworkPolicy" &&
               NameKeyOf(policy) == std::tie(ref.ns, ref.name);
      });
  return at == policies.end() ? nullptr : &*at;
}

inline std::string FullName(const NetworkPolicy& policy) {
  return absl::StrCat("NetworkPolicy ", policy.ns, "/", policy.name);
}
inline std::string FullName(const CiliumPolicy& policy) {
  return policy.ToString();
}
inline std::string FullName(const ClusterPolicy& policy) {
  return policy.ToString();
}
inline std::string FullName(const CidrGroup& group) {
  return absl::StrCat("CiliumCIDRGroup ", group.name);
}

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_POLICY_NAMES_INTERNAL_H_
