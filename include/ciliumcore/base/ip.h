// SPDX-License-Identifier: Apache-2.0

// IP addresses and prefixes as values. IPv6 is the address; an IPv4 address is
// its v4-mapped form (::ffff:a.b.c.d), so one type, one order and one hash
// serve both families.

#ifndef CILIUMCORE_BASE_IP_H_
#define CILIUMCORE_BASE_IP_H_

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ciliumcore {

// One address. The default is `::`.
class IpAddress {
 public:
  constexpr IpAddress() = default;

  // Reads dotted decimal or any RFC 4291 form. InvalidArgument says what is
  // wrong; leading zeros ("010.0.0.1", octal to some, decimal to others), zones
  // and surrounding space are refused. "::ffff:10.0.0.1" is 10.0.0.1.
  static absl::StatusOr<IpAddress> Parse(absl::string_view text);

  // 0x0a000001 is 10.0.0.1.
  static constexpr IpAddress FromV4(uint32_t host_order) {
    IpAddress address;
    address.bytes_[10] = address.bytes_[11] = 0xff;
    address.bytes_[12] = static_cast<uint8_t>(host_order >> 24);
    address.bytes_[13] = static_cast<uint8_t>(host_order >> 16);
    address.bytes_[14] = static_cast<uint8_t>(host_order >> 8);
    address.bytes_[15] = static_cast<uint8_t>(host_order);
    return address;
  }

  // `bytes` in network order, IPv4 as v4-mapped.
  static constexpr IpAddress FromBytes(const std::array<uint8_t, 16>& bytes) {
    IpAddress address;
    address.bytes_ = bytes;
    return address;
  }

  constexpr bool is_v4() const {
    for (int i = 0; i < 10; ++i) {
      if (bytes_[i] != 0) return false;
    }
    return bytes_[10] == 0xff && bytes_[11] == 0xff;
  }

  // The last 32 bits in host order: the IPv4 address if is_v4().
  constexpr uint32_t v4() const {
    return uint32_t{bytes_[12]} << 24 | uint32_t{bytes_[13]} << 16 |
           uint32_t{bytes_[14]} << 8 | uint32_t{bytes_[15]};
  }

  constexpr const std::array<uint8_t, 16>& bytes() const { return bytes_; }

  // Dotted decimal, or the one form RFC 5952 recommends.
  std::string ToString() const;

  // Byte order of the 128 bits: within a family, numeric order.
  friend constexpr auto operator<=>(const IpAddress&,
                                    const IpAddress&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& address) {
    return H::combine(std::move(h), address.bytes_);
  }

 private:
  std::array<uint8_t, 16> bytes_ = {};
};

// A block of addresses of one family, canonical: bits past the length are zero.
// The default is ::/0. An IPv4 prefix holds no IPv6 address and the reverse,
// so ::/0 is every IPv6 address and 0.0.0.0/0 every IPv4 one. (A longest-prefix
// table keyed by the 128 bits finds ::/0 for an IPv4 address too: who builds
// one must give IPv4 a /96 of its own.)
class IpPrefix {
 public:
  constexpr IpPrefix() = default;

  // Reads "10.0.0.0/8"; a lone address is the prefix of just itself.
  // InvalidArgument says what is wrong, and names the canonical form where bits
  // past the length are set ("10.1.0.0/8": did you mean 10.0.0.0/8?).
  static absl::StatusOr<IpPrefix> Parse(absl::string_view text);

  // As Parse, but clears bits past the length, as Kubernetes does for ipBlock.
  static absl::StatusOr<IpPrefix> ParseLenient(absl::string_view text);

  // The prefix of `length` bits around `address`; 0..32 if it is IPv4, else
  // 0..128. Another length is a bug of the caller and ends the program.
  static IpPrefix Of(const IpAddress& address, int length);
  // That of `address` alone.
  static IpPrefix Of(const IpAddress& address) {
    return Of(address, address.is_v4() ? 32 : 128);
  }

  constexpr const IpAddress& address() const { return address_; }

  // In terms of the family: 0..32 or 0..128.
  constexpr int length() const { return is_v4() ? bits_ - 96 : bits_; }

  // In the 128-bit v4-mapped space: 96 more than length() for IPv4.
  constexpr int bits() const { return bits_; }

  constexpr bool is_v4() const { return bits_ >= 96 && address_.is_v4(); }

  bool Contains(const IpAddress& address) const;
  // True if every address of `other` is in this prefix; a prefix holds itself.
  bool Contains(const IpPrefix& other) const;

  constexpr const IpAddress& first() const { return address_; }
  IpAddress last() const;

  // Always with the length: "10.0.0.1/32".
  std::string ToString() const;

  // By address, then the shorter first: a prefix comes before what it holds.
  friend constexpr auto operator<=>(const IpPrefix&, const IpPrefix&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const IpPrefix& prefix) {
    return H::combine(std::move(h), prefix.address_, prefix.bits_);
  }

 private:
  constexpr IpPrefix(const IpAddress& address, int bits)
      : address_(address), bits_(bits) {}

  IpAddress address_;
  int bits_ = 0;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_BASE_IP_H_
