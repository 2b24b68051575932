// SPDX-License-Identifier: Apache-2.0

// The slots from which a service's clients choose.

#ifndef CILIUMCORE_LIB_DATAPATH_SERVICE_SLOTS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_SERVICE_SLOTS_INTERNAL_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/service/service.h"

namespace ciliumcore::internal {

// Of each slot the number of its backend; `numbers` are those of `backends`, in
// their order. The same for the same backends and numbers,
// in any order.
//
// Whoever remembers no client chooses at random: the weights, divided by what
// divides them all, in ascending order of the numbers, so that shares are
// exact. A client that is to be remembered has a slot of its own, as has
// everybody if a Maglev table is smaller: the table, where one change moves
// few. One backend has one slot; no weight, none.
absl::StatusOr<std::vector<uint16_t>> SlotsOf(
    absl::Span<const Backend> backends, Affinity affinity,
    absl::Span<const uint16_t> numbers);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_SERVICE_SLOTS_INTERNAL_H_
