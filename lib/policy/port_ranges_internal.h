// SPDX-License-Identifier: Apache-2.0

// Ports as rules name them, by number and by name.

#ifndef CILIUMCORE_LIB_POLICY_PORT_RANGES_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_PORT_RANGES_INTERNAL_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/policy/network_policy.h"
#include "ciliumcore/policy/verdict_table.h"

namespace ciliumcore {

constexpr PortKeyRange PortRange(Protocol protocol, uint16_t first,
                                 uint16_t last) {
  return {PortKey(protocol, first), PortKey(protocol, last)};
}

// Sorted, and joined where they meet.
void Normalize(std::vector<PortKeyRange>& ranges);

// A named port as a rule asks for it.
using PortName = std::pair<std::string, Protocol>;
using PortNames = absl::flat_hash_set<PortName>;

// The ports of `ports` with a name of `names`, ascending and without
// duplicates.
std::vector<NamedPort> PortsNamed(const std::vector<NamedPort>& ports,
                                  const PortNames& names);

// Adds what `port` means: numbers to `ranges`, a name to `names`. kAny is TCP,
// UDP and SCTP. A range that ends before it begins is none.
void AddPort(const PortRule& port, std::vector<PortKeyRange>& ranges,
             PortNames& names);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_PORT_RANGES_INTERNAL_H_
