// SPDX-License-Identifier: Apache-2.0

// Longest-prefix matching over a sorted list of prefixes.

#ifndef CILIUMCORE_LIB_POLICY_COVERS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_COVERS_INTERNAL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ciliumcore/base/ip.h"

namespace ciliumcore {

inline constexpr uint32_t kNoCover = 0xffffffff;

// The index of the longest prefix around `address`, or kNoCover. `nodes` have
// the fields `prefix`, in ascending order, and `parent`, the index of the next
// shorter one around it or kNoCover. O(log size + depth).
template <typename Node>
uint32_t LongestMatch(const std::vector<Node>& nodes,
                      const IpAddress& address) {
  const auto after = [&nodes](const IpAddress& bound) {
    return std::upper_bound(nodes.begin(), nodes.end(), bound,
                            [](const IpAddress& value, const Node& node) {
                              return value < node.prefix.address();
                            });
  };
  auto end = after(address);
  // The IPv4 prefixes lie together amid those of IPv6, which they are not in.
  if (!address.is_v4() && end != nodes.begin() && (end - 1)->prefix.is_v4()) {
    end = std::partition_point(nodes.begin(), end, [](const Node& node) {
      return node.prefix.address() < IpAddress::FromV4(0);
    });
  }
  if (end == nodes.begin()) return kNoCover;
  uint32_t found = static_cast<uint32_t>(end - nodes.begin()) - 1;
  while (found != kNoCover && !nodes[found].prefix.Contains(address)) {
    found = nodes[found].parent;
  }
  return found;
}

// The prefixes that policies name. The *cover* of an address is the longest of
// them around it: two addresses of one cover are in the same ipBlocks.
class Covers {
 public:
  struct Node {
    IpPrefix prefix;
    uint32_t parent = kNoCover;
  };

  // Duplicates are welcome.
  explicit Covers(std::vector<IpPrefix> prefixes);

  const std::vector<Node>& nodes() const { return nodes_; }
  size_t size() const { return nodes_.size(); }

  uint32_t Of(const IpAddress& address) const {
    return LongestMatch(nodes_, address);
  }

  static bool IsInside(const IpPrefix& prefix, const IpPrefix& cidr,
                       const std::vector<IpPrefix>& except);

  // The covers inside `cidr` and inside none of `except`, ascending.
  std::vector<uint32_t> Inside(const IpPrefix& cidr,
                               const std::vector<IpPrefix>& except) const;

 private:
  std::vector<Node> nodes_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_COVERS_INTERNAL_H_
