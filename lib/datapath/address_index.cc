// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/address_index_internal.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/maps/mapped_array.h"

namespace ciliumcore::internal {
namespace {

const uint32_t& HeadIn(const cc_state& state,
                       absl::Span<const cc_addr_heads> heads,
                       const cc_addr& address) {
  const uint32_t hash = cc_addr_hash(&address, state.addr_seed);
  return heads[hash / CC_ADDR_HEADS & state.addr_mask]
      .place[hash % CC_ADDR_HEADS];
}

}  // namespace

uint32_t AddressLines(uint32_t addresses) {
  return std::bit_ceil(
      std::max<uint32_t>(1, (addresses + AddressesOf(1) - 1) / AddressesOf(1)));
}

uint32_t FindPlace(const cc_state& state, absl::Span<const cc_addr_heads> heads,
                   absl::Span<const cc_place> places, const cc_addr& address) {
  uint32_t at = HeadIn(state, heads, address);
  while (at != 0 &&
         std::memcmp(&places[at].addr, &address, sizeof(address)) != 0) {
    at = places[at].next;
  }
  return at;
}

AddressIndex::AddressIndex(cc_state* state, absl::Span<cc_addr_heads> heads,
                           absl::Span<cc_place> places)
    : state_(state), heads_(heads), places_(places) {
  state->addr_mask = static_cast<uint32_t>(heads.size() - 1);
}

uint32_t& AddressIndex::HeadOf(const cc_addr& address) {
  return const_cast<uint32_t&>(HeadIn(*state_, heads_, address));
}

absl::Status AddressIndex::Link(const cc_addr& address, uint32_t place) {
  uint32_t& head = HeadOf(address);
  int length = 1;
  for (uint32_t at = head; at != 0; at = places_[at].next) ++length;
  if (length > CC_ADDR_CHAIN) {
    return absl::ResourceExhaustedError(absl::StrCat(
        abi::FromAddr(address).ToString(), ": its chain in cc_addrs is full: ",
        CC_ADDR_CHAIN, " addresses of one hash"));
  }
  places_[place].addr = address;
  places_[place].next = head;
  StoreRelease(&head, place);
  return absl::OkStatus();
}

void AddressIndex::Unlink(uint32_t place) {
  uint32_t* link = &HeadOf(places_[place].addr);
  while (*link != place) link = &places_[*link].next;
  StoreRelease(link, uint32_t{places_[place].next});
}

}  // namespace ciliumcore::internal
