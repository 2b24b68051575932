// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/maps/map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tests/maps/test_maps.h"

namespace ciliumcore::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Pairs = Map<Pair, Pair>;
using Trie = Map<TrieKey, uint32_t>;
using Array = Map<uint32_t, Pair>;

class MapTest : public BackendTest {
 protected:
  static Pairs NewHash(uint32_t capacity) {
    return New<Pairs>(MapOptions{.name = "cc_hash", .capacity = capacity});
  }
  static Trie NewTrie(uint32_t capacity) {
    return New<Trie>(MapOptions{
        .name = "cc_trie", .kind = MapKind::kLpmTrie, .capacity = capacity});
  }
  static Array NewArray(uint32_t capacity) {
    return New<Array>(MapOptions{
        .name = "cc_array", .kind = MapKind::kArray, .capacity = capacity});
  }
};

INSTANTIATE_TEST_SUITE_P(Backends, MapTest,
                         ::testing::Values(Backend::kKernel, Backend::kMemory),
                         BackendName);

TEST_P(MapTest, TellsWhatItIs) {
  const Pairs map = NewHash(7);
  EXPECT_EQ(map.info().name, "cc_hash");
  EXPECT_EQ(map.info().kind, MapKind::kHash);
  EXPECT_EQ(map.info().key_size, 8u);
  EXPECT_EQ(map.info().value_size, 8u);
  EXPECT_EQ(map.info().capacity, 7u);
  EXPECT_EQ(map.info().id != 0, in_kernel());
  EXPECT_EQ(map.fd() >= 0, in_kernel());
}

TEST_P(MapTest, AnswersWithWhatWasPutLast) {
  Pairs map = NewHash(4);
  ASSERT_TRUE(map.Put({1, 2}, {3, 4}).ok());
  EXPECT_EQ(*map.Lookup({1, 2}), (Pair{3, 4}));
  ASSERT_TRUE(map.Put({1, 2}, {5, 6}).ok());
  EXPECT_EQ(*map.Lookup({1, 2}), (Pair{5, 6}));
}

TEST_P(MapTest, SaysNotFoundForAKeyThatIsNotThere) {
  Pairs map = NewHash(4);
  const absl::Status missing = absl::NotFoundError("map cc_hash: no such key");
  EXPECT_EQ(map.Lookup({1, 2}).status(), missing);
  EXPECT_EQ(map.Erase({1, 2}), missing);
  EXPECT_EQ(map.Put({1, 2}, {}, PutMode::kReplace), missing);
}

TEST_P(MapTest, CreateModeRefusesAKeyThatIsThere) {
  Pairs map = NewHash(4);
  ASSERT_TRUE(map.Put({1, 2}, {3, 4}, PutMode::kCreate).ok());
  EXPECT_EQ(map.Put({1, 2}, {5, 6}, PutMode::kCreate),
            absl::AlreadyExistsError("map cc_hash: the key is there already"));
  EXPECT_EQ(*map.Lookup({1, 2}), (Pair{3, 4}));
  EXPECT_TRUE(map.Put({1, 2}, {5, 6}, PutMode::kReplace).ok());
  EXPECT_EQ(*map.Lookup({1, 2}), (Pair{5, 6}));
}

TEST_P(MapTest, ErasedIsGone) {
  Pairs map = NewHash(4);
  ASSERT_TRUE(map.Put({1, 2}, {3, 4}).ok());
  EXPECT_TRUE(map.Erase({1, 2}).ok());
  EXPECT_TRUE(absl::IsNotFound(map.Lookup({1, 2}).status()));
}

TEST_P(MapTest, FullHashRefusesWithItsNameAndCapacity) {
  Pairs map = NewHash(3);
  for (uint32_t i = 0; i < 3; ++i) ASSERT_TRUE(map.Put({i, 0}, {}).ok());
  EXPECT_EQ(map.Put({9, 0}, {}),
            absl::ResourceExhaustedError(
                "map cc_hash: full at its capacity of 3 entries"));
  EXPECT_TRUE(map.Put({1, 0}, {7, 7}).ok()) << "replacing takes no room";
  EXPECT_TRUE(map.Erase({0, 0}).ok());
  EXPECT_TRUE(map.Put({9, 0}, {}).ok());
}

TEST_P(MapTest, LruNeverRefusesAndKeepsTheNewest) {
  Pairs map = New<Pairs>(
      MapOptions{.name = "cc_lru", .kind = MapKind::kLruHash, .capacity = 64});
  for (uint32_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(map.Put({i, 0}, {i, i}).ok());
    EXPECT_EQ(*map.Lookup({i, 0}), (Pair{i, i}));
  }
  size_t count = 0;
  ASSERT_TRUE(map.ForEach([&](const Pair&, const Pair&) { ++count; }).ok());
  EXPECT_GT(count, 0u);
  EXPECT_LE(count, 64u);
  EXPECT_TRUE(absl::IsNotFound(map.Lookup({0, 0}).status()));
}

