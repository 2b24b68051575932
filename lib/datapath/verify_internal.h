// SPDX-License-Identifier: Apache-2.0

// Reads maps and compares them with what a planner has in force.

#ifndef CILIUMCORE_LIB_DATAPATH_VERIFY_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_VERIFY_INTERNAL_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ciliumcore/datapath/verify.h"
#include "lib/datapath/intent_internal.h"
#include "lib/datapath/live_maps_internal.h"
#include "lib/datapath/planner_internal.h"
#include "lib/datapath/verdict_comparison_internal.h"

namespace ciliumcore::internal {

// The numbers of all peers of a state, ascending.
std::vector<uint32_t> PeersOf(const DesiredState& state);

// The numbers in `wanted` are the planner's. Unavailable as ReadLiveVerdicts.
absl::StatusOr<VerifyReport> VerifyMaps(const LiveMaps& maps,
                                        const WantedVerdicts& wanted,
                                        const Planner& planner);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_VERIFY_INTERNAL_H_
