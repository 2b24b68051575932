// SPDX-License-Identifier: Apache-2.0

// Peer numbers: what the datapath knows the other end of a flow by. A peer
// number is the identity until two addresses of one identity must be told
// apart: by a prefix that covers one of them, by a port name that means another
// number, or by the labels of their nodes.

#ifndef CILIUMCORE_POLICY_PEER_H_
#define CILIUMCORE_POLICY_PEER_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/identity/label.h"
#include "ciliumcore/identity/reserved.h"
#include "ciliumcore/policy/cluster.h"

namespace ciliumcore {

// Numbers that no identity has, nor may have: those of world addresses that an
// ipBlock names, and those of split peers.
inline constexpr uint32_t kFirstCidrPeer = 0x20000000;
inline constexpr uint32_t kLastCidrPeer = 0x3fffffff;
inline constexpr uint32_t kFirstSplitPeer = 0x40000000;
inline constexpr uint32_t kLastSplitPeer = 0x7fffffff;

// Everything that policy can know of the other end of a flow.
struct PeerVariety {
  Identity identity = Identity::kWorld;

  // The ports of the endpoint that some egress rule names, ascending.
  std::vector<NamedPort> ports;

  // The longest prefix around the address that any policy names.
  std::optional<IpPrefix> cover;

  // Of a node, where a policy selects nodes by their labels.
  Labels labels = {};

  // Then the number is the identity.
  bool is_plain() const {
    return ports.empty() && !cover.has_value() && labels.empty();
  }

  // "4711", "world in 10.0.0.0/8", "4711 in 10.0.0.0/8 with http=8080/TCP".
  std::string ToString() const;

  friend bool operator==(const PeerVariety&, const PeerVariety&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const PeerVariety& variety) {
    return H::combine(std::move(h), variety.identity, variety.ports,
                      variety.cover.has_value(),
                      variety.cover.value_or(IpPrefix()), variety.labels);
  }
};

// A variety with its number. While one of its references lives, the number
// means this variety.
struct Peer {
  uint32_t number = 0;
  PeerVariety variety;
};
using PeerRef = std::shared_ptr<const Peer>;

// Numbers the varieties of peers. A number lives as long as its references (a
// CompiledPolicy holds those of its peers) and is given again as late as
// possible.
//
// Thread-safe. References may outlive the registry.
class PeerRegistry {
 public:
  PeerRegistry();

  // The number of `variety`: its identity if it is plain, else its own from the
  // CIDR scope (world) or above every identity. ResourceExhausted if none is
  // left.
  absl::StatusOr<PeerRef> Intern(PeerVariety variety);

  // Gives `variety` the number it had in an earlier process. AlreadyExists if
  // it or the number has another partner; InvalidArgument if the number is not
  // one for such a variety.
  absl::StatusOr<PeerRef> Restore(uint32_t number, PeerVariety variety);

  // Varieties, other than plain ones, that have a number.
  size_t size() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_PEER_H_
