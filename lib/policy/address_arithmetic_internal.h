// SPDX-License-Identifier: Apache-2.0

// Neighbours of an address within its family.

#ifndef CILIUMCORE_LIB_POLICY_ADDRESS_ARITHMETIC_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_ADDRESS_ARITHMETIC_INTERNAL_H_

#include <array>
#include <cstdint>
#include <optional>

#include "ciliumcore/base/ip.h"

namespace ciliumcore {

// `address` + 1 within its family, where the IPv6 addresses do without those
// that are IPv4. Nothing behind the last.
inline std::optional<IpAddress> Successor(const IpAddress& address) {
  if (address == IpAddress::FromV4(0xffffffff)) return std::nullopt;
  std::array<uint8_t, 16> bytes = address.bytes();
  int i = 15;
  while (i >= 0 && ++bytes[i] == 0) --i;
  if (i < 0) return std::nullopt;
  const IpAddress next = IpAddress::FromBytes(bytes);
  if (!address.is_v4() && next.is_v4()) {
    bytes = {};
    bytes[9] = 1;
    return IpAddress::FromBytes(bytes);
  }
  return next;
}

// `address` - 1, likewise. Nothing before the first.
inline std::optional<IpAddress> Predecessor(const IpAddress& address) {
  if (address == IpAddress::FromV4(0)) return std::nullopt;
  std::array<uint8_t, 16> bytes = address.bytes();
  int i = 15;
  while (i >= 0 && bytes[i]-- == 0) --i;
  if (i < 0) return std::nullopt;
  const IpAddress before = IpAddress::FromBytes(bytes);
  if (!address.is_v4() && before.is_v4()) {
    bytes = IpAddress::FromV4(0xffffffff).bytes();
    bytes[11] = 0xfe;
    return IpAddress::FromBytes(bytes);
  }
  return before;
}

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_ADDRESS_ARITHMETIC_INTERNAL_H_
