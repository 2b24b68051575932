// SPDX-License-Identifier: Apache-2.0

// Addresses as numbers of 128 bits, to count with: IPv4 is v4-mapped.

#ifndef CILIUMCORE_LIB_BASE_ADDRESS_NUMBER_INTERNAL_H_
#define CILIUMCORE_LIB_BASE_ADDRESS_NUMBER_INTERNAL_H_

#include <array>
#include <cstdint>

#include "absl/numeric/int128.h"
#include "ciliumcore/base/ip.h"

namespace ciliumcore::internal {

inline absl::uint128 NumberOf(const IpAddress& address) {
  absl::uint128 number = 0;
  for (const uint8_t byte : address.bytes()) number = number << 8 | byte;
  return number;
}

inline IpAddress AddressOf(absl::uint128 number) {
  std::array<uint8_t, 16> bytes;
  for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
    *byte = static_cast<uint8_t>(absl::Uint128Low64(number));
    number >>= 8;
  }
  return IpAddress::FromBytes(bytes);
}

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_BASE_ADDRESS_NUMBER_INTERNAL_H_
