// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/outside_ranges_internal.h"

#include <algorithm>
#include <optional>

#include "lib/policy/address_arithmetic_internal.h"

namespace ciliumcore {

std::vector<AddressRange> OutsideRanges(
    std::initializer_list<const PeerMap*> maps, bool is_v4) {
  std::vector<IpAddress> starts = {is_v4 ? IpAddress::FromV4(0) : IpAddress()};
  for (const PeerMap* map : maps) {
    for (const PrefixPeer& prefix : map->prefixes) {
      if (prefix.prefix.is_v4() != is_v4) continue;
      starts.push_back(prefix.prefix.first());
      const std::optional<IpAddress> behind = Successor(prefix.prefix.last());
      if (behind.has_value()) starts.push_back(*behind);
    }
  }
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());

  std::vector<AddressRange> ranges;
  for (const IpAddress& start : starts) {
    if (!ranges.empty()) ranges.back().last = *Predecessor(start);
    ranges.push_back({start, start});
  }
  ranges.back().last = IpPrefix::Of(starts.front(), 0).last();
  return ranges;
}

}  // namespace ciliumcore
