// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <utility>
#include <vector>

#include "lib/policy/covers_internal.h"
#include "lib/policy/sorted_internal.h"

namespace ciliumcore {

Covers::Covers(std::vector<IpPrefix> prefixes) {
  SortUnique(prefixes);
  nodes_.reserve(prefixes.size());
  // The innermost prefix so far of each family; its parents are around it.
  uint32_t innermost[2] = {kNoCover, kNoCover};
  for (const IpPrefix& prefix : prefixes) {
    uint32_t& around = innermost[prefix.is_v4()];
    while (around != kNoCover && !nodes_[around].prefix.Contains(prefix)) {
      around = nodes_[around].parent;
    }
    nodes_.push_back({prefix, around});
    around = static_cast<uint32_t>(nodes_.size()) - 1;
  }
}

bool Covers::IsInside(const IpPrefix& prefix, const IpPrefix& cidr,
                      const std::vector<IpPrefix>& except) {
  return cidr.Contains(prefix) && std::none_of(except.begin(), except.end(),
                                               [&prefix](const IpPrefix& hole) {
                                                 return hole.Contains(prefix);
                                               });
}

std::vector<uint32_t> Covers::Inside(
    const IpPrefix& cidr, const std::vector<IpPrefix>& except) const {
  std::vector<uint32_t> inside;
  auto at = std::lower_bound(nodes_.begin(), nodes_.end(), cidr,
                             [](const Node& node, const IpPrefix& value) {
                               return node.prefix < value;
                             });
  for (; at != nodes_.end() && at->prefix.address() <= cidr.last(); ++at) {
    if (!IsInside(at->prefix, cidr, except)) continue;
    inside.push_back(static_cast<uint32_t>(at - nodes_.begin()));
  }
  return inside;
}

}  // namespace ciliumcore
