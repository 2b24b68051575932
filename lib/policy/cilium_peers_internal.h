// SPDX-License-Identifier: Apache-2.0

// Whom Cilium's selectors and entities mean.

#ifndef CILIUMCORE_LIB_POLICY_CILIUM_PEERS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_CILIUM_PEERS_INTERNAL_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/policy/lowered_policy_internal.h"

namespace ciliumcore {

// A selector in what it says of pods and of their namespaces: each of its terms
// speaks of one key, and a pod has none of those that its namespace has. Keys
// are as written.
struct CiliumSelectorParts {
  LabelSelector pods, namespaces;
  bool names_reserved = false;
  bool names_namespace = false;  // itself, not only by its labels
};
CiliumSelectorParts PartsOf(const LabelSelector& selector);

// A key without "k8s:" or "any:".
absl::string_view WithoutSource(absl::string_view key);

// The pods that an endpointSelector of a policy in `ns` (empty: clusterwide)
// selects as subjects.
PodTerm SubjectOf(const LabelSelector& selector, const std::string& ns);

// The peers of a rule of such a policy.
std::vector<PeerTerm> TermsOf(const CiliumPeers& peers, const std::string& ns,
                              const PolicyReferences& references);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_CILIUM_PEERS_INTERNAL_H_
