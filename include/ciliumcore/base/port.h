// SPDX-License-Identifier: Apache-2.0

// Transport protocols and ports, in host order.

#ifndef CILIUMCORE_BASE_PORT_H_
#define CILIUMCORE_BASE_PORT_H_

#include <compare>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ciliumcore {

// An IP protocol by its IANA number. Open: any number is a valid value.
enum class Protocol : uint8_t {
  kAny = 0,
  kIcmp = 1,
  kTcp = 6,
  kUdp = 17,
  kIcmpv6 = 58,
  kSctp = 132,
};

// Reads "TCP", "UDP", "SCTP", "ICMP", "ICMPv6" or "ANY" in any case, or the
// number as decimal. InvalidArgument otherwise.
absl::StatusOr<Protocol> ParseProtocol(absl::string_view text);

// The name ParseProtocol reads; the number for a protocol without a name.
std::string ProtocolName(Protocol protocol);

// Whether its packets have ports.
constexpr bool HasPorts(Protocol protocol) {
  return protocol == Protocol::kTcp || protocol == Protocol::kUdp ||
         protocol == Protocol::kSctp;
}

// Reads a decimal in 0..65535 without sign or leading zeros. InvalidArgument
// otherwise.
absl::StatusOr<uint16_t> ParsePort(absl::string_view text);

// A port of a protocol; port 0 where the protocol has none.
struct PortProtocol {
  Protocol protocol = Protocol::kTcp;
  uint16_t port = 0;

  // Reads "8080/TCP"; "8080" alone is TCP. InvalidArgument otherwise.
  static absl::StatusOr<PortProtocol> Parse(absl::string_view text);

  // "8080/TCP".
  std::string ToString() const;

  friend constexpr auto operator<=>(const PortProtocol&,
                                    const PortProtocol&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const PortProtocol& value) {
    return H::combine(std::move(h), value.protocol, value.port);
  }
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_BASE_PORT_H_
