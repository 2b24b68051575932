// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/base/shared_map.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace ciliumcore {
namespace {

using Map = SharedMap<uint32_t, uint32_t>;
using Plain = std::map<uint32_t, uint32_t>;
using Difference =
    std::tuple<uint32_t, std::optional<uint32_t>, std::optional<uint32_t>>;

std::optional<uint32_t> ValueOf(const uint32_t* value) {
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::vector<Difference> Differences(const Map& before, const Map& after) {
  std::vector<Difference> found;
  after.DiffFrom(before,
                 [&](uint32_t key, const uint32_t* a, const uint32_t* b) {
                   found.emplace_back(key, ValueOf(a), ValueOf(b));
                 });
  return found;
}

std::vector<Difference> Differences(const Plain& before, const Plain& after) {
  const auto value = [](const Plain& map, uint32_t key) {
    const auto at = map.find(key);
    return at == map.end() ? std::nullopt : std::optional(at->second);
  };
  Plain keys = before;
  keys.insert(after.begin(), after.end());
  std::vector<Difference> found;
  for (const auto& [key, any] : keys) {
    if (value(before, key) != value(after, key)) {
      found.emplace_back(key, value(before, key), value(after, key));
    }
  }
  return found;
}

TEST(SharedMapTest, HoldsWhatAPlainMapHolds) {
  std::mt19937 random(1);
  Map map, before;
  Plain plain, plain_before;
  for (int i = 0; i < 20'000; ++i) {
    const uint32_t key = random() % 2'000;
    if (random() % 3 != 0) {
      const uint32_t value = random() % 4;
      map.Set(key, value);
      plain[key] = value;
    } else {
      ASSERT_EQ(map.Erase(key), plain.erase(key) == 1);
    }
    ASSERT_EQ(map.size(), plain.size());
    const uint32_t asked = random() % 2'000;
    const auto at = plain.find(asked);
    ASSERT_EQ(ValueOf(map.Find(asked)),
              at == plain.end() ? std::nullopt : std::optional(at->second));
    if (i % 97 != 0) continue;
    ASSERT_EQ(Plain(map.begin(), map.end()), plain);
    ASSERT_EQ(Differences(before, map), Differences(plain_before, plain));
    ASSERT_EQ(Plain(before.begin(), before.end()), plain_before);
    before = map;
    plain_before = plain;
  }
}

TEST(SharedMapTest, EmptiesAndFillsAgain) {
  Map map;
  for (uint32_t i = 0; i < 500; ++i) map.Set(i, i);
  for (uint32_t i = 0; i < 500; ++i) EXPECT_TRUE(map.Erase(i));
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.begin(), map.end());
  EXPECT_EQ(map.Find(7), nullptr);
  map.Set(7, 1);
  EXPECT_EQ(map, (Map{{7, 1}}));
}

TEST(SharedMapTest, WhatIsMovedFromIsAMapStill) {
  Map map = {{1, 10}, {2, 20}};
  const Map taken = std::move(map);
  EXPECT_EQ(taken.size(), 2u);
  EXPECT_EQ(map, taken);
  map.Set(3, 30);
  EXPECT_EQ(map.size(), 3u);
  EXPECT_EQ(taken.size(), 2u);
}

TEST(SharedMapTest, IsMadeOfSortedEntries) {
  std::vector<std::pair<uint32_t, uint32_t>> entries;
  Map one_by_one;
  for (uint32_t i = 0; i < 1'000; ++i) {
    entries.emplace_back(i * 2, i);
    one_by_one.Set(i * 2, i);
  }
  EXPECT_EQ(Map::FromSorted(entries), one_by_one);
  EXPECT_EQ(Map::FromSorted({}), Map());
}

// A value that counts how often it is compared.
struct Counted {
  int value = 0;
  static inline int compared = 0;
  friend bool operator==(const Counted& a, const Counted& b) {
    ++compared;
    return a.value == b.value;
  }
};

TEST(SharedMapTest, ReadsOnlyWhatIsNotShared) {
  SharedMap<int, Counted> map;
  for (int i = 0; i < 10'000; ++i) map.Set(i, {i});
  SharedMap<int, Counted> other = map;
  EXPECT_TRUE(other.IsSameAs(map));
  EXPECT_EQ(other, map);
  EXPECT_EQ(Counted::compared, 0);
  other.Set(5'000, {1});
  other.Erase(7'000);
  std::vector<int> keys;
  Counted::compared = 0;
  other.DiffFrom(map, [&](int key, const Counted*, const Counted*) {
    keys.push_back(key);
  });
  EXPECT_EQ(keys, (std::vector<int>{5'000, 7'000}));
  EXPECT_LE(Counted::compared, 2 * 128);
}

}  // namespace
}  // namespace ciliumcore
