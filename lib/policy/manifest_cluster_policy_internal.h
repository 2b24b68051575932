// SPDX-License-Identifier: Apache-2.0

// What the readers of the cluster's policies share.

#ifndef CILIUMCORE_LIB_POLICY_MANIFEST_CLUSTER_POLICY_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_MANIFEST_CLUSTER_POLICY_INTERNAL_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "ciliumcore/policy/cluster_policy.h"
#include "lib/policy/manifest_field_internal.h"

namespace ciliumcore::internal {

// What a version of the API, or a kind of it, has.
struct ClusterPolicyApi {
  ClusterPolicy::Kind kind = ClusterPolicy::Kind::kClusterNetworkPolicy;
  // Rules in a direction, peers in a rule, ports in a rule.
  size_t most = 0;
  absl::string_view ports;   // the field's name
  absl::string_view accept;  // the action's name
  // Whether a namespaceSelector may be missing.
  bool has_default_namespaces = false;
};

// A map's only field, by its name, of which `names` are all there are. A
// problem, and nothing, if there is none or another one.
std::optional<absl::string_view> ReadUnion(
    const Field& field, absl::Span<const absl::string_view> names);

// The pods that `namespaces` or `pods` of `field` selects; whichever is there.
NamespacedPods ReadPods(const Field& field, const ClusterPolicyApi& api);

// The elements of a rule's `from`, or `to`.
ClusterPeer ReadIngressPeer(const Field& field, const ClusterPolicyApi& api);
ClusterPeer ReadEgressPeer(const Field& field, const ClusterPolicyApi& api);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_POLICY_MANIFEST_CLUSTER_POLICY_INTERNAL_H_
