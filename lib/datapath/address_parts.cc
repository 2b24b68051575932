// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "ciliumcore/abi/convert.h"
#include "lib/base/address_number_internal.h"
#include "lib/datapath/address_parts_internal.h"

namespace ciliumcore::internal {
namespace {

constexpr absl::uint128 kLast = ~absl::uint128(0);

absl::uint128 HostBits(int bits) {
  return bits >= 128 ? absl::uint128(0) : kLast >> bits;
}

// What either side says of a prefix.
struct Block {
  std::optional<uint32_t> wanted_peer;
  const LivePrefix* live = nullptr;
};
// By the first address, then the shorter first: a block comes before what it
// holds.
using Blocks = std::map<std::pair<absl::uint128, int>, Block>;

Blocks BlocksOf(absl::Span<const DesiredPrefix> wanted,
                absl::Span<const LivePrefix> live) {
  Blocks blocks;
  // A prefix of IPv6 holds no IPv4 address.
  const IpPrefix v4 = IpPrefix::Of(IpAddress::FromV4(0), 0);
  blocks[{NumberOf(v4.address()), v4.bits()}].wanted_peer = CC_IDENTITY_WORLD;
  for (const DesiredPrefix& prefix : wanted) {
    blocks[{NumberOf(prefix.prefix.address()), prefix.prefix.bits()}]
        .wanted_peer = prefix.peer;
  }
  for (const LivePrefix& prefix : live) {
    const int bits = static_cast<int>(std::min<uint32_t>(prefix.key.bits, 128));
    const absl::uint128 first =
        NumberOf(abi::FromAddr(prefix.key.addr)) & ~HostBits(bits);
    blocks[{first, bits}].live = &prefix;
  }
  return blocks;
}

}  // namespace

std::vector<AddressPart> PartsOf(absl::Span<const DesiredPrefix> wanted,
                                 absl::Span<const LivePrefix> live) {
  std::vector<AddressPart> parts;
  std::vector<AddressPart> around = {{.first = 0, .last = kLast}};
  absl::uint128 at = 0;                      // what is before it, is in `parts`
  bool is_done = false;                      // it is past the last address
  const auto cut = [&](absl::uint128 end) {  // behind what the innermost gets
    if (is_done || end < at) return;
    AddressPart part = around.back();
    part.first = at;
    part.last = end;
    parts.push_back(part);
    is_done = end == kLast;
    at = end + 1;
  };
  for (const auto& [key, block] : BlocksOf(wanted, live)) {
    const auto& [first, bits] = key;
    while (around.back().last < first) {
      cut(around.back().last);
      around.pop_back();
    }
    if (first > 0) cut(first - 1);
    AddressPart inner = around.back();
    inner.first = first;
    inner.last = first | HostBits(bits);
    if (block.wanted_peer.has_value()) {
      inner.wanted_peer = *block.wanted_peer;
      inner.wanted_bits = bits;
    }
    if (block.live != nullptr) inner.live = block.live;
    around.push_back(inner);
  }
  while (!around.empty()) {
    cut(around.back().last);
    around.pop_back();
  }
  return parts;
}

const AddressPart& PartAt(absl::Span<const AddressPart> parts,
                          const IpAddress& address) {
  const absl::uint128 number = NumberOf(address);
  return *std::prev(
      std::upper_bound(parts.begin(), parts.end(), number,
                       [](absl::uint128 wanted, const AddressPart& part) {
                         return wanted < part.first;
                       }));
}

}  // namespace ciliumcore::internal
