// SPDX-License-Identifier: Apache-2.0

// The addresses outside, in ranges that prefixes of policies tell apart.

#ifndef CILIUMCORE_LIB_POLICY_OUTSIDE_RANGES_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_OUTSIDE_RANGES_INTERNAL_H_

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/matrix.h"

namespace ciliumcore {

enum class Family : uint8_t { kIpv4, kIpv6, kEither };

inline bool Meet(Family a, Family b) {
  return a == b || a == Family::kEither || b == Family::kEither;
}

inline Family FamilyOf(const IpAddress& address) {
  return address.is_v4() ? Family::kIpv4 : Family::kIpv6;
}

// Every address of a family, in ranges that no prefix of any of `maps` cuts;
// ascending.
std::vector<AddressRange> OutsideRanges(
    std::initializer_list<const PeerMap*> maps, bool is_v4);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_OUTSIDE_RANGES_INTERNAL_H_