TEST_P(MapTest, TrieAnswersWithTheLongestPrefix) {
  Trie map = NewTrie(8);
  ASSERT_TRUE(map.Put({0, {}}, 1).ok());
  ASSERT_TRUE(map.Put({8, {10}}, 2).ok());
  ASSERT_TRUE(map.Put({12, {10, 16}}, 3).ok());
  EXPECT_EQ(*map.Lookup({32, {10, 17, 3, 4}}), 3u);
  EXPECT_EQ(*map.Lookup({32, {10, 1, 3, 4}}), 2u);
  EXPECT_EQ(*map.Lookup({32, {11, 1, 3, 4}}), 1u);
  EXPECT_EQ(*map.Lookup({10, {10, 16}}), 2u) << "no longer than asked for";
  EXPECT_TRUE(map.Erase({12, {10, 16}}).ok());
  EXPECT_EQ(*map.Lookup({32, {10, 17, 3, 4}}), 2u);
  EXPECT_TRUE(absl::IsNotFound(map.Erase({9, {10}}))) << "erases no covering";
}

TEST_P(MapTest, TrieTakesPrefixesThatDifferPastTheirLengthAsOne) {
  Trie map = NewTrie(8);
  ASSERT_TRUE(map.Put({8, {10, 1}}, 1).ok());
  EXPECT_TRUE(
      absl::IsAlreadyExists(map.Put({8, {10, 2}}, 2, PutMode::kCreate)));
  ASSERT_TRUE(map.Put({8, {10, 2}}, 2).ok());
  std::vector<uint32_t> values;
  ASSERT_TRUE(map.ForEach([&](const TrieKey&, const uint32_t& v) {
                   values.push_back(v);
                 })
                  .ok());
  EXPECT_THAT(values, ElementsAre(2));
  EXPECT_TRUE(map.Erase({8, {10, 3}}).ok());
}

TEST_P(MapTest, TrieRefusesAPrefixLongerThanItsKey) {
  Trie map = NewTrie(8);
  EXPECT_EQ(map.Put({33, {10}}, 1),
            absl::InvalidArgumentError(
                "map cc_trie: prefix is longer than the 32 bits of a key"));
  EXPECT_TRUE(absl::IsInvalidArgument(map.Erase({33, {10}})));
  EXPECT_TRUE(absl::IsNotFound(map.Lookup({33, {10}}).status()));
}

TEST_P(MapTest, FullTrieRefusesWithItsNameAndCapacity) {
  Trie map = NewTrie(2);
  ASSERT_TRUE(map.Put({8, {1}}, 1).ok());
  ASSERT_TRUE(map.Put({8, {2}}, 1).ok());
  EXPECT_EQ(map.Put({8, {3}}, 1),
            absl::ResourceExhaustedError(
                "map cc_trie: full at its capacity of 2 entries"));
}

TEST_P(MapTest, ArrayBeginsAsZerosAndHasEveryEntry) {
  Array map = NewArray(3);
  EXPECT_EQ(*map.Lookup(2), (Pair{0, 0}));
  ASSERT_TRUE(map.Put(2, {1, 2}).ok());
  EXPECT_EQ(*map.Lookup(2), (Pair{1, 2}));
  EXPECT_TRUE(absl::IsAlreadyExists(map.Put(2, {}, PutMode::kCreate)));
}

TEST_P(MapTest, ArrayRefusesAnIndexBeyondItAndErasing) {
  Array map = NewArray(3);
  EXPECT_TRUE(absl::IsNotFound(map.Lookup(3).status()));
  EXPECT_EQ(
      map.Put(3, {}),
      absl::OutOfRangeError("map cc_array: index is not below its size of 3"));
  EXPECT_EQ(map.Erase(1),
            absl::InvalidArgumentError(
                "map cc_array: entries of an array cannot be erased"));
  EXPECT_TRUE(absl::IsInvalidArgument(
      map.EraseBatch(std::vector<uint32_t>{0}).status()));
}

TEST_P(MapTest, PutsAndErasesBatches) {
  Pairs map = NewHash(1000);
  std::vector<Pair> keys, values;
  for (uint32_t i = 0; i < 1000; ++i) {
    keys.push_back({i, i});
    values.push_back({i, 7});
  }
  size_t done = 0;
  ASSERT_TRUE(map.PutBatch(keys, values, &done).ok());
  EXPECT_EQ(done, 1000u);
  for (uint32_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(*map.Lookup({i, i}), (Pair{i, 7}));
  }
  EXPECT_EQ(*map.EraseBatch(keys), 1000u);
  EXPECT_TRUE(absl::IsNotFound(map.Lookup({3, 3}).status()));
}

