// SPDX-License-Identifier: Apache-2.0

// Policies under which Cilium's maps filled up on somebody.

#ifndef CILIUMCORE_BENCHMARKS_POLICY_SHAPES_H_
#define CILIUMCORE_BENCHMARKS_POLICY_SHAPES_H_

#include <cstdint>

#include "ciliumcore/policy/policy_input.h"

namespace ciliumcore::bench {

// cilium#27866: services in 20 namespaces, each an identity, of which 110 pods
// are here, as many as a node has by default. *Open*: one clusterwide policy
// lets all of the cluster talk on four ports; of 20,000 services that is more
// than the 65,536 entries that a map of Cilium may have. *Closed*: a policy of
// each namespace lets its pods talk to each other, on these ports.
PolicyInput OpenServices(uint32_t services);
PolicyInput ClosedServices(uint32_t services);

// cilium#41121: ten pods may reach each of `blocks` prefixes on one port, and
// all addresses around them on `ports` others, so that each prefix has an entry
// for each port.
PolicyInput NestedBlocks(uint32_t blocks, uint32_t ports);

}  // namespace ciliumcore::bench

#endif  // CILIUMCORE_BENCHMARKS_POLICY_SHAPES_H_
