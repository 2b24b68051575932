// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/service/cilium_maglev.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/service/maglev.h"

namespace ciliumcore {
namespace {

constexpr uint32_t kSmallest = 251;
constexpr size_t kSeedBytes = 12;
constexpr uint32_t kNobody = 0xffffffff;

// MurmurHash3_x64_128 (Appleby, public domain), as a little-endian machine
// reads the bytes.
std::pair<uint64_t, uint64_t> Murmur3(absl::string_view data, uint32_t seed) {
  constexpr uint64_t kMul[] = {0x87c37b91114253d5, 0x4cf5ad432745937f};
  // One half of a block, mixed for the half of the state that it goes into.
  const auto mix = [&](uint64_t word, int half) {
    return std::rotl(word * kMul[half], half == 0 ? 31 : 33) * kMul[1 - half];
  };
  const auto finish = [](uint64_t x) {
    x = (x ^ x >> 33) * 0xff51afd7ed558ccd;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53;
    return x ^ x >> 33;
  };
  uint64_t a = seed, b = seed;
  absl::string_view rest = data;
  for (; rest.size() >= 16; rest.remove_prefix(16)) {
    uint64_t words[2];
    std::memcpy(words, rest.data(), 16);
    a = (std::rotl(a ^ mix(words[0], 0), 27) + b) * 5 + 0x52dce729;
    b = (std::rotl(b ^ mix(words[1], 1), 31) + a) * 5 + 0x38495ab5;
  }
  uint64_t words[2] = {};
  std::memcpy(words, rest.data(), rest.size());
  a ^= mix(words[0], 0) ^ data.size();
  b ^= mix(words[1], 1) ^ data.size();
  a += b;
  b += a;
  a = finish(a);
  b = finish(b);
  a += b;
  return {a, b + a};
}

// A backend's walk over the slots, and when it is its turn.
struct Turn {
  uint32_t index = 0;  // of the backend
  uint64_t weight = 0;
  uint64_t at = 0, skip = 0;
  double due = 0;  // weight times picks, at which it is to have the next slot
};

std::vector<uint16_t> Fill(std::vector<Turn> turns, uint32_t size) {
  const uint64_t total = std::accumulate(
      turns.begin(), turns.end(), uint64_t{0},
      [](uint64_t sum, const Turn& turn) { return sum + turn.weight; });
  const bool weights_count = total / turns.size() > 1;
  std::vector<uint32_t> table(size, kNobody);
  for (uint64_t pick = 0; pick < size; ++pick) {
    size_t of = pick % turns.size();
    if (weights_count) {
      while ((pick + 1) * turns[of].weight <
             static_cast<uint64_t>(turns[of].due)) {
        of = (of + 1) % turns.size();
      }
      turns[of].due += static_cast<double>(total);
    }
    Turn& turn = turns[of];
    while (table[turn.at] != kNobody) turn.at = (turn.at + turn.skip) % size;
    table[turn.at] = turn.index;
  }
  return {table.begin(), table.end()};
}

}  // namespace

std::string CiliumMaglevName(const IpAddress& address, PortProtocol port) {
  const std::string host = address.is_v4()
                               ? address.ToString()
                               : absl::StrCat("[", address.ToString(), "]");
  return absl::StrCat("[", host, ":", port.port, "/",
                      ProtocolName(port.protocol), ",State:active]");
}

absl::StatusOr<std::vector<uint16_t>> BuildCiliumMaglev(
    absl::Span<const CiliumMaglevBackend> backends, uint32_t size,
    absl::string_view seed) {
  const auto sizes = MaglevSizes();
  if (size < kSmallest ||
      std::find(sizes.begin(), sizes.end(), size) == sizes.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("Maglev table: expected a size of Cilium's, ", kSmallest,
                     " to ", sizes.back(), ", found ", size));
  }
  std::string bytes;
  if (!absl::Base64Unescape(seed, &bytes) || bytes.size() != kSeedBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("Maglev table: expected a seed of ", kSeedBytes,
                     " bytes in base64, found \"", seed, "\""));
  }
  if (backends.empty() || backends.size() > std::min<size_t>(size, 65535)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "Maglev table of ", size, " slots: expected 1 to ",
        std::min<size_t>(size, 65535), " backends, found ", backends.size()));
  }
  uint32_t murmur_seed = 0;
  for (int i = 0; i < 4; ++i) {
    murmur_seed = murmur_seed << 8 | static_cast<uint8_t>(bytes[i]);
  }
  std::vector<Turn> turns;
  for (const CiliumMaglevBackend& backend : backends) {
    const auto [a, b] = Murmur3(backend.name, murmur_seed);
    turns.push_back(
        {.index = static_cast<uint32_t>(turns.size()),
         .weight = backend.weight,
         .at = a % size,
         .skip = b % (size - 1) + 1,
         .due = static_cast<double>(backend.weight) / backends.size()});
  }
  const auto name_of = [&](const Turn& turn) -> const std::string& {
    return backends[turn.index].name;
  };
  std::sort(turns.begin(), turns.end(), [&](const Turn& x, const Turn& y) {
    return name_of(x) < name_of(y);
  });
  for (size_t i = 1; i < turns.size(); ++i) {
    if (name_of(turns[i]) != name_of(turns[i - 1])) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "Maglev table: two backends are called \"", name_of(turns[i]), "\""));
  }
  return Fill(std::move(turns), size);
}

}  // namespace ciliumcore
