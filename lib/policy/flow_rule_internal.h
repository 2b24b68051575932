// SPDX-License-Identifier: Apache-2.0

// The parts of a rule that allows one flow, and little beside it.

#ifndef CILIUMCORE_LIB_POLICY_FLOW_RULE_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_FLOW_RULE_INTERNAL_H_

#include <string>
#include <vector>

#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/policy/network_policy.h"
#include "lib/policy/rule_conditions_internal.h"

namespace ciliumcore {

// The ports of a rule that allows `port`; none where no port says it.
std::vector<PortRule> PortsFor(const PortProtocol& port);

// The peer of a rule in namespace `ns` that means `peer`: an address outside,
// or a pod of `cluster` by those of its labels that tell its workload from
// others of its namespace. What its controller gives it (IsGivenByController)
// is not among them, unless it has nothing else. O(pods x labels).
PeerRule PeerFor(const EndView& peer, const std::string& ns,
                 const Cluster& cluster);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_FLOW_RULE_INTERNAL_H_
