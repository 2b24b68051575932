// SPDX-License-Identifier: Apache-2.0

// What somebody means by the end of a flow, when asking about a cluster's
// manifests: an address, a pod or a workload.

#ifndef CILIUMCORE_POLICY_NAMED_END_H_
#define CILIUMCORE_POLICY_NAMED_END_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/compiled_cluster.h"

namespace ciliumcore {

// A pod with one of its addresses, or an address outside. A value.
struct NamedEnd {
  std::optional<uint32_t> pod;  // index in Cluster::pods
  std::string name;             // "shop/web-0", of a pod
  std::optional<IpAddress> address;
  Party party;

  // "shop/web-0" or "203.0.113.1".
  std::string Name() const;
  // "shop/web-0 (10.0.0.1)" or "203.0.113.1".
  std::string ToString() const;
};

// True if a flow may have these two ends: addresses of one family.
bool MayMeet(const NamedEnd& a, const NamedEnd& b);

// The ends that `text` may mean: the pod of an address, an address outside, a
// pod of that namespace/name, or else the pods of the workload of that name,
// each once for each of its addresses. NotFound if there is none, naming some
// that there are; InvalidArgument if `text` is neither. O(pods).
absl::StatusOr<std::vector<NamedEnd>> FindNamedEnds(
    const CompiledCluster& cluster, absl::string_view text);

// What policy counts as the port of a flow that is described as `port`: of ICMP
// and ICMPv6, "8/ICMP" is the type, with code 0. InvalidArgument if it is none.
absl::StatusOr<uint16_t> PolicyPortOf(const PortProtocol& port);

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_NAMED_END_H_
