// SPDX-License-Identifier: Apache-2.0

// Builds packets, so that a test says what it sends and what it expects, and
// never shows bytes. Lengths, protocol numbers and checksums follow from what
// is built; each can be overridden to make a broken packet.

#ifndef CILIUMCORE_TESTING_PACKET_H_
#define CILIUMCORE_TESTING_PACKET_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "ciliumcore/base/ip.h"

namespace ciliumcore::testing {

using MacAddress = std::array<uint8_t, 6>;

// TCP flags, to be combined.
enum TcpFlag : uint8_t {
  kTcpFin = 0x01,
  kTcpSyn = 0x02,
  kTcpRst = 0x04,
  kTcpPsh = 0x08,
  kTcpAck = 0x10,
};

// ICMP and ICMPv6 types that tests send often.
enum IcmpType : uint8_t {
  kIcmpEchoReply = 0,
  kIcmpUnreachable = 3,
  kIcmpEcho = 8,
  kIcmpTimeExceeded = 11,
  kIcmpTimestamp = 13,
  kIcmpv6Unreachable = 1,
  kIcmpv6TooBig = 2,
  kIcmpv6Echo = 128,
  kIcmpv6EchoReply = 129,
  kIcmpv6RouterSolicit = 133,
  kIcmpv6NeighborSolicit = 135,
  kIcmpv6NeighborAdvert = 136,
};

// What an IP header says beyond its addresses.
struct IpFields {
  uint8_t ttl = 64;  // IPv6: hop limit
  uint8_t tos = 0;   // IPv6: traffic class
  // Replaces the number that follows from the next layer.
  std::optional<uint8_t> protocol = {};
  // IPv4 only; IPv6 has them in extension headers.
  std::string options = {};  // padded to a multiple of 4, at most 40 bytes
  uint16_t id = 0;
  bool dont_fragment = false;
  bool more_fragments = false;
  uint16_t fragment_offset = 0;  // bytes, a multiple of 8
};

// Layers, outermost first, then Build(). A value: copy it to send variants.
//
//   PacketBuilder().Ethernet(a, b).Ip(src, dst).Tcp(40000, 80, kTcpSyn).Build()
class PacketBuilder {
 public:
  // The ether type follows from the next layer unless it is given.
  PacketBuilder& Ethernet(const MacAddress& src, const MacAddress& dst,
                          std::optional<uint16_t> type = std::nullopt);

  // IPv4 if both addresses are, else IPv6.
  PacketBuilder& Ip(const IpAddress& src, const IpAddress& dst,
                    const IpFields& fields = {});

  // IPv6 extension headers. `kind`: 0 hop-by-hop, 43 routing, 60 destination
  // options; `units` of 8 bytes beyond the first.
  PacketBuilder& Extension(uint8_t kind, uint8_t units = 0);
  PacketBuilder& Authentication(uint8_t words = 4);  // of 4 bytes, beyond two
  PacketBuilder& Fragment(uint32_t id, uint16_t offset, bool more);

  PacketBuilder& Tcp(uint16_t sport, uint16_t dport, uint8_t flags);
  PacketBuilder& Udp(uint16_t sport, uint16_t dport);
  PacketBuilder& Sctp(uint16_t sport, uint16_t dport);  // with an INIT chunk
  // ICMP in IPv4, ICMPv6 in IPv6; `rest` is the header's last four bytes.
  PacketBuilder& Icmp(uint8_t type, uint8_t code = 0, uint32_t rest = 0);
  // An echo request, or its reply.
  PacketBuilder& Echo(uint16_t id, bool reply = false);
  // Neighbour discovery: `target`, then one link-layer address option.
  PacketBuilder& Neighbor(uint8_t type, const IpAddress& target,
                          const MacAddress& mac, uint32_t flags = 0);
  // What ICMP errors carry: `packet` without its Ethernet header, cut to
  // `bytes` behind its IP header.
  PacketBuilder& Quote(absl::string_view packet, size_t bytes = 8);
  // operation: 1 request, 2 reply. IPv4 addresses.
  PacketBuilder& Arp(uint16_t operation, const MacAddress& sender_mac,
                     const IpAddress& sender, const MacAddress& target_mac,
                     const IpAddress& target);

  PacketBuilder& Payload(absl::string_view bytes);

  std::string Build() const;

 private:
  enum class Kind {
    kEthernet,
    kIp,
    kExtension,
    kTcp,
    kUdp,
    kSctp,
    kIcmp,
    kData
  };
  struct Layer {
    Kind kind = Kind::kData;
    uint16_t number = 0;  // by which the layer before names this one
    std::string bytes = {};
    bool number_is_fixed = false;  // of the next layer
    IpAddress src = {}, dst = {};  // kIp
  };
  PacketBuilder& Add(Layer layer);
  const Layer* IpBefore(size_t index) const;
  bool IsV6() const;

  std::vector<Layer> layers_;
};

// Splits an Ethernet packet's IP payload into fragments of `bytes` (a multiple
// of 8) each. IPv4: by its header; IPv6: with a fragment header behind the
// fixed one.
std::vector<std::string> Fragments(absl::string_view packet, size_t bytes,
                                   uint32_t id);

// What a router makes of the packet before it hands it on: one hop less, and
// these MAC addresses.
std::string Routed(std::string packet, const MacAddress& src,
                   const MacAddress& dst);

// True if all checksums of an Ethernet packet (IPv4 header, and the transport's
// unless it is a fragment or an unknown one) are right.
bool ChecksumsAreRight(absl::string_view packet);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTING_PACKET_H_
