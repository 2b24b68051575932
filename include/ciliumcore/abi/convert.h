// SPDX-License-Identifier: Apache-2.0

// Between the host's values and the bytes of the abi: the one place where byte
// order is changed.

#ifndef CILIUMCORE_ABI_CONVERT_H_
#define CILIUMCORE_ABI_CONVERT_H_

#include <linux/types.h>

#include <array>
#include <bit>
#include <cstdint>

#include "ciliumcore/abi/base.h"
#include "ciliumcore/base/ip.h"

namespace ciliumcore::abi {

constexpr __be16 ToBe16(uint16_t host) {
  return std::endian::native == std::endian::big ? host
                                                 : __builtin_bswap16(host);
}

constexpr uint16_t FromBe16(__be16 network) { return ToBe16(network); }

constexpr __be32 ToBe32(uint32_t host) {
  return std::endian::native == std::endian::big ? host
                                                 : __builtin_bswap32(host);
}

constexpr uint32_t FromBe32(__be32 network) { return ToBe32(network); }

// Both sides hold IPv4 v4-mapped and bytes in network order.
constexpr cc_addr ToAddr(const IpAddress& address) {
  return std::bit_cast<cc_addr>(address.bytes());
}

constexpr IpAddress FromAddr(const cc_addr& address) {
  return IpAddress::FromBytes(std::bit_cast<std::array<uint8_t, 16>>(address));
}

}  // namespace ciliumcore::abi

#endif  // CILIUMCORE_ABI_CONVERT_H_
