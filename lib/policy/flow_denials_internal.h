// SPDX-License-Identifier: Apache-2.0

// How the two ends of a flow judge it, and would with other labels.

#ifndef CILIUMCORE_LIB_POLICY_FLOW_DENIALS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_FLOW_DENIALS_INTERNAL_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "ciliumcore/policy/named_end.h"
#include "ciliumcore/policy/policy_edit.h"
#include "ciliumcore/policy/why_not.h"

namespace ciliumcore {

// Judges a flow between two ends, which may be of another compilation of the
// same pods. `port` is one that PolicyPortOf takes.
PairDecision DecideFlow(const CompiledCluster& cluster, const NamedEnd& source,
                        const NamedEnd& destination, const PortProtocol& port);

// The ends that leave it to a proxy, egress first.
std::vector<ProxiedSide> ProxiedSidesOf(const CompiledPolicy& policy,
                                        const PairDecision& decision);

// How an end judges a flow.
enum class Denial : uint8_t {
  kUnknown,  // what NetworkPolicies say is all
  kNone,
  kByDefault,
  kByRules,  // and none of a NetworkPolicy changes that
};

struct Denials {
  Denial egress = Denial::kUnknown;
  Denial ingress = Denial::kUnknown;

  friend bool operator==(const Denials&, const Denials&) = default;
};
Denials DenialsOf(const CompiledPolicy& policy, const PairDecision& decision);

// Judges one flow of a cluster again and again with other labels. What becomes
// of it depends on its ends and on policies that may select them: no other pods
// are compiled than these and those in the host's network, which may have the
// address of an end. Thread-compatible.
class RelabelledFlow {
 public:
  // `port` as of DecideFlow. One copy of the cluster.
  RelabelledFlow(const Cluster& cluster, const NamedEnd& source,
                 const NamedEnd& destination, const PortProtocol& port);

  // None if the labels cannot be given. Another copy, and a compilation, of
  // those pods and policies.
  std::optional<Denials> DenialsWith(
      const std::vector<PolicyEdit>& labels) const;

 private:
  Cluster ends_;
  NamedEnd source_;
  NamedEnd destination_;
  const PortProtocol port_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_FLOW_DENIALS_INTERNAL_H_
