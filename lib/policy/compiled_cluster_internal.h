// SPDX-License-Identifier: Apache-2.0

// Manifests compiled as if more were known of them.

#ifndef CILIUMCORE_LIB_POLICY_COMPILED_CLUSTER_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_COMPILED_CLUSTER_INTERNAL_H_

#include <vector>

#include "absl/status/statusor.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "ciliumcore/policy/policy_input.h"

namespace ciliumcore {

// `cluster` again, where names stand for these addresses. As CompileCluster.
absl::StatusOr<CompiledCluster> CompileWithNames(
    const CompiledCluster& cluster, std::vector<ResolvedName> names);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_COMPILED_CLUSTER_INTERNAL_H_