TEST_P(MapTest, BatchOfNothingDoesNothing) {
  Pairs map = NewHash(1);
  size_t done = 9;
  EXPECT_TRUE(map.PutBatch({}, {}, &done).ok());
  EXPECT_EQ(done, 0u);
  EXPECT_EQ(*map.EraseBatch({}), 0u);
}

TEST_P(MapTest, BatchRefusesKeysWithoutValues) {
  Pairs map = NewHash(1);
  EXPECT_EQ(map.PutBatch(std::vector<Pair>(2), std::vector<Pair>(1)),
            absl::InvalidArgumentError("map cc_hash: 2 keys for 1 values"));
}

TEST_P(MapTest, BatchThatDoesNotFitSaysHowManyDid) {
  Pairs map = NewHash(4);
  std::vector<Pair> keys, values(6);
  for (uint32_t i = 0; i < 6; ++i) keys.push_back({i, 0});
  size_t done = 0;
  EXPECT_EQ(map.PutBatch(keys, values, &done),
            absl::ResourceExhaustedError(
                "map cc_hash: full at its capacity of 4 entries (after 4 of 6 "
                "entries)"));
  EXPECT_EQ(done, 4u);
  EXPECT_TRUE(map.Lookup({3, 0}).ok());
  EXPECT_FALSE(map.Lookup({4, 0}).ok());
}

TEST_P(MapTest, BatchStopsAtTheEntryThatIsWrong) {
  Trie map = NewTrie(8);
  const std::vector<TrieKey> keys = {{8, {1}}, {8, {2}}, {40, {3}}, {8, {4}}};
  size_t done = 0;
  const absl::Status status =
      map.PutBatch(keys, std::vector<uint32_t>{1, 2, 3, 4}, &done);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("after 2 of 4"));
  EXPECT_EQ(done, 2u);
  EXPECT_TRUE(map.Lookup({8, {2}}).ok());
  EXPECT_FALSE(map.Lookup({8, {4}}).ok());
}

TEST_P(MapTest, EraseBatchPassesOverKeysThatAreNotThere) {
  Pairs map = NewHash(16);
  std::vector<Pair> keys;
  for (uint32_t i = 0; i < 10; ++i) keys.push_back({i, 0});
  for (uint32_t i = 0; i < 10; i += 3) ASSERT_TRUE(map.Put({i, 0}, {}).ok());
  EXPECT_EQ(*map.EraseBatch(keys), 4u);
  EXPECT_EQ(*map.EraseBatch(keys), 0u);
}

TEST_P(MapTest, WalkSeesEveryEntryOnce) {
  for (const uint32_t size : {0u, 1u, 511u, 512u, 513u, 3000u}) {
    Pairs map = NewHash(3000);
    std::map<Pair, Pair> expected, seen;
    for (uint32_t i = 0; i < size; ++i) {
      expected[{i, i * i}] = {i, 1};
      ASSERT_TRUE(map.Put({i, i * i}, {i, 1}).ok());
    }
    ASSERT_TRUE(map.ForEach([&](const Pair& key, const Pair& value) {
                     EXPECT_TRUE(seen.emplace(key, value).second);
                   })
                    .ok());
    EXPECT_EQ(seen, expected);
  }
}

TEST_P(MapTest, WalkThroughAnArrayGoesByIndex) {
  Array map = NewArray(1000);
  uint32_t next = 0;
  ASSERT_TRUE(map.Put(999, {5, 5}).ok());
  ASSERT_TRUE(map.ForEach([&](const uint32_t& index, const Pair& value) {
                   EXPECT_EQ(index, next++);
                   EXPECT_EQ(value.a, index == 999 ? 5u : 0u);
                 })
                  .ok());
  EXPECT_EQ(next, 1000u);
}

TEST_P(MapTest, WalkGoesOnAfterEachBatch) {
  Trie map = NewTrie(1000);
  for (uint32_t i = 0; i < 1000; ++i) {
    const uint8_t low = static_cast<uint8_t>(i);
    ASSERT_TRUE(
        map.Put({32, {1, static_cast<uint8_t>(i >> 8), low, 0}}, i).ok());
  }
  std::vector<TrieKey> keys(7);
  std::vector<uint32_t> values(7);
  std::map<uint32_t, int> seen;
  MapCursor cursor;
  while (true) {
    const auto count =
        map.LookupBatch(&cursor, absl::MakeSpan(keys), absl::MakeSpan(values));
    ASSERT_TRUE(count.ok()) << count.status();
    if (*count == 0) break;
    for (size_t i = 0; i < *count; ++i) ++seen[values[i]];
  }
  EXPECT_TRUE(cursor.done());
  EXPECT_EQ(seen.size(), 1000u);
  for (const auto& [value, times] : seen) EXPECT_EQ(times, 1) << value;
}

