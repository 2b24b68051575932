// SPDX-License-Identifier: Apache-2.0

// Maglev lookup tables (Eisenbud et al., "Maglev: A Fast and Reliable Software
// Network Load Balancer", NSDI 2016, 3.4), with exact weights.

#ifndef CILIUMCORE_SERVICE_MAGLEV_H_
#define CILIUMCORE_SERVICE_MAGLEV_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ciliumcore {

struct MaglevBackend {
  // What the backend is, the same wherever a table is built: a hash of its
  // address, say. Two of one table differ.
  uint64_t key = 0;
  uint32_t weight = 1;  // 0: gets no slots
};

// The sizes that tables have: primes, each about twice the one before, so that
// a service seldom changes its size, which reshuffles it.
absl::Span<const uint32_t> MaglevSizes();

// The smallest size in which every backend's share of the slots is within 1 %
// of its share of the weights; the largest, 131,071, if none is: from 1,310
// equal backends on. 0 if no backend has a weight.
uint32_t MaglevSizeFor(absl::Span<const MaglevBackend> backends);

// A table: of each slot, the index of its backend. `size` is of MaglevSizes().
// A backend has as many slots as its weight gives it, rounded down or up. The
// same backends give the same table in any order (but for the indices), and a
// backend that comes or goes moves few slots of the others.
//
// InvalidArgument: `size` is no such size; no backend has a weight; more than
// 65,535 backends or more than slots; two of one key. O(size log size) at
// worst, with O(backends) memory beside the table.
absl::StatusOr<std::vector<uint16_t>> BuildMaglev(
    absl::Span<const MaglevBackend> backends, uint32_t size);

}  // namespace ciliumcore

#endif  // CILIUMCORE_SERVICE_MAGLEV_H_
