// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/testing/packet.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace ciliumcore::testing {
namespace {

constexpr size_t kEthernetBytes = 14;
constexpr size_t kIpv4Bytes = 20;
constexpr size_t kIpv6Bytes = 40;
constexpr uint16_t kTypeIpv4 = 0x0800;
constexpr uint16_t kTypeArp = 0x0806;
constexpr uint16_t kTypeIpv6 = 0x86dd;
constexpr uint8_t kIcmp = 1, kTcp = 6, kUdp = 17, kIpv6Fragment = 44,
                  kIcmpv6 = 58, kNoNext = 59, kAh = 51, kSctp = 132;

void Put8(std::string& out, uint8_t value) {
  out.push_back(static_cast<char>(value));
}
void Put16(std::string& out, uint16_t value) {
  Put8(out, static_cast<uint8_t>(value >> 8));
  Put8(out, static_cast<uint8_t>(value));
}
void Put32(std::string& out, uint32_t value) {
  Put16(out, static_cast<uint16_t>(value >> 16));
  Put16(out, static_cast<uint16_t>(value));
}
void Store16(std::string& out, size_t at, uint16_t value) {
  out[at] = static_cast<char>(value >> 8);
  out[at + 1] = static_cast<char>(value);
}
void PutMac(std::string& out, const MacAddress& mac) {
  out.append(mac.begin(), mac.end());
}
void PutAddress(std::string& out, const IpAddress& address, bool v6) {
  const auto& bytes = address.bytes();
  out.append(bytes.begin() + (v6 ? 0 : 12), bytes.end());
}

uint8_t At8(absl::string_view in, size_t at) {
  return static_cast<uint8_t>(in[at]);
}
uint16_t At16(absl::string_view in, size_t at) {
  return static_cast<uint16_t>(At8(in, at) << 8 | At8(in, at + 1));
}

// The Internet checksum (RFC 1071) of `bytes`, going on from `sum`.
uint32_t Sum(absl::string_view bytes, uint32_t sum = 0) {
  for (size_t i = 0; i < bytes.size(); i += 2) {
    sum += At8(bytes, i) << 8;
    if (i + 1 < bytes.size()) sum += At8(bytes, i + 1);
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}
uint16_t Checksum(uint32_t sum) { return static_cast<uint16_t>(~sum); }

// CRC32c, bit by bit: SCTP's checksum (RFC 9260 appendix A).
uint32_t Crc32c(absl::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}
void StoreSctpChecksum(std::string& segment) {
  segment.replace(8, 4, 4, '\0');
  const uint32_t crc = Crc32c(segment);
  for (int i = 0; i < 4; ++i) {
    segment[8 + i] = static_cast<char>(crc >> (8 * i));
  }
}

std::string PseudoHeader(const IpAddress& src, const IpAddress& dst, bool v6,
                         uint8_t protocol, size_t bytes) {
  std::string pseudo;
  PutAddress(pseudo, src, v6);
  PutAddress(pseudo, dst, v6);
  Put32(pseudo, static_cast<uint32_t>(bytes));
  Put32(pseudo, protocol);
  return pseudo;
}

// Where the checksum of a transport header is.
std::optional<size_t> ChecksumOffset(uint8_t protocol) {
  switch (protocol) {
    case kTcp:
      return 16;
    case kUdp:
      return 6;
    case kIcmp:
    case kIcmpv6:
      return 2;
    default:
      return std::nullopt;
  }
}

size_t IpHeaderBytes(absl::string_view packet) {
  return At16(packet, 12) == kTypeIpv4 ? (At8(packet, kEthernetBytes) & 15) * 4u
                                       : kIpv6Bytes;
}

void StoreIpv4Checksum(std::string& packet, size_t at) {
  const size_t bytes = (At8(packet, at) & 15) * 4u;
  Store16(packet, at + 10, 0);
  Store16(packet, at + 10,
          Checksum(Sum(absl::string_view(packet).substr(at, bytes))));
}

}  // namespace

PacketBuilder& PacketBuilder::Add(Layer layer) {
  layers_.push_back(std::move(layer));
  return *this;
}

const PacketBuilder::Layer* PacketBuilder::IpBefore(size_t index) const {
  while (index-- > 0) {
    if (layers_[index].kind == Kind::kIp) return &layers_[index];
  }
  return nullptr;
}

bool PacketBuilder::IsV6() const {
  const Layer* ip = IpBefore(layers_.size());
  return ip != nullptr && ip->number == kTypeIpv6;
}

PacketBuilder& PacketBuilder::Ethernet(const MacAddress& src,
                                       const MacAddress& dst,
                                       std::optional<uint16_t> type) {
  Layer layer = {.kind = Kind::kEthernet, .number = 0};
  PutMac(layer.bytes, dst);
  PutMac(layer.bytes, src);
  Put16(layer.bytes, type.value_or(0));
  layer.number_is_fixed = type.has_value();
  return Add(std::move(layer));
}

PacketBuilder& PacketBuilder::Ip(const IpAddress& src, const IpAddress& dst,
                                 const IpFields& fields) {
  const bool v6 = !src.is_v4() || !dst.is_v4();
  Layer layer = {.kind = Kind::kIp, .number = v6 ? kTypeIpv6 : kTypeIpv4};
  layer.src = src;
  layer.dst = dst;
  layer.number_is_fixed = fields.protocol.has_value();
  const uint8_t protocol = fields.protocol.value_or(kNoNext);
  std::string& out = layer.bytes;
  if (v6) {
    Put32(out, 0x60000000u | uint32_t{fields.tos} << 20);
    Put16(out, 0);
    Put8(out, protocol);
    Put8(out, fields.ttl);
  } else {
    std::string options = fields.options;
    options.resize((options.size() + 3) / 4 * 4);
    Put8(out, static_cast<uint8_t>(0x40 | (kIpv4Bytes + options.size()) / 4));
    Put8(out, fields.tos);
    Put16(out, 0);
    Put16(out, fields.id);
    Put16(out, static_cast<uint16_t>((fields.dont_fragment ? 0x4000 : 0) |
                                     (fields.more_fragments ? 0x2000 : 0) |
                                     fields.fragment_offset / 8));
    Put8(out, fields.ttl);
    Put8(out, protocol);
    Put16(out, 0);
    PutAddress(out, src, false);
    PutAddress(out, dst, false);
    out += options;
    return Add(std::move(layer));
  }
  PutAddress(out, src, true);
  PutAddress(out, dst, true);
  return Add(std::move(layer));
}

PacketBuilder& PacketBuilder::Extension(uint8_t kind, uint8_t units) {
  Layer layer = {.kind = Kind::kExtension, .number = kind};
  Put8(layer.bytes, kNoNext);
  Put8(layer.bytes, units);
  // One PadN option over all of the rest, which as a routing header is one of
  // an unknown type with no segments left.
  const size_t rest = 6 + 8 * size_t{units};
  size_t zeros = rest;  // else Pad1 options
  if (kind != 43 && rest <= 257) {
    zeros -= 2;
    Put8(layer.bytes, 1);
    Put8(layer.bytes, static_cast<uint8_t>(zeros));
  }
  layer.bytes.append(zeros, '\0');
  return Add(std::move(layer));
}

PacketBuilder& PacketBuilder::Authentication(uint8_t words) {
  Layer layer = {.kind = Kind::kExtension, .number = kAh};
  Put8(layer.bytes, kNoNext);
  Put8(layer.bytes, words);
  layer.bytes.append((size_t{words} + 2) * 4 - 2, '\0');
  return Add(std::move(layer));
}

PacketBuilder& PacketBuilder::Fragment(uint32_t id, uint16_t offset,
                                       bool more) {
  Layer layer = {.kind = Kind::kExtension, .number = kIpv6Fragment};
  Put8(layer.bytes, kNoNext);
  Put8(layer.bytes, 0);
  Put16(layer.bytes, static_cast<uint16_t>((offset & ~7) | (more ? 1 : 0)));
  Put32(layer.bytes, id);
  return Add(std::move(layer));
}

PacketBuilder& PacketBuilder::Tcp(uint16_t sport, uint16_t dport,
                                  uint8_t flags) {
  Layer layer = {.kind = Kind::kTcp, .number = kTcp};
  Put16(layer.bytes, sport);
  Put16(layer.bytes, dport);
  Put32(layer.bytes, 1000);
  Put32(layer.bytes, flags & kTcpAck ? 2000 : 0);
  Put8(layer.bytes, 5 << 4);
  Put8(layer.bytes, flags);
  Put16(layer.bytes, 65535);
  Put32(layer.bytes, 0);
  return Add(std::move(layer));
}

PacketBuilder& PacketBuilder::Udp(uint16_t sport, uint16_t dport) {
  Layer layer = {.kind = Kind::kUdp, .number = kUdp};
  Put16(layer.bytes, sport);
  Put16(layer.bytes, dport);
  Put32(layer.bytes, 0);
  return Add(std::move(layer));
}

PacketBuilder& PacketBuilder::Sctp(uint16_t sport, uint16_t dport) {
  Layer layer = {.kind = Kind::kSctp, .number = kSctp};
  Put16(layer.bytes, sport);
  Put16(layer.bytes, dport);
  Put32(layer.bytes, 0);
  Put32(layer.bytes, 0);
  Put32(layer.bytes, 0x01000014);  // INIT, 20 bytes
  layer.bytes.append(16, '\1');
  return Add(std::move(layer));
}

PacketBuilder& PacketBuilder::Icmp(uint8_t type, uint8_t code, uint32_t rest) {
  Layer layer = {.kind = Kind::kIcmp, .number = IsV6() ? kIcmpv6 : kIcmp};
  Put8(layer.bytes, type);
  Put8(layer.bytes, code);
  Put16(layer.bytes, 0);
  Put32(layer.bytes, rest);
  return Add(std::move(layer));
}

PacketBuilder& PacketBuilder::Echo(uint16_t id, bool reply) {
  const uint8_t type = IsV6() ? (reply ? kIcmpv6EchoReply : kIcmpv6Echo)
                              : (reply ? kIcmpEchoReply : kIcmpEcho);
  return Icmp(type, 0, uint32_t{id} << 16 | 1);
}

PacketBuilder& PacketBuilder::Neighbor(uint8_t type, const IpAddress& target,
                                       const MacAddress& mac, uint32_t flags) {
  std::string body;
  PutAddress(body, target, true);
  Put8(body, type == kIcmpv6NeighborAdvert ? 2 : 1);
  Put8(body, 1);
  PutMac(body, mac);
  return Icmp(type, 0, flags).Payload(body);
}

PacketBuilder& PacketBuilder::Quote(absl::string_view packet, size_t bytes) {
  return Payload(packet.substr(kEthernetBytes, IpHeaderBytes(packet) + bytes));
}

PacketBuilder& PacketBuilder::Arp(uint16_t operation,
                                  const MacAddress& sender_mac,
                                  const IpAddress& sender,
                                  const MacAddress& target_mac,
                                  const IpAddress& target) {
  Layer layer = {.kind = Kind::kData, .number = kTypeArp};
  Put16(layer.bytes, 1);
  Put16(layer.bytes, kTypeIpv4);
  Put16(layer.bytes, 0x0604);
  Put16(layer.bytes, operation);
  PutMac(layer.bytes, sender_mac);
  PutAddress(layer.bytes, sender, false);
  PutMac(layer.bytes, target_mac);
  PutAddress(layer.bytes, target, false);
  return Add(std::move(layer));
}

PacketBuilder& PacketBuilder::Payload(absl::string_view bytes) {
  return Add({.kind = Kind::kData,
              .number = kNoNext,
              .bytes = std::string(bytes.data(), bytes.size())});
}

// From the inside out: what a layer says of its payload is known by then.
std::string PacketBuilder::Build() const {
  std::string built;
  for (size_t i = layers_.size(); i-- > 0;) {
    const Layer& layer = layers_[i];
    std::string bytes = layer.bytes;
    const bool names_next = !layer.number_is_fixed && i + 1 < layers_.size();
    const uint16_t next = names_next ? layers_[i + 1].number : 0;
    switch (layer.kind) {
      case Kind::kEthernet:
        if (names_next) Store16(bytes, 12, next);
        break;
      case Kind::kIp:
        if (layer.number == kTypeIpv6) {
          Store16(bytes, 4, static_cast<uint16_t>(built.size()));
          if (names_next) bytes[6] = static_cast<char>(next);
        } else {
          Store16(bytes, 2, static_cast<uint16_t>(bytes.size() + built.size()));
          if (names_next) bytes[9] = static_cast<char>(next);
          StoreIpv4Checksum(bytes, 0);
        }
        break;
      case Kind::kExtension:
        if (names_next) bytes[0] = static_cast<char>(next);
        break;
      case Kind::kUdp:
        Store16(bytes, 4, static_cast<uint16_t>(bytes.size() + built.size()));
        break;
      default:
        break;
    }
    built.insert(0, bytes);
    if (layer.kind == Kind::kSctp) StoreSctpChecksum(built);
    const Layer* ip = IpBefore(i);
    const auto at = layer.kind == Kind::kTcp || layer.kind == Kind::kUdp ||
                            layer.kind == Kind::kIcmp
                        ? ChecksumOffset(static_cast<uint8_t>(layer.number))
                        : std::nullopt;
    if (at && ip != nullptr) {
      uint32_t sum = Sum(built);
      if (layer.number != kIcmp) {
        sum =
            Sum(PseudoHeader(ip->src, ip->dst, ip->number == kTypeIpv6,
                             static_cast<uint8_t>(layer.number), built.size()),
                sum);
      }
      Store16(built, *at, Checksum(sum));
    }
  }
  return built;
}

std::vector<std::string> Fragments(absl::string_view packet, size_t bytes,
                                   uint32_t id) {
  const bool v6 = At16(packet, 12) == kTypeIpv6;
  const size_t ip_bytes = IpHeaderBytes(packet);
  const std::string head(packet.substr(0, kEthernetBytes + ip_bytes));
  const absl::string_view payload = packet.substr(head.size());
  std::vector<std::string> fragments;
  for (size_t at = 0; at < payload.size(); at += bytes) {
    const size_t size = std::min(bytes, payload.size() - at);
    const bool more = at + size < payload.size();
    std::string out = head;
    if (v6) {
      const uint8_t next = At8(head, kEthernetBytes + 6);
      Store16(out, kEthernetBytes + 4, static_cast<uint16_t>(8 + size));
      out[kEthernetBytes + 6] = static_cast<char>(kIpv6Fragment);
      Put8(out, next);
      Put8(out, 0);
      Put16(out, static_cast<uint16_t>(at | (more ? 1 : 0)));
      Put32(out, id);
    } else {
      Store16(out, kEthernetBytes + 2, static_cast<uint16_t>(ip_bytes + size));
      Store16(out, kEthernetBytes + 4, static_cast<uint16_t>(id));
      Store16(out, kEthernetBytes + 6,
              static_cast<uint16_t>((more ? 0x2000 : 0) | at / 8));
      StoreIpv4Checksum(out, kEthernetBytes);
    }
    out.append(payload.data() + at, size);
    fragments.push_back(std::move(out));
  }
  return fragments;
}

std::string Routed(std::string packet, const MacAddress& src,
                   const MacAddress& dst) {
  std::copy(dst.begin(), dst.end(), packet.begin());
  std::copy(src.begin(), src.end(), packet.begin() + 6);
  if (At16(packet, 12) == kTypeIpv6) {
    --packet[kEthernetBytes + 7];
  } else {
    --packet[kEthernetBytes + 8];
    StoreIpv4Checksum(packet, kEthernetBytes);
  }
  return packet;
}

bool ChecksumsAreRight(absl::string_view packet) {
  const uint16_t type = At16(packet, 12);
  if (type != kTypeIpv4 && type != kTypeIpv6) return true;
  const bool v6 = type == kTypeIpv6;
  const size_t ip_bytes = IpHeaderBytes(packet);
  const absl::string_view ip = packet.substr(kEthernetBytes);
  if (!v6 && Sum(ip.substr(0, ip_bytes)) != 0xffff) return false;
  if (!v6 && (At16(ip, 6) & 0x3fff) != 0) return true;
  const uint8_t protocol = At8(ip, v6 ? 6 : 9);
  const absl::string_view transport = ip.substr(ip_bytes);
  if (protocol == kSctp) {
    std::string expected(transport.data(), transport.size());
    StoreSctpChecksum(expected);
    return expected == transport;
  }
  if (!ChecksumOffset(protocol)) return true;
  uint32_t sum = Sum(transport);
  if (protocol != kIcmp) {
    // Addresses as they are on the wire, and the same pseudo header.
    const size_t at = v6 ? 8 : 12, bytes = v6 ? 32 : 8;
    sum = Sum(ip.substr(at, bytes), sum);
    std::string rest;
    Put32(rest, static_cast<uint32_t>(transport.size()));
    Put32(rest, protocol);
    sum = Sum(rest, sum);
  }
  return sum == 0xffff;
}

}  // namespace ciliumcore::testing
