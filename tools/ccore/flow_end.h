// SPDX-License-Identifier: Apache-2.0

// What the user means by the end of a flow.

#ifndef CILIUMCORE_TOOLS_CCORE_FLOW_END_H_
#define CILIUMCORE_TOOLS_CCORE_FLOW_END_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/policy/compiled_cluster.h"

namespace ciliumcore::ccore {

// A pod with one of its addresses, or an address outside.
struct FlowEnd {
  std::optional<uint32_t> pod;  // index in Cluster::pods
  std::string name;             // "shop/web-0", of a pod
  std::optional<IpAddress> address;
  Party party;

  // "shop/web-0" or "203.0.113.1".
  std::string Name() const;
  // "shop/web-0 (10.0.0.1)" or "203.0.113.1".
  std::string Text() const;
};

// True if a flow may have these two ends: addresses of one family.
bool Meet(const FlowEnd& a, const FlowEnd& b);

// The ends that `text` may mean: the pod of an address, an address outside, a
// pod of that namespace/name, or else the pods of the workload of that name.
// NotFound if there is none; InvalidArgument if `text` is neither.
absl::StatusOr<std::vector<FlowEnd>> FindFlowEnds(
    const CompiledCluster& cluster, absl::string_view text);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_FLOW_END_H_
