// SPDX-License-Identifier: Apache-2.0

// Tables equal to Cilium's. The vectors are of Cilium's own code (Go,
// pkg/maglev as of 1.16), run with the names and weights that are made here.

#include "ciliumcore/service/cilium_maglev.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

namespace ciliumcore {
namespace {

enum class Weights { kOne, kHundred, kMixed, kZero, kSkewed };

uint16_t WeightOf(Weights weights, uint32_t backend) {
  switch (weights) {
    case Weights::kOne:
      return 1;
    case Weights::kHundred:
      return 100;
    case Weights::kMixed:
      return static_cast<uint16_t>(1 + backend * 7 % 13);
    case Weights::kZero:
      return backend % 3 == 0 ? 0 : 10;
    case Weights::kSkewed:
      return backend == 0 ? 60000 : 3;
  }
  return 0;
}

// 10.0.0.0, 10.0.0.1, ... on TCP 8080.
std::vector<CiliumMaglevBackend> Backends(uint32_t count, Weights weights) {
  std::vector<CiliumMaglevBackend> backends;
  for (uint32_t i = 0; i < count; ++i) {
    backends.push_back(
        {.name = CiliumMaglevName(IpAddress::FromV4(0x0a000000 + i),
                                  {.protocol = Protocol::kTcp, .port = 8080}),
         .weight = WeightOf(weights, i)});
  }
  return backends;
}

// FNV-1a over the slots, two bytes each, the lower first.
uint64_t Digest(const std::vector<uint16_t>& table) {
  uint64_t hash = 14695981039346656037u;
  for (const uint16_t slot : table) {
    for (const uint8_t byte : {slot & 0xff, slot >> 8}) {
      hash = (hash ^ byte) * 1099511628211u;
    }
  }
  return hash;
}

struct Vector {
  uint32_t size, backends;
  Weights weights;
  std::array<uint16_t, 8> first;
  uint64_t digest;
};

constexpr Vector kVectors[] = {
    {251, 1, Weights::kOne, {0, 0, 0, 0, 0, 0, 0, 0}, 0x9bbb0f6dcf2821fd},
    {251, 3, Weights::kOne, {0, 0, 0, 0, 1, 2, 1, 2}, 0x74f8bb53eec849ff},
    {509, 5, Weights::kMixed, {3, 3, 0, 1, 4, 3, 1, 3}, 0x68468bfa45eb6976},
    {1021, 10, Weights::kHundred, {2, 1, 1, 6, 8, 6, 7, 7}, 0xf6b6259c1009954d},
    {2039, 20, Weights::kZero, {1, 19, 8, 1, 10, 4, 1, 5}, 0xba6b46ad420b4c95},
    {4093, 7, Weights::kSkewed, {0, 0, 0, 0, 0, 0, 0, 0}, 0x5f7dce4196d44b52},
    {8191,
     81,
     Weights::kMixed,
     {50, 8, 78, 70, 46, 74, 12, 59},
     0x4f53a6f7694fb1fe},
    {16381,
     100,
     Weights::kOne,
     {30, 74, 69, 19, 78, 99, 7, 5},
     0xf556c419ec0ac15f},
    {16381,
     163,
     Weights::kMixed,
     {30, 105, 53, 9, 126, 50, 120, 5},
     0xc1b3b47faf6df3f3},
    {32749,
     50,
     Weights::kHundred,
     {21, 30, 16, 12, 25, 39, 28, 34},
     0x784f5b28d28f8995},
    {65521,
     100,
     Weights::kMixed,
     {90, 5, 76, 62, 90, 51, 48, 51},
     0x234227f709066fa1},
    {131071,
     100,
     Weights::kOne,
     {32, 82, 38, 58, 43, 7, 47, 7},
     0x832910bb97576682},
    {131071,
     200,
     Weights::kMixed,
     {32, 157, 38, 46, 43, 123, 198, 141},
     0x5d1a9eef2b2a23f2},
};

TEST(CiliumMaglevTest, EqualsCiliums) {
  for (const Vector& vector : kVectors) {
    SCOPED_TRACE(::testing::Message()
                 << vector.size << " slots, " << vector.backends
                 << " backends, weights " << static_cast<int>(vector.weights));
    const auto table = BuildCiliumMaglev(
        Backends(vector.backends, vector.weights), vector.size);
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_TRUE(
        std::equal(vector.first.begin(), vector.first.end(), table->begin()));
    EXPECT_EQ(Digest(*table), vector.digest);
  }
}

TEST(CiliumMaglevTest, DependsOnNoOrder) {
  std::vector<CiliumMaglevBackend> backends = Backends(81, Weights::kMixed);
  const std::vector<uint16_t> table = *BuildCiliumMaglev(backends, 8191);
  std::vector<CiliumMaglevBackend> shuffled = backends;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(5));
  const std::vector<uint16_t> other = *BuildCiliumMaglev(shuffled, 8191);
  for (size_t slot = 0; slot < table.size(); ++slot) {
    ASSERT_EQ(backends[table[slot]].name, shuffled[other[slot]].name) << slot;
  }
}

TEST(CiliumMaglevTest, NamesBackendsAsCiliumDoes) {
  EXPECT_EQ(CiliumMaglevName(*IpAddress::Parse("fd00::1"),
                             {.protocol = Protocol::kUdp, .port = 80}),
            "[[fd00::1]:80/UDP,State:active]");
}

TEST(CiliumMaglevTest, RefusesWhatCiliumHasNot) {
  const auto message = [](const std::vector<CiliumMaglevBackend>& backends,
                          uint32_t size, absl::string_view seed) {
    const auto table = BuildCiliumMaglev(backends, size, seed);
    EXPECT_TRUE(absl::IsInvalidArgument(table.status())) << table.status();
    return std::string(table.status().message());
  };
  const auto three = Backends(3, Weights::kOne);
  EXPECT_EQ(message(three, 127, kCiliumMaglevSeed),
            "Maglev table: expected a size of Cilium's, 251 to 131071, found "
            "127");
  EXPECT_EQ(message(three, 251, "JLfvgnHc"),
            "Maglev table: expected a seed of 12 bytes in base64, found "
            "\"JLfvgnHc\"");
  EXPECT_EQ(message({}, 251, kCiliumMaglevSeed),
            "Maglev table of 251 slots: expected 1 to 251 backends, found 0");
  EXPECT_EQ(message(Backends(252, Weights::kOne), 251, kCiliumMaglevSeed),
            "Maglev table of 251 slots: expected 1 to 251 backends, found 252");
  EXPECT_EQ(message({three[0], three[0]}, 251, kCiliumMaglevSeed),
            "Maglev table: two backends are called "
            "\"[10.0.0.0:8080/TCP,State:active]\"");
}

}  // namespace
}  // namespace ciliumcore
