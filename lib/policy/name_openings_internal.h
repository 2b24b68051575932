// SPDX-License-Identifier: Apache-2.0

// What a change of policy opens by domain names, whatever they stand for.

#ifndef CILIUMCORE_LIB_POLICY_NAME_OPENINGS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_NAME_OPENINGS_INTERNAL_H_

#include <vector>

#include "ciliumcore/policy/compiled_cluster.h"
#include "ciliumcore/policy/diff.h"

namespace ciliumcore {

// Diff without names.
PolicyDiff DiffWithoutNames(const CompiledCluster& before,
                            const CompiledCluster& after);

// PolicyDiff::opened_by_names. Nobody knows what the names stand for, so each
// is given an address among those of every kind that the policies tell apart,
// as far as there are any; then both sides are compiled and compared. Free if
// no policy of `after` has names, else two compilations.
std::vector<PolicyDiff::NameOpening> NameOpenings(const CompiledCluster& before,
                                                  const CompiledCluster& after);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_NAME_OPENINGS_INTERNAL_H_
