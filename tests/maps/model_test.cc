// SPDX-License-Identifier: Apache-2.0

// Random operations on maps of every kind, against a model that is obviously
// right: an std::map and a linear search.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "ciliumcore/maps/map.h"
#include "tests/maps/test_maps.h"

namespace ciliumcore::testing {
namespace {

constexpr int kOperations = 5000;
constexpr uint32_t kCapacity = 24;
constexpr uint32_t kKeys = 40;  // more than fit

uint32_t Below(uint32_t bound, std::mt19937& random) {
  return static_cast<uint32_t>(random() % bound);
}

// Clears what is past the first `bits` bits.
TrieKey Canonical(TrieKey key) {
  for (uint32_t bit = key.bits; bit < 32; ++bit) {
    key.data[bit / 8] &= static_cast<uint8_t>(~(0x80 >> bit % 8));
  }
  return key;
}

// What a map of one kind does beyond what all do.
struct HashRules {
  using Key = Pair;
  static constexpr MapKind kKind = MapKind::kHash;
  static Key Random(std::mt19937& random) { return {Below(kKeys, random), 1}; }
  static Key Same(const Key& key) { return key; }
  static bool Covers(const Key& a, const Key& b) { return a == b; }
};

struct LruRules : HashRules {
  static constexpr MapKind kKind = MapKind::kLruHash;
  // Fewer than fit: what the kernel evicts is its own affair.
  static Key Random(std::mt19937& random) { return {Below(8, random), 1}; }
};

struct TrieRules {
  using Key = TrieKey;
  static constexpr MapKind kKind = MapKind::kLpmTrie;
  static Key Random(std::mt19937& random) {
    // Few bits that differ, so that prefixes cover each other.
    return {Below(33, random),
            {static_cast<uint8_t>(Below(4, random) << 6), 0,
             static_cast<uint8_t>(Below(2, random)), 0}};
  }
  static Key Same(const Key& key) { return Canonical(key); }
  static bool Covers(const Key& prefix, const Key& key) {
    return prefix.bits <= key.bits &&
           Canonical({prefix.bits, key.data}).data == prefix.data;
  }
};

struct ArrayRules {
  using Key = uint32_t;
  static constexpr MapKind kKind = MapKind::kArray;
  static Key Random(std::mt19937& random) { return Below(kKeys, random); }
  static Key Same(Key key) { return key; }
  static bool Covers(Key a, Key b) { return a == b; }
};

// The model: entries by canonical key, and the code that each call must return.
template <typename Rules>
class Model {
 public:
  using Key = typename Rules::Key;

  Model() {
    if (is_array()) {
      for (uint32_t i = 0; i < kCapacity; ++i) PutUnchecked(i, 0);
    }
  }

  absl::StatusCode Put(const Key& key, uint32_t value, PutMode mode) {
    const bool there = entries_.count(Rules::Same(key)) != 0;
    if (is_array() && !there) return absl::StatusCode::kOutOfRange;
    if (there && mode == PutMode::kCreate) {
      return absl::StatusCode::kAlreadyExists;
    }
    if (!there && mode == PutMode::kReplace) return absl::StatusCode::kNotFound;
    if (!there && entries_.size() == kCapacity) {
      return absl::StatusCode::kResourceExhausted;
    }
    entries_[Rules::Same(key)] = value;
    return absl::StatusCode::kOk;
  }

  absl::StatusCode Erase(const Key& key) {
    if (is_array()) return absl::StatusCode::kInvalidArgument;
    return entries_.erase(Rules::Same(key)) == 1 ? absl::StatusCode::kOk
                                                 : absl::StatusCode::kNotFound;
  }

  std::optional<uint32_t> Lookup(const Key& key) const {
    // Of the prefixes that cover a key, the longest is last in order.
    std::optional<uint32_t> found;
    for (const auto& [candidate, value] : entries_) {
      if (Rules::Covers(candidate, key)) found = value;
    }
    return found;
  }

  const std::map<Key, uint32_t>& entries() const { return entries_; }
  static constexpr bool is_array() { return Rules::kKind == MapKind::kArray; }

 private:
  void PutUnchecked(uint32_t index, uint32_t value) {
    if constexpr (is_array()) entries_[index] = value;
  }