TEST_P(MapTest, WalkMayEraseWhatItSees) {
  Pairs hash = NewHash(2000);
  Trie trie = NewTrie(2000);
  for (uint32_t i = 0; i < 2000; ++i) {
    ASSERT_TRUE(hash.Put({i, 0}, {}).ok());
    ASSERT_TRUE(trie.Put({32,
                          {1, 2, static_cast<uint8_t>(i >> 8),
                           static_cast<uint8_t>(i)}},
                         i)
                    .ok());
  }
  ASSERT_TRUE(hash.ForEach([&](const Pair& key, const Pair&) {
                    EXPECT_TRUE(hash.Erase(key).ok());
                  })
                  .ok());
  ASSERT_TRUE(trie.ForEach([&](const TrieKey& key, const uint32_t&) {
                    EXPECT_TRUE(trie.Erase(key).ok());
                  })
                  .ok());
  EXPECT_TRUE(
      hash.ForEach([](const Pair&, const Pair&) { ADD_FAILURE(); }).ok());
  EXPECT_TRUE(
      trie.ForEach([](const TrieKey&, const uint32_t&) { ADD_FAILURE(); })
          .ok());
}

// Half of the entries stay while a thread erases and puts the others.
template <typename K, typename V>
void SeesWhatStays(Map<K, V>* map, K (*stays)(uint32_t), K (*goes)(uint32_t)) {
  constexpr uint32_t kEach = 500;
  std::map<K, int> expected;
  for (uint32_t i = 0; i < kEach; ++i) {
    ASSERT_TRUE(map->Put(stays(i), {}).ok());
    expected[stays(i)] = 1;
  }
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    while (!stop) {
      for (uint32_t i = 0; i < kEach && !stop; ++i) {
        EXPECT_TRUE(map->Put(goes(i), {}).ok());
        EXPECT_TRUE(map->Put(stays(i), {}).ok()) << "replaced, it stays";
      }
      for (uint32_t i = 0; i < kEach; ++i) (void)map->Erase(goes(i));
    }
  });
  for (int walk = 0; walk < 50; ++walk) {
    std::map<K, int> seen;
    const absl::Status status = map->ForEach(
        [&](const K& key, const V&) { EXPECT_EQ(++seen[key], 1) << "twice"; });
    EXPECT_TRUE(status.ok()) << status;
    size_t stayed = 0;
    for (const auto& [key, count] : seen) stayed += expected.count(key);
    EXPECT_EQ(stayed, expected.size());
  }
  stop = true;
  writer.join();
}

TEST_P(MapTest, WalkThroughAHashSeesWhatStaysWhileOthersGo) {
  Pairs map = NewHash(2000);
  SeesWhatStays<Pair, Pair>(
      &map,
      [](uint32_t i) {
        return Pair{i, 0};
      },
      [](uint32_t i) {
        return Pair{i, 1};
      });
}

TEST_P(MapTest, WalkThroughATrieSeesWhatStaysWhileOthersGo) {
  Trie map = NewTrie(2000);
  SeesWhatStays<TrieKey, uint32_t>(
      &map,
      [](uint32_t i) {
        return TrieKey{
            32, {1, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 0}};
      },
      [](uint32_t i) {
        return TrieKey{
            32, {1, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 1}};
      });
}

TEST_P(MapTest, RefusesASpecThatContradictsItself) {
  const auto create = [](MapOptions options) {
    return (in_kernel() ? Pairs::Create(options)
                        : Pairs::CreateInMemory(options))
        .status();
  };
  EXPECT_EQ(create({.name = "a_name_too_long_", .capacity = 1}),
            absl::InvalidArgumentError(
                "map a_name_too_long_: a name is 1 to 15 of [A-Za-z0-9_]"));
  EXPECT_EQ(create({.name = "cc_m"}),
            absl::InvalidArgumentError("map cc_m: its capacity is 0"));
  EXPECT_EQ(
      create({.name = "cc_m", .kind = MapKind::kArray, .capacity = 1}),
      absl::InvalidArgumentError("map cc_m: the key of an array is a __u32"));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      create({.name = "cc_m", .kind = MapKind::kPerCpuHash, .capacity = 1})));
}

}  // namespace
}  // namespace ciliumcore::testing
