// SPDX-License-Identifier: Apache-2.0

// The hash of addresses: heads in cc_addrs, chains through cc_places.

#ifndef CILIUMCORE_LIB_DATAPATH_ADDRESS_INDEX_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_ADDRESS_INDEX_INTERNAL_H_

#include <cstdint>
#include <string>

#include "ciliumcore/abi/convert.h"
#include "ciliumcore/abi/identity.h"
#include "ciliumcore/base/ip.h"
#include "lib/datapath/chain_index_internal.h"

namespace ciliumcore::internal {

struct AddressChains {
  using Key = IpAddress;
  using Line = cc_addr_heads;
  using Entry = cc_place;
  static constexpr int kHeads = CC_ADDR_HEADS, kLongest = CC_ADDR_CHAIN;
  static constexpr char kMap[] = "cc_addrs";

  static __u32& Mask(cc_state& state) { return state.addr_mask; }
  static uint32_t Hash(const IpAddress& address, uint32_t seed) {
    const cc_addr key = abi::ToAddr(address);
    return cc_addr_hash(&key, seed);
  }
  static const __u32& Head(const cc_addr_heads& line, uint32_t index) {
    return line.place[index];
  }
  static IpAddress KeyOf(const cc_place& place) {
    return abi::FromAddr(place.addr);
  }
  static void SetKey(cc_place& place, const IpAddress& address) {
    place.addr = abi::ToAddr(address);
  }
  static std::string Text(const IpAddress& address) {
    return address.ToString();
  }
};
using AddressIndex = ChainIndex<AddressChains>;

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_ADDRESS_INDEX_INTERNAL_H_