  std::map<Key, uint32_t> entries_;
};

template <typename Rules>
class Trial {
 public:
  using Key = typename Rules::Key;

  Trial(Map<Key, uint32_t> map, unsigned seed)
      : map_(std::move(map)), random_(seed) {}

  void Operate() {
    for (int i = 0; i < kOperations && !::testing::Test::HasFailure(); ++i) {
      switch (random_() % 16) {
        case 0:
          Walk();
          break;
        case 1:
          PutBatch();
          break;
        case 2:
          EraseBatch();
          break;
        case 3:
        case 4:
        case 5:
          Erase();
          break;
        default:
          random_() % 2 == 0 ? Put() : Lookup();
      }
    }
  }

 private:
  Key RandomKey() { return Rules::Random(random_); }

  void Put() {
    const Key key = RandomKey();
    const uint32_t value = random_();
    const PutMode mode = static_cast<PutMode>(random_() % 3);
    EXPECT_EQ(map_.Put(key, value, mode).code(), model_.Put(key, value, mode));
  }

  void Lookup() {
    const Key key = RandomKey();
    const auto expected = model_.Lookup(key);
    const auto found = map_.Lookup(key);
    ASSERT_EQ(found.ok(), expected.has_value()) << found.status();
    if (found.ok()) {
      EXPECT_EQ(*found, *expected);
    } else {
      EXPECT_TRUE(absl::IsNotFound(found.status()));
    }
  }

  void Erase() {
    const Key key = RandomKey();
    EXPECT_EQ(map_.Erase(key).code(), model_.Erase(key));
  }

  void PutBatch() {
    std::vector<Key> keys(random_() % 10);
    std::vector<uint32_t> values(keys.size());
    size_t expected_done = 0;
    absl::StatusCode expected = absl::StatusCode::kOk;
    for (size_t i = 0; i < keys.size(); ++i) {
      keys[i] = RandomKey();
      values[i] = random_();
      if (expected != absl::StatusCode::kOk) continue;
      expected = model_.Put(keys[i], values[i], PutMode::kAny);
      if (expected == absl::StatusCode::kOk) ++expected_done;
    }
    size_t done = 0;
    EXPECT_EQ(map_.PutBatch(keys, values, &done).code(), expected);
    EXPECT_EQ(done, expected_done);
  }

  void EraseBatch() {
    std::vector<Key> keys(random_() % 10);
    size_t expected = 0;
    for (Key& key : keys) {
      key = RandomKey();
      if (model_.Erase(key) == absl::StatusCode::kOk) ++expected;
    }
    const auto erased = map_.EraseBatch(keys);
    if (model_.is_array() && !keys.empty()) {
      EXPECT_TRUE(absl::IsInvalidArgument(erased.status()));
    } else {
      ASSERT_TRUE(erased.ok()) << erased.status();
      EXPECT_EQ(*erased, expected);
    }
  }

  void Walk() {
    std::map<Key, uint32_t> seen;
    const absl::Status status =
        map_.ForEach([&seen](const Key& key, const uint32_t& value) {
          EXPECT_TRUE(seen.emplace(Rules::Same(key), value).second);
        });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(seen, model_.entries());
  }

  Map<Key, uint32_t> map_;
  Model<Rules> model_;
  std::mt19937 random_;
};

class ModelTest : public BackendTest {
 protected:
  template <typename Rules>
  static void Check() {
    for (unsigned seed = 1; seed <= 3; ++seed) {
      SCOPED_TRACE(seed);
      Trial<Rules>(
          New<Map<typename Rules::Key, uint32_t>>(MapOptions{
              .name = "cc_model", .kind = Rules::kKind, .capacity = kCapacity}),
          seed)
          .Operate();
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Backends, ModelTest,
                         ::testing::Values(Backend::kKernel, Backend::kMemory),
                         BackendName);

TEST_P(ModelTest, HashDoesWhatItsModelDoes) { Check<HashRules>(); }
TEST_P(ModelTest, LruBelowItsCapacityDoesWhatItsModelDoes) {
  Check<LruRules>();
}
TEST_P(ModelTest, TrieDoesWhatItsModelDoes) { Check<TrieRules>(); }
TEST_P(ModelTest, ArrayDoesWhatItsModelDoes) { Check<ArrayRules>(); }

}  // namespace
}  // namespace ciliumcore::testing
