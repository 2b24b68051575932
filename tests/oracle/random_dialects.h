// SPDX-License-Identifier: Apache-2.0

// Random policies of Cilium and of the whole cluster, and what they speak of.
// Only HTTP asks for a proxy.

#ifndef CILIUMCORE_TESTS_ORACLE_RANDOM_DIALECTS_H_
#define CILIUMCORE_TESTS_ORACLE_RANDOM_DIALECTS_H_

#include <string>
#include <vector>

#include "ciliumcore/policy/policy_input.h"
#include "ciliumcore/policy/verdict_table.h"
#include "tests/oracle/random_source.h"

namespace ciliumcore::testing {

// A clusterwide one if `ns` is empty.
CiliumPolicy RandomCiliumPolicy(RandomSource& random, const std::string& ns,
                                const std::string& name);

// Of another kind and name than any of `others`.
ClusterPolicy RandomClusterPolicy(RandomSource& random,
                                  const std::vector<ClusterPolicy>& others);

// Whom policies refer to by name or label. The addresses may be anybody's.
std::vector<CidrGroup> RandomCidrGroups(RandomSource& random);
std::vector<PolicyService> RandomServices(RandomSource& random);
std::vector<ResolvedName> RandomNames(RandomSource& random);
Labels RandomNodeLabels(RandomSource& random);
LabelSelector RandomNodeSelector(RandomSource& random);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_RANDOM_DIALECTS_H_
