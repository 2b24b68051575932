// SPDX-License-Identifier: Apache-2.0

// The compiled form of policy: one small array of verdicts per subject and
// direction. Peers that no rule tells apart are one class, ports that no rule
// tells apart are one interval, and a verdict is cells[class][interval].
// Everything that decides between rules is settled when the table is made.

#ifndef CILIUMCORE_POLICY_VERDICT_TABLE_H_
#define CILIUMCORE_POLICY_VERDICT_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "ciliumcore/base/port.h"

namespace ciliumcore {

// Of traffic, as the subject sees it.
enum class Direction : uint8_t { kIngress = 0, kEgress = 1 };

inline constexpr Direction kDirections[] = {Direction::kIngress,
                                            Direction::kEgress};

// "ingress" or "egress".
absl::string_view DirectionName(Direction direction);

// Numbers are those of the datapath. kRedirect leaves it to a proxy, which
// judges what is said; the datapath has none, and lets nothing of it pass.
enum class Verdict : uint8_t { kDeny = 0, kAllow = 1, kRedirect = 2 };

// "deny", "allow" or "redirect".
absl::string_view VerdictName(Verdict verdict);

// A verdict and what explains it.
struct Cell {
  Verdict verdict = Verdict::kDeny;
  uint16_t proxy_port = 0;  // of kRedirect, else 0
  uint32_t rule_set = 0;    // id in the RuleSetTable; 0: nobody judged

  friend constexpr auto operator<=>(const Cell&, const Cell&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const Cell& cell) {
    return H::combine(std::move(h), cell.verdict, cell.proxy_port,
                      cell.rule_set);
  }
};

// What a flow's protocol and destination port are compared as: ports of one
// protocol are neighbours, and a rule without ports is the whole range.
constexpr uint32_t PortKey(Protocol protocol, uint16_t port) {
  return uint32_t{static_cast<uint8_t>(protocol)} << 16 | port;
}
// What stands for the port of ICMP and ICMPv6: the type, then the code.
constexpr uint16_t IcmpPort(uint8_t type, uint8_t code = 0) {
  return static_cast<uint16_t>(type << 8 | code);
}
inline constexpr uint32_t kMaxPortKey = 0xffffff;

// Port keys from `first` to `last`, both included.
struct PortKeyRange {
  uint32_t first = 0;
  uint32_t last = kMaxPortKey;

  friend auto operator<=>(const PortKeyRange&, const PortKeyRange&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const PortKeyRange& range) {
    return H::combine(std::move(h), range.first, range.last);
  }
};

// The ranges, cut where a protocol ends unless all of a range's protocols are
// whole: each part is of one protocol, or of whole protocols. Ascending if the
// ranges are.
std::vector<PortKeyRange> CutByProtocol(
    const std::vector<PortKeyRange>& ranges);

// Ascending ranges for people: "all", "TCP", "TCP 80,443,8000-8999; UDP 53",
// "protocols 0-5; TCP 0-79,81-65535; protocols 7-255".
std::string PortsToString(const std::vector<PortKeyRange>& ranges);

// A value; thread-compatible. Minimal: no two neighbouring intervals and no two
// classes hold the same cells.
struct CompiledTable {
  // Ascending, none 0. A key's interval is the number of bounds <= key, so
  // there is one interval more than bounds.
  std::vector<uint32_t> bounds;

  // Class 0 is every peer not in `classes`: one that no rule names.
  uint32_t class_count = 1;

  // class_count rows of one cell per interval.
  std::vector<Cell> cells;

  // {peer, class}, ascending by peer; never class 0.
  std::vector<std::pair<uint32_t, uint32_t>> classes;

  size_t intervals() const { return bounds.size() + 1; }

  // O(log peers), O(log bounds).
  uint32_t ClassOf(uint32_t peer) const;
  size_t IntervalOf(uint32_t port_key) const;

  // The cell that judges this peer on this port.
  const Cell& At(uint32_t peer, Protocol protocol, uint16_t port) const;

  friend bool operator==(const CompiledTable&, const CompiledTable&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const CompiledTable& table) {
    return H::combine(std::move(h), table.bounds, table.class_count,
                      table.cells, table.classes);
  }
};

using TableRef = std::shared_ptr<const CompiledTable>;

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_VERDICT_TABLE_H_
