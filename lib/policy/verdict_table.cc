// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/verdict_table.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ciliumcore {
namespace {

constexpr uint32_t kPorts = 0x10000;  // of one protocol

Protocol ProtocolOf(uint32_t port_key) {
  return static_cast<Protocol>(port_key / kPorts);
}

// "TCP", "protocol 47".
std::string NameOf(Protocol protocol) {
  const std::string number = absl::StrCat(static_cast<uint8_t>(protocol));
  const std::string name =
      protocol == Protocol::kAny ? number : ProtocolName(protocol);
  return name == number ? "protocol " + number : name;
}

}  // namespace

std::vector<PortKeyRange> CutByProtocol(
    const std::vector<PortKeyRange>& ranges) {
  std::vector<PortKeyRange> parts;
  for (PortKeyRange rest : ranges) {
    if (rest.first % kPorts != 0) {
      const uint32_t end = rest.first | (kPorts - 1);
      parts.push_back({rest.first, std::min(rest.last, end)});
      if (rest.last <= end) continue;
      rest.first = end + 1;
    }
    const uint32_t whole_end = (rest.last + 1) / kPorts * kPorts;
    if (whole_end > rest.first) {
      parts.push_back({rest.first, whole_end - 1});
      rest.first = whole_end;
    }
    if (rest.first <= rest.last) parts.push_back(rest);
  }
  return parts;
}

std::string PortsToString(const std::vector<PortKeyRange>& ranges) {
  std::string text;
  // The protocol whose ports are being listed, if any.
  Protocol listed = Protocol::kAny;
  bool is_listing = false;
  for (const auto& [first, last] : CutByProtocol(ranges)) {
    const bool is_whole = first % kPorts == 0 && (last + 1) % kPorts == 0;
    if (first == 0 && last == kMaxPortKey) return "all";
    const char* const separator = text.empty() ? "" : "; ";
    if (is_whole && ProtocolOf(first) != ProtocolOf(last)) {
      absl::StrAppend(&text, separator, "protocols ", first / kPorts, "-",
                      last / kPorts);
      is_listing = false;
      continue;
    }
    if (is_whole || !is_listing || listed != ProtocolOf(first)) {
      listed = ProtocolOf(first);
      is_listing = true;
      absl::StrAppend(&text, separator, NameOf(listed));
      if (is_whole) continue;
      absl::StrAppend(&text, " ");
    } else {
      absl::StrAppend(&text, ",");
    }
    absl::StrAppend(&text, first % kPorts);
    if (last != first) absl::StrAppend(&text, "-", last % kPorts);
  }
  return text;
}

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
