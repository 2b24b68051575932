// SPDX-License-Identifier: Apache-2.0

// Neighbours of an address within its family.

#ifndef CILIUMCORE_LIB_POLICY_ADDRESS_ARITHMETIC_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_ADDRESS_ARITHMETIC_INTERNAL_H_

#include <optional>

#include "absl/numeric/int128.h"
#include "ciliumcore/base/ip.h"
#include "lib/base/address_number_internal.h"

namespace ciliumcore {

// `address` + 1 within its family, where the IPv6 addresses do without those
// that are IPv4. Nothing behind the last.
inline std::optional<IpAddress> Successor(const IpAddress& address) {
  const IpAddress last_v4 = IpAddress::FromV4(0xffffffff);
  const absl::uint128 number = internal::NumberOf(address);
  if (address == last_v4 || number == ~absl::uint128(0)) return std::nullopt;
  const IpAddress next = internal::AddressOf(number + 1);
  return next.is_v4() == address.is_v4()
             ? next
             : internal::AddressOf(internal::NumberOf(last_v4) + 1);
}

// `address` - 1, likewise. Nothing before the first.
inline std::optional<IpAddress> Predecessor(const IpAddress& address) {
  const IpAddress first_v4 = IpAddress::FromV4(0);
  const absl::uint128 number = internal::NumberOf(address);
  if (address == first_v4 || number == 0) return std::nullopt;
  const IpAddress before = internal::AddressOf(number - 1);
  return before.is_v4() == address.is_v4()
             ? before
             : internal::AddressOf(internal::NumberOf(first_v4) - 1);
}

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_ADDRESS_ARITHMETIC_INTERNAL_H_
