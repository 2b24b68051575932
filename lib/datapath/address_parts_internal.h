// SPDX-License-Identifier: Apache-2.0

// All addresses at once: what the policy's prefixes and those of the maps say
// of each part of the address space.

#ifndef CILIUMCORE_LIB_DATAPATH_ADDRESS_PARTS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_ADDRESS_PARTS_INTERNAL_H_

#include <cstdint>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/types/span.h"
#include "ciliumcore/base/ip.h"
#include "lib/datapath/desired_internal.h"
#include "lib/datapath/live_verdicts_internal.h"

namespace ciliumcore::internal {

// Addresses from `first` to `last`, of which neither side's prefixes tell any
// two apart. IPv4 is v4-mapped.
struct AddressPart {
  absl::uint128 first = 0, last = 0;
  uint32_t wanted_peer = CC_IDENTITY_WORLD;
  int wanted_bits = 0;               // of the longest prefix that policy knows
  const LivePrefix* live = nullptr;  // null: none covers it

  // Both sides have the same prefix around it.
  bool is_of_one_prefix() const {
    return wanted_bits ==
           (live == nullptr ? 0 : static_cast<int>(live->key.bits));
  }
};

// Ascending, and together the whole space. O(n log n).
std::vector<AddressPart> PartsOf(absl::Span<const DesiredPrefix> wanted,
                                 absl::Span<const LivePrefix> live);

// The part that `address` is in.
const AddressPart& PartAt(absl::Span<const AddressPart> parts,
                          const IpAddress& address);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_ADDRESS_PARTS_INTERNAL_H_
