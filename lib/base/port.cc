// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/base/port.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/decimal_internal.h"

namespace ciliumcore {
namespace {

using internal::ParseDecimal;
using internal::Quoted;

struct NamedProtocol {
  Protocol protocol;
  absl::string_view name;
};

constexpr NamedProtocol kNames[] = {
    {Protocol::kAny, "ANY"},   {Protocol::kIcmp, "ICMP"},
    {Protocol::kTcp, "TCP"},   {Protocol::kUdp, "UDP"},
    {Protocol::kSctp, "SCTP"}, {Protocol::kIcmpv6, "ICMPv6"},
};

}  // namespace

absl::StatusOr<Protocol> ParseProtocol(absl::string_view text) {
  for (const NamedProtocol& known : kNames) {
    if (absl::EqualsIgnoreCase(text, known.name)) return known.protocol;
  }
  std::string why;
  if (const auto number = ParseDecimal(text, 255, &why)) {
    return static_cast<Protocol>(*number);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("protocol ", Quoted(text),
                   ": expected TCP, UDP, SCTP, ICMP, ICMPv6, ANY or a number "
                   "in 0..255"));
}

std::string ProtocolName(Protocol protocol) {
  for (const NamedProtocol& known : kNames) {
    if (known.protocol == protocol) return std::string(known.name);
  }
  return absl::StrCat(static_cast<int>(protocol));
}

absl::StatusOr<uint16_t> ParsePort(absl::string_view text) {
  std::string why;
  if (const auto number = ParseDecimal(text, 65535, &why)) {
    return static_cast<uint16_t>(*number);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("port ", Quoted(text), ": expected 0..65535, ", why));
}

absl::StatusOr<PortProtocol> PortProtocol::Parse(absl::string_view text) {
  PortProtocol value;
  const size_t slash = text.find('/');
  const absl::StatusOr<uint16_t> port = ParsePort(text.substr(0, slash));
  if (!port.ok()) return port.status();
  value.port = *port;
  if (slash != absl::string_view::npos) {
    const absl::StatusOr<Protocol> protocol =
        ParseProtocol(text.substr(slash + 1));
    if (!protocol.ok()) return protocol.status();
    value.protocol = *protocol;
  }
  return value;
}

std::string PortProtocol::ToString() const {
  return absl::StrCat(port, "/", ProtocolName(protocol));
}

}  // namespace ciliumcore
