// SPDX-License-Identifier: Apache-2.0

// The hash of addresses that the programs read: heads in cc_addrs, chains
// through cc_places.

#ifndef CILIUMCORE_LIB_DATAPATH_ADDRESS_INDEX_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_ADDRESS_INDEX_INTERNAL_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/identity.h"
#include "ciliumcore/abi/state.h"

namespace ciliumcore::internal {

// Lines of cc_addrs for that many addresses: at least two heads for each, so
// that chains are short. That one of a million reaches its bound
// (CC_ADDR_CHAIN) has a probability below 1e-13: chains of random hashes are as
// long as Poisson variables of mean 1/2.
uint32_t AddressLines(uint32_t addresses);

// For how many addresses so many lines are.
constexpr size_t AddressesOf(size_t lines) { return lines * CC_ADDR_HEADS / 2; }

// The place of `address`, 0 if it has none.
uint32_t FindPlace(const cc_state& state, absl::Span<const cc_addr_heads> heads,
                   absl::Span<const cc_place> places, const cc_addr& address);

// Writes the hash under the eyes of packets. Views of maps, which outlive it.
// Not thread-safe.
class AddressIndex {
 public:
  // `state` has the seed. The number of `heads` is a power of two.
  AddressIndex(cc_state* state, absl::Span<cc_addr_heads> heads,
               absl::Span<cc_place> places);

  // Makes places[place], written but for its address and next, that of
  // `address`, which has none. ResourceExhausted if its chain is full.
  absl::Status Link(const cc_addr& address, uint32_t place);

  // Takes a linked place out. Packets may be on it until a grace period is
  // over.
  void Unlink(uint32_t place);

 private:
  uint32_t& HeadOf(const cc_addr& address);

  const cc_state* state_;
  absl::Span<cc_addr_heads> heads_;
  absl::Span<cc_place> places_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_ADDRESS_INDEX_INTERNAL_H_
