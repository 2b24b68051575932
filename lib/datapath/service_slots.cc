// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/service_slots_internal.h"

#include <algorithm>
#include <numeric>

#include "ciliumcore/abi/convert.h"
#include "ciliumcore/abi/service.h"
#include "ciliumcore/service/maglev.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {
namespace {

// The same on every node, whatever its seed.
uint64_t MaglevKeyOf(const Backend& backend) {
  const cc_addr addr = abi::ToAddr(backend.address);
  const __be16 port = abi::ToBe16(backend.port);
  return uint64_t{cc_service_hash(&addr, port, 0, 1)} << 32 |
         cc_service_hash(&addr, port, 0, 2);
}

}  // namespace

absl::StatusOr<std::vector<uint16_t>> SlotsOf(
    absl::Span<const Backend> backends, Affinity affinity,
    absl::Span<const uint16_t> numbers) {
  std::vector<MaglevBackend> chosen;
  std::vector<uint16_t> number_of;
  uint64_t total = 0;
  uint32_t divisor = 0;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const Backend& backend = backends[i];
    if (backend.weight == 0) continue;
    chosen.push_back({.key = MaglevKeyOf(backend), .weight = backend.weight});
    number_of.push_back(numbers[i]);
    total += backend.weight;
    divisor = std::gcd(divisor, backend.weight);
  }
  if (chosen.size() < 2) return number_of;
  const uint32_t size = MaglevSizeFor(chosen);
  std::vector<uint16_t> slots;
  if (affinity == Affinity::kNone && total / divisor <= size) {
    for (size_t i = 0; i < chosen.size(); ++i) {
      slots.insert(slots.end(), chosen[i].weight / divisor, number_of[i]);
    }
    std::sort(slots.begin(), slots.end());
    return slots;
  }
  CC_ASSIGN_OR_RETURN(slots, BuildMaglev(chosen, size));
  for (uint16_t& slot : slots) slot = number_of[slot];
  return slots;
}

}  // namespace ciliumcore::internal
