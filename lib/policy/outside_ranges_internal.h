// SPDX-License-Identifier: Apache-2.0

// The addresses outside pods, in ranges that policies cannot tell apart.

#ifndef CILIUMCORE_LIB_POLICY_OUTSIDE_RANGES_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_OUTSIDE_RANGES_INTERNAL_H_

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/policy/compiled_cluster.h"
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

struct OutsidePart {
  AddressRange range;
  // One address, of somebody that a policy knows by it and who is no pod: a
  // node, an API server, what a name stands for.
  bool is_known = false;
};

// Every address of a family, in ranges that no prefix of any of `clusters` cuts
// and in which no address is known to one of them; ascending. A pod's address,
// also where it is its node's, is in them as any other: the pod is told by
// itself.
std::vector<OutsidePart> OutsideParts(
    std::initializer_list<const CompiledCluster*> clusters, bool is_v4);

// The number that the addresses of a part have: of a cluster that the parts are
// of.
uint32_t PeerOf(const OutsidePart& part, const CompiledPolicy& policy);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_OUTSIDE_RANGES_INTERNAL_H_
