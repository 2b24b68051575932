// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/verdict_table.h"

#include <algorithm>
#include <utility>

namespace ciliumcore {

absl::string_view DirectionName(Direction direction) {
  return direction == Direction::kIngress ? "ingress" : "egress";
}

absl::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kDeny:
      return "deny";
    case Verdict::kAllow:
      return "allow";
    case Verdict::kRedirect:
      return "redirect";
  }
  return "";
}

uint32_t CompiledTable::ClassOf(uint32_t peer) const {
  auto at = std::lower_bound(classes.begin(), classes.end(),
                             std::pair<uint32_t, uint32_t>(peer, 0));
  return at != classes.end() && at->first == peer ? at->second : 0;
}

size_t CompiledTable::IntervalOf(uint32_t port_key) const {
  return std::upper_bound(bounds.begin(), bounds.end(), port_key) -
         bounds.begin();
}

const Cell& CompiledTable::At(uint32_t peer, Protocol protocol,
                              uint16_t port) const {
  return cells[ClassOf(peer) * intervals() +
               IntervalOf(PortKey(protocol, port))];
}

}  // namespace ciliumcore
