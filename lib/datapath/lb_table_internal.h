// SPDX-License-Identifier: Apache-2.0

// Tables of a load balancer's services: whose each slot is, and which slots may
// have flows that are elsewhere.

#ifndef CILIUMCORE_LIB_DATAPATH_LB_TABLE_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_LB_TABLE_INTERNAL_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/lb.h"
#include "ciliumcore/datapath/load_balancer.h"

namespace ciliumcore::internal {

// InvalidArgument, naming the service and what is wrong with it.
absl::Status ValidateBalanced(const BalancedService& service,
                              const LoadBalancerOptions& options);

// Of each slot the number of its backend; `numbers` are those of
// service.backends, in their order. A function of the backends: wherever it is
// built, a slot has the same one. Empty if none of them takes new flows.
absl::StatusOr<std::vector<uint16_t>> LbSlotsOf(
    const BalancedService& service, absl::Span<const uint16_t> numbers);

// Sets CC_LB_SLOT_MOVES in `slots`, a table that takes the place of `before`,
// wherever a hash may have another backend by that one, or moved there too.
// Returns how many have it. O(slots of both).
uint32_t MarkMoves(absl::Span<const uint16_t> before,
                   absl::Span<uint16_t> slots);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_LB_TABLE_INTERNAL_H_
