// SPDX-License-Identifier: Apache-2.0

// Clusters and the oracle's input, one from the other.

#ifndef CILIUMCORE_TESTS_ORACLE_ORACLE_CLUSTER_H_
#define CILIUMCORE_TESTS_ORACLE_ORACLE_CLUSTER_H_

#include <string>
#include <vector>

#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/policy/compiler.h"

namespace ciliumcore::testing {

// Endpoint i is a pod called `names[i]`, each a workload of its own; the
// addresses of the host are pods in its network, "x/node-0" and so on. Policies
// of every dialect, but nothing that they refer to besides pods.
Cluster ClusterOf(const PolicyInput& input,
                  const std::vector<std::string>& names);

// What the oracle judges NetworkPolicies by: endpoint i is pod i, without
// identity. To be made once for all questions about a cluster.
PolicyInput OracleInputOf(Cluster cluster);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_ORACLE_CLUSTER_H_
