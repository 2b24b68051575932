// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/testing/packet_trace.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ciliumcore/flow/reason.h"

namespace ciliumcore::testing {
namespace {

// By their bits, from the lowest on.
constexpr const char* kTcpFlags[] = {"FIN", "SYN", "RST", "PSH",
                                     "ACK", "URG", "ECE", "CWR"};

bool IsIcmp(Protocol protocol) {
  return protocol == Protocol::kIcmp || protocol == Protocol::kIcmpv6;
}

std::string AddressText(const PacketTrace::End& end, bool with_port) {
  const std::string address = end.address.ToString();
  if (!with_port) return address;
  return end.address.is_v4() ? absl::StrCat(address, ":", end.port)
                             : absl::StrCat("[", address, "]:", end.port);
}

std::string PacketText(const PacketTrace& trace) {
  const bool ports = HasPorts(trace.protocol);
  std::string text = absl::StrCat(trace.is_error ? "ICMP error about " : "",
                                  ProtocolName(trace.protocol), " ",
                                  AddressText(trace.source, ports), " -> ",
                                  AddressText(trace.destination, ports));
  if (trace.protocol == Protocol::kTcp && !trace.is_error) {
    absl::StrAppend(&text, ", flags ", TcpFlagNames(trace.tcp_flags));
  } else if (IsIcmp(trace.protocol)) {
    absl::StrAppend(&text, ", type ", trace.icmp_type, " code ",
                    trace.icmp_code);
  }
  return text;
}

std::string EndText(absl::string_view role, const PacketTrace::End& end) {
  return absl::StrCat(role, ": ", end.name, ", identity ",
                      static_cast<uint32_t>(end.identity),
                      end.peer == static_cast<uint32_t>(end.identity)
                          ? ""
                          : absl::StrCat(", peer ", end.peer),
                      ", ", end.where);
}

std::string SideText(const PacketTrace::Side& side) {
  return absl::StrCat(
      DirectionName(side.direction), " at ", side.interface, ": ",
      VerdictName(side.cell.verdict),
      side.cell.verdict == Verdict::kRedirect
          ? " to a proxy, which there is not"
          : "",
      ", ",
      side.cell.rule_set == 0 ? "no table judges it" : side.rules.ToString(),
      " (table ", side.table, ", class ", side.cls, ", interval ",
      side.interval, ", rule set ", side.cell.rule_set, ")");
}

}  // namespace

absl::string_view ConnectionName(PacketTrace::Connection connection) {
  switch (connection) {
    case PacketTrace::Connection::kNone:
      return "none";
    case PacketTrace::Connection::kUntracked:
      return "untracked";
    case PacketTrace::Connection::kNew:
      return "new";
    case PacketTrace::Connection::kEstablished:
      return "established";
    case PacketTrace::Connection::kReply:
      return "reply";
  }
  return "";
}

std::string TcpFlagNames(uint8_t flags) {
  std::string text;
  for (int bit = 0; bit < 8; ++bit) {
    if ((flags >> bit & 1) == 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : ",", kTcpFlags[bit]);
  }
  return text.empty() ? "none" : text;
}

absl::StatusOr<uint8_t> ParseTcpFlags(absl::string_view text) {
  const std::string upper = absl::AsciiStrToUpper(text);
  if (upper == "NONE") return uint8_t{0};
  uint8_t flags = 0;
  for (const absl::string_view name : absl::StrSplit(upper, ',')) {
    const auto found =
        std::find(std::begin(kTcpFlags), std::end(kTcpFlags), name);
    if (found == std::end(kTcpFlags)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "expected none or flags such as SYN,ACK, found \"", text, "\""));
    }
    flags |= static_cast<uint8_t>(1u << (found - std::begin(kTcpFlags)));
  }
  return flags;
}

std::vector<std::string> PacketTrace::Lines() const {
  std::vector<std::string> lines;
  lines.push_back(absl::StrCat(
      is_egress ? "sent by the endpoint at " : "received for the endpoint at ",
      interface, ", generation ", generation));
  switch (parsed) {
    case Parsed::kLink:
      lines.push_back("link: between the endpoint and its node, no policy");
      break;
    case Parsed::kRefused:
      lines.push_back("parse: refused");
      break;
    case Parsed::kIp:
      lines.push_back(absl::StrCat("parse: ", PacketText(*this)));
      break;
  }
  if (source.peer != 0) {
    lines.push_back(EndText("source", source));
    lines.push_back(EndText("destination", destination));
  }
  if (connection != Connection::kNone) {
    lines.push_back(absl::StrCat(
        "connection: ", ConnectionName(connection),
        is_current ? ", judged in this generation: passes unasked" : ""));
  }
  for (const Side& side : sides) lines.push_back(SideText(side));
  if (audited) lines.push_back("audit: denied, but the node only listens");
  if (reason != 0) {
    const std::optional<DropReason> known = FindDropReason(reason);
    lines.push_back(absl::StrCat(
        "drop: ", known.has_value() ? std::string(known->name) : "",
        " (reason ", reason, ")"));
  }
  if (!disagreement.empty()) {
    lines.push_back(absl::StrCat("BUG: ", disagreement));
  }
  return lines;
}

}  // namespace ciliumcore::testing
