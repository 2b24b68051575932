// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <vector>

#include "lib/policy/port_ranges_internal.h"
#include "lib/policy/sorted_internal.h"

namespace ciliumcore {

void Normalize(std::vector<PortKeyRange>& ranges) {
  std::sort(ranges.begin(), ranges.end());
  size_t kept = 0;
  for (const PortKeyRange& range : ranges) {
    if (kept != 0 && range.first <= ranges[kept - 1].last + 1) {
      ranges[kept - 1].last = std::max(ranges[kept - 1].last, range.last);
    } else {
      ranges[kept++] = range;
    }
  }
  ranges.resize(kept);
}

std::vector<NamedPort> PortsNamed(const std::vector<NamedPort>& ports,
                                  const PortNames& names) {
  std::vector<NamedPort> named;
  if (names.empty()) return named;
  for (const NamedPort& port : ports) {
    if (names.contains({port.name, port.port.protocol})) named.push_back(port);
  }
  SortUnique(named);
  return named;
}

void AddPort(const PortRule& port, std::vector<PortKeyRange>& ranges,
             PortNames& names) {
  if (port.protocol == Protocol::kAny) {
    for (Protocol each : {Protocol::kTcp, Protocol::kUdp, Protocol::kSctp}) {
      PortRule one = port;
      one.protocol = each;
      AddPort(one, ranges, names);
    }
    return;
  }
  if (!port.name.empty()) {
    names.insert({port.name, port.protocol});
  } else if (!port.port.has_value()) {
    ranges.push_back(PortRange(port.protocol, 0, 0xffff));
  } else {
    const uint16_t last = port.end_port.value_or(*port.port);
    if (last < *port.port) return;
    ranges.push_back(PortRange(port.protocol, *port.port, last));
  }
}

}  // namespace ciliumcore
