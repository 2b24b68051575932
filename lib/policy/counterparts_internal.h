// SPDX-License-Identifier: Apache-2.0

// Who is who on the two sides of a comparison: workloads, pods and addresses.

#ifndef CILIUMCORE_LIB_POLICY_COUNTERPARTS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_COUNTERPARTS_INTERNAL_H_

#include <compare>
#include <cstdint>
#include <vector>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "ciliumcore/policy/diff.h"

namespace ciliumcore {

// Indices of something on both sides.
struct Counterparts {
  static constexpr uint32_t kNone = 0xffffffff;  // not there

  uint32_t before = kNone;
  uint32_t after = kNone;

  friend auto operator<=>(const Counterparts&, const Counterparts&) = default;
};

struct WorkloadCounterparts {
  PolicyDiff::ComparedWorkload workload;
  std::vector<Counterparts> pods;  // indices in Cluster::pods
};

// The workloads of both sides, ascending, with their pods: one entry for each
// that is before, in that order, and for each of after that is nobody's
// counterpart there. Only where there are more of a workload on one side is a
// pod the counterpart of several. Adds pods of one side's name to `lone`.
std::vector<WorkloadCounterparts> MatchWorkloads(
    const CompiledCluster& before, const CompiledCluster& after,
    std::vector<PolicyDiff::LonePod>& lone);

// The ways to meet a pod: every address of each side with its counterpart on
// the other, which is that of several only where there are more of its family
// on one side. A pod without address has one way, numbered 0.
std::vector<Counterparts> MatchAddresses(const std::vector<IpAddress>& before,
                                         const std::vector<IpAddress>& after);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_COUNTERPARTS_INTERNAL_H_
