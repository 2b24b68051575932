// SPDX-License-Identifier: Apache-2.0

// Who there is: the endpoints grouped by identity, and every peer that policy
// may have to tell apart.

#ifndef CILIUMCORE_LIB_POLICY_UNIVERSE_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_UNIVERSE_INTERNAL_H_

#include <cstdint>
#include <deque>
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
#include "lib/policy/lowered_policy_internal.h"

namespace ciliumcore {

inline constexpr uint32_t kNoGroup = 0xffffffff;

struct Universe {
  explicit Universe(std::vector<IpPrefix> prefixes)
      : covers(std::move(prefixes)) {}

  Covers covers;
  LabelIndex groups;           // one for each identity
  std::deque<Labels> made_up;  // of groups whose endpoints have more labels
  std::vector<PeerRef> peers;  // the index in here is what "peer" is below
  std::vector<bool> is_pod;    // by peer: it is of a group
  std::vector<std::vector<uint32_t>> peers_of_group;
  std::vector<std::vector<uint32_t>> peers_of_cover;
  std::vector<uint32_t> group_of_endpoint;
  // Nodes whose labels matter, and the peers that they are.
  struct Node {
    const Labels* labels = nullptr;
    std::vector<uint32_t> peers;
  };
  std::vector<Node> nodes;
  std::shared_ptr<const PeerMap> peer_map;  // the same by number
};

// `needs`: of the input's policies. `input` must outlive the result.
absl::StatusOr<Universe> MakeUniverse(const PolicyInput& input,
                                      const UniverseNeeds& needs,
                                      PeerRegistry& registry);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_UNIVERSE_INTERNAL_H_
