// SPDX-License-Identifier: Apache-2.0

// Whom Cilium's selectors and entities mean.

#ifndef CILIUMCORE_LIB_POLICY_CILIUM_PEERS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_CILIUM_PEERS_INTERNAL_H_

#include <string>
#include <vector>

#include "lib/policy/lowered_policy_internal.h"

namespace ciliumcore {

// The pods that an endpointSelector of a policy in `ns` (empty: clusterwide)
// selects as subjects.
PodTerm SubjectOf(const LabelSelector& selector, const std::string& ns);

// The peers of a rule of such a policy.
std::vector<PeerTerm> TermsOf(const CiliumPeers& peers, const std::string& ns,
                              const PolicyReferences& references);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_CILIUM_PEERS_INTERNAL_H_
