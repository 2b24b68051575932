// SPDX-License-Identifier: Apache-2.0

// Labels that could change what policies say of a flow.

#ifndef CILIUMCORE_LIB_POLICY_LABEL_EDITS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_LABEL_EDITS_INTERNAL_H_

#include <vector>

#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/policy/named_end.h"
#include "ciliumcore/policy/policy_edit.h"
#include "lib/policy/rule_conditions_internal.h"

namespace ciliumcore {

// Policies that isolate their subjects in a direction, and are in the namespace
// of the flow's end there.
std::vector<const NetworkPolicy*> PoliciesNear(const Cluster& cluster,
                                               Direction direction,
                                               const FlowView& flow);

// Every single label that an end's workload or namespace could be given, of the
// keys that it has not and that selectors ask for: those of PoliciesNear, of
// Cilium's policies that may select an end, and of policies of the cluster.
// Each value that they name, and one that they do not, where they ask for the
// key alone. What Cilium derives, or a controller gives, is not among them. No
// two are equal.
std::vector<PolicyEdit> LabelEdits(const Cluster& cluster,
                                   const NamedEnd& source,
                                   const NamedEnd& destination,
                                   const FlowView& flow);

// `flow` between `source` and `destination` with the label. O(labels).
void AddLabel(const Cluster& cluster, const PolicyEdit& label,
              const NamedEnd& source, const NamedEnd& destination,
              FlowView& flow);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_LABEL_EDITS_INTERNAL_H_
