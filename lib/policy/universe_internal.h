// SPDX-License-Identifier: Apache-2.0

// Who there is: the endpoints grouped by identity, and every peer that policy
// may have to tell apart.

#ifndef CILIUMCORE_LIB_POLICY_UNIVERSE_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_UNIVERSE_INTERNAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/peer.h"
#include "lib/policy/covers_internal.h"
#include "lib/policy/label_index_internal.h"

namespace ciliumcore {

inline constexpr uint32_t kNoGroup = 0xffffffff;

// A named port as a rule asks for it.
using PortName = std::pair<std::string, Protocol>;
using PortNames = absl::flat_hash_set<PortName>;

// The ports of `ports` with a name of `names`, ascending and without
// duplicates.
std::vector<NamedPort> PortsNamed(const std::vector<NamedPort>& ports,
                                  const PortNames& names);

struct Universe {
  explicit Universe(std::vector<IpPrefix> prefixes)
      : covers(std::move(prefixes)) {}

  Covers covers;
  LabelIndex groups;           // one for each identity
  std::vector<PeerRef> peers;  // the index in here is what "peer" is below
  std::vector<std::vector<uint32_t>> peers_of_group;
  std::vector<std::vector<uint32_t>> peers_of_cover;
  std::vector<uint32_t> group_of_endpoint;
  std::shared_ptr<const PeerMap> peer_map;  // the same by number
};

// What of the policies a universe depends on.
struct UniverseNeeds {
  // Ascending, no two equal: of every ipBlock that counts.
  std::vector<IpPrefix> prefixes;
  PortNames names;  // for which egress rules ask a peer

  void Add(const NetworkPolicy& policy);
  void Add(const UniverseNeeds& other);

  friend bool operator==(const UniverseNeeds&, const UniverseNeeds&) = default;
};
// `needs`: of the input's policies. `input` must outlive the result.
absl::StatusOr<Universe> MakeUniverse(const PolicyInput& input,
                                      const UniverseNeeds& needs,
                                      PeerRegistry& registry);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_UNIVERSE_INTERNAL_H_
