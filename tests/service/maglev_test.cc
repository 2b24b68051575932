// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/service/maglev.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <vector>

namespace ciliumcore {
namespace {

std::vector<MaglevBackend> Equal(uint32_t count) {
  std::vector<MaglevBackend> backends;
  for (uint32_t i = 0; i < count; ++i)
    backends.push_back({.key = 1000 + 7919ull * i, .weight = 1});
  return backends;
}

std::vector<uint16_t> Build(const std::vector<MaglevBackend>& backends,
                            uint32_t size) {
  absl::StatusOr<std::vector<uint16_t>> table = BuildMaglev(backends, size);
  EXPECT_TRUE(table.ok()) << table.status();
  return table.ok() ? *table : std::vector<uint16_t>();
}

std::vector<uint32_t> SlotsOf(const std::vector<uint16_t>& table,
                              size_t backends) {
  std::vector<uint32_t> slots(backends);
  for (const uint16_t index : table) ++slots[index];
  return slots;
}

// Keys of the slots' backends: tables of other indices compare.
std::vector<uint64_t> Keys(const std::vector<uint16_t>& table,
                           const std::vector<MaglevBackend>& backends) {
  std::vector<uint64_t> keys;
  for (const uint16_t index : table) keys.push_back(backends[index].key);
  return keys;
}

TEST(MaglevTest, SizesArePrimesOfDoublingSize) {
  uint32_t last = 0;
  for (const uint32_t size : MaglevSizes()) {
    for (uint32_t d = 2; d * d <= size; ++d) EXPECT_NE(size % d, 0u) << size;
    if (last != 0) {
      EXPECT_NEAR(static_cast<double>(size) / last, 2, 0.04);
    }
    last = size;
  }
  EXPECT_EQ(last, 131071u);
}

TEST(MaglevTest, ASizeIsTheSmallestWithinOnePercent) {
  EXPECT_EQ(MaglevSizeFor({}), 0u);
  EXPECT_EQ(MaglevSizeFor({{.key = 1, .weight = 0}}), 0u);
  EXPECT_EQ(MaglevSizeFor(Equal(1)), 127u);
  EXPECT_EQ(MaglevSizeFor(Equal(2)), 251u);
  EXPECT_EQ(MaglevSizeFor(Equal(3)), 509u);
  EXPECT_EQ(MaglevSizeFor(Equal(1310)), 131071u);
  EXPECT_EQ(MaglevSizeFor(Equal(5000)), 131071u);
  // 1 in 101 of the weight needs 100 times 101 slots.
  EXPECT_EQ(MaglevSizeFor({{.key = 1, .weight = 1}, {.key = 2, .weight = 100}}),
            16381u);
}

TEST(MaglevTest, SharesAreThoseOfTheWeightsExactly) {
  std::mt19937 random(1);
  for (int round = 0; round < 60; ++round) {
    std::vector<MaglevBackend> backends = Equal(1 + random() % 60);
    uint64_t total = 0;
    for (MaglevBackend& backend : backends) {
      backend.weight = round % 3 == 0 ? 1 : 1 + random() % 10;
      total += backend.weight;
    }
    const uint32_t size = MaglevSizeFor(backends);
    const auto slots = SlotsOf(Build(backends, size), backends.size());
    for (size_t i = 0; i < backends.size(); ++i) {
      const double ideal = static_cast<double>(size) * backends[i].weight /
                           static_cast<double>(total);
      EXPECT_LT(std::abs(slots[i] - ideal), 1);
      EXPECT_LE(std::abs(slots[i] - ideal), ideal / 100);
    }
  }
}

// The paper's loop, slot by slot, for equal weights.
std::vector<uint64_t> ByTheBook(std::vector<MaglevBackend> backends,
                                uint32_t size) {
  const auto mix = [](uint64_t x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
  };
  std::sort(backends.begin(), backends.end(),
            [](const auto& a, const auto& b) { return a.key < b.key; });
  std::vector<uint64_t> next(backends.size()), entry(size);
  std::vector<bool> taken(size);
  for (uint32_t filled = 0;;) {
    for (size_t i = 0; i < backends.size(); ++i) {
      const uint64_t hash = mix(backends[i].key);
      const uint64_t offset = (hash >> 32) % size;
      const uint64_t skip = (hash & 0xffffffff) % (size - 1) + 1;
      uint64_t slot = (offset + next[i] * skip) % size;
      while (taken[slot]) slot = (offset + ++next[i] * skip) % size;
      taken[slot] = true;
      entry[slot] = backends[i].key;
      ++next[i];
      if (++filled == size) return entry;
    }
  }
}

TEST(MaglevTest, EqualWeightsGiveTheTableOfThePaper) {
  for (const uint32_t size : {127u, 509u, 4093u, 16381u}) {
    for (const uint32_t count : {1u, 2u, 3u, 7u, 100u, 127u}) {
      const auto backends = Equal(count);
      EXPECT_EQ(Keys(Build(backends, size), backends),
                ByTheBook(backends, size))
          << count << " of " << size;
    }
  }
}

TEST(MaglevTest, TheOrderOfBackendsDoesNotMatter) {
  std::mt19937 random(2);
  std::vector<MaglevBackend> backends = Equal(37);
  for (MaglevBackend& backend : backends) backend.weight = 1 + random() % 4;
  const auto keys = Keys(Build(backends, 8191), backends);
  std::shuffle(backends.begin(), backends.end(), random);
  EXPECT_EQ(Keys(Build(backends, 8191), backends), keys);
}

TEST(MaglevTest, ABackendThatGoesMovesFewSlotsOfTheOthers) {
  const std::vector<MaglevBackend> all = Equal(50);
  const auto before = Keys(Build(all, 8191), all);
  std::vector<MaglevBackend> rest(all.begin() + 1, all.end());
  const auto after = Keys(Build(rest, 8191), rest);
  size_t moved = 0;
  for (size_t slot = 0; slot < before.size(); ++slot) {
    moved += before[slot] != all[0].key && before[slot] != after[slot];
  }
  // A modulo would move 98 %.
  EXPECT_LT(moved, before.size() / 20);
}

TEST(MaglevTest, AWeightOfZeroGetsNothing) {
  std::vector<MaglevBackend> backends = Equal(3);
  backends[1].weight = 0;
  const auto slots = SlotsOf(Build(backends, 251), 3);
  EXPECT_EQ(slots[1], 0u);
  EXPECT_EQ(slots[0] + slots[2], 251u);
}

TEST(MaglevTest, RefusesWhatIsNoTable) {
  EXPECT_EQ(BuildMaglev(Equal(2), 100).status(),
            absl::InvalidArgumentError(
                "Maglev table: expected a size of MaglevSizes(), found 100"));
  EXPECT_EQ(BuildMaglev({}, 127).status(),
            absl::InvalidArgumentError(
                "Maglev table: expected a backend with a weight, found none"));
  EXPECT_EQ(BuildMaglev(Equal(128), 127).status(),
            absl::InvalidArgumentError("Maglev table of 127 slots: expected at "
                                       "most 127 backends, found 128"));
  EXPECT_EQ(BuildMaglev(Equal(65536), 131071).status(),
            absl::InvalidArgumentError("Maglev table of 131071 slots: expected "
                                       "at most 65535 backends, found 65536"));
  EXPECT_EQ(BuildMaglev({{.key = 5, .weight = 1}, {.key = 5, .weight = 2}}, 127)
                .status(),
            absl::InvalidArgumentError(
                "Maglev table: backends 0 and 1 have one key"));
}

}  // namespace
}  // namespace ciliumcore
