// SPDX-License-Identifier: Apache-2.0

// Pins: maps that outlive the process, and builds that meet them again.

#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ciliumcore/maps/map.h"
#include "ciliumcore/maps/ring_buffer.h"
#include "tests/maps/test_maps.h"
#include "tests/support/private_bpffs.h"

namespace ciliumcore::testing {
namespace {

using ::testing::HasSubstr;

using Pairs = Map<Pair, Pair>;
using SwappedPairs = Map<Pair, SwappedPair>;

const MapOptions kOptions = {.name = "cc_pairs", .capacity = 8};

class PinTest : public ::testing::Test {
 protected:
  void SetUp() override {
    RequireBpf();
    if (!IsSkipped()) bpffs_.emplace();
  }

  std::string Path(const std::string& name) const { return bpffs_->Path(name); }

  static Pairs New() {
    absl::StatusOr<Pairs> map = Pairs::Create(kOptions);
    if (!map.ok()) ADD_FAILURE() << map.status();
    return *std::move(map);
  }

  std::optional<PrivateBpffs> bpffs_;
};

TEST_F(PinTest, KeepsTheMapWhenItsOwnerIsGone) {
  {
    Pairs map = New();
    ASSERT_TRUE(map.Put({1, 2}, {3, 4}).ok());
    ASSERT_TRUE(map.Pin(Path("pairs")).ok());
  }
  const auto map = Pairs::OpenPinned(Path("pairs"));
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(*map->Lookup({1, 2}), (Pair{3, 4}));
}

TEST_F(PinTest, RefusesAPathThatIsTaken) {
  Pairs map = New();
  ASSERT_TRUE(map.Pin(Path("pairs")).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(map.Pin(Path("pairs"))));
  EXPECT_TRUE(absl::IsNotFound(map.Pin(Path("no/directory"))));
}

TEST_F(PinTest, OpensNothingWhereNothingIs) {
  EXPECT_TRUE(absl::IsNotFound(Pairs::OpenPinned(Path("none")).status()));
}

TEST_F(PinTest, RefusesAnOlderLayoutAndNamesEveryFieldThatDiffers) {
  ASSERT_TRUE(New().Pin(Path("pairs")).ok());
  const auto map = SwappedPairs::OpenPinned(Path("pairs"));
  EXPECT_EQ(
      map.status(),
      absl::FailedPreconditionError(
          Path("pairs") + ": map cc_pairs: "
                          "cc_pair: b [0,+4) here, a [0,+4) in the kernel; "
                          "cc_pair: a [4,+4) here, b [4,+4) in the kernel"));
}

TEST_F(PinTest, RefusesAnotherSizeKindOrNoBtf) {
  ASSERT_TRUE(New().Pin(Path("pairs")).ok());
  const auto by_trie = Map<TrieKey, Pair>::OpenPinned(Path("pairs"));
  EXPECT_TRUE(absl::IsFailedPrecondition(by_trie.status()));
  const auto by_integer = Map<uint32_t, Pair>::OpenPinned(Path("pairs"));
  EXPECT_THAT(std::string(by_integer.status().message()),
              HasSubstr("__u32: no integer in the kernel"));

  const UniqueFd bare(
      bpf_map_create(BPF_MAP_TYPE_HASH, "cc_bare", 8, 8, 1, nullptr));
  ASSERT_EQ(bpf_obj_pin(bare.get(), Path("bare").c_str()), 0);
  EXPECT_THAT(std::string(Pairs::OpenPinned(Path("bare")).status().message()),
              HasSubstr("created without BTF"));

  auto ring = RingBuffer::Create({.name = "cc_ring", .bytes = 4096});
  ASSERT_TRUE(ring.ok()) << ring.status();
  ASSERT_EQ(bpf_obj_pin(ring->fd(), Path("ring").c_str()), 0);
  EXPECT_TRUE(
      absl::IsFailedPrecondition(Pairs::OpenPinned(Path("ring")).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      RingBuffer::OpenPinned(Path("pairs")).status()));
}

TEST_F(PinTest, RefusesADescriptorThatIsNoMap) {
  EXPECT_EQ(
      Pairs::Adopt(UniqueFd(::dup(0))).status(),
      absl::FailedPreconditionError("the descriptor is not of a BPF map"));
}

TEST_F(PinTest, ReplacesAPinInOneStep) {
  const std::string path = Path("pairs");
  Pairs first = New();
  ASSERT_TRUE(first.Pin(path).ok());
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    while (!stop) {
      const auto map = Pairs::OpenPinned(path);
      EXPECT_TRUE(map.ok()) << map.status();
    }
  });
  uint32_t last = 0;
  for (int i = 0; i < 200; ++i) {
    Pairs next = New();
    last = next.info().id;
    const absl::Status pinned = next.Pin(path, PinMode::kReplace);
    EXPECT_TRUE(pinned.ok()) << pinned;
  }
  stop = true;
  reader.join();
  EXPECT_EQ(Pairs::OpenPinned(path)->info().id, last);
  size_t pins = 0;
  for (const auto& pin : std::filesystem::directory_iterator(bpffs_->root())) {
    if (pin.path().extension() == ".debug") continue;  // the kernel's own
    EXPECT_EQ(pin.path(), path) << "left over";
    ++pins;
  }
  EXPECT_EQ(pins, 1u);
}

TEST_F(PinTest, OpenOrCreateGivesEveryCallerTheSameMap) {
  for (int round = 0; round < 20; ++round) {
    const std::string path = Path("race" + std::to_string(round));
    std::vector<uint32_t> ids(8);
    std::vector<std::thread> threads;
    for (uint32_t& id : ids) {
      threads.emplace_back([&id, &path] {
        const auto map = Pairs::OpenOrCreatePinned(path, kOptions);
        ASSERT_TRUE(map.ok()) << map.status();
        id = map->info().id;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(std::set<uint32_t>(ids.begin(), ids.end()).size(), 1u);
  }
}

TEST_F(PinTest, OpenOrCreateRefusesAMapOfAnotherSize) {
  ASSERT_TRUE(New().Pin(Path("pairs")).ok());
  const auto map = Pairs::OpenOrCreatePinned(
      Path("pairs"),
      {.name = "cc_pairs", .kind = MapKind::kLruHash, .capacity = 9});
  EXPECT_EQ(map.status(),
            absl::FailedPreconditionError(
                Path("pairs") +
                ": map cc_pairs: kind LRU hash here, hash in the kernel; "
                "capacity 9 here, 8 in the kernel"));
}

TEST(MemoryPinTest, MapInMemoryCannotBePinned) {
  auto map = Pairs::CreateInMemory(kOptions);
  ASSERT_TRUE(map.ok());
  EXPECT_EQ(map->Pin("/nowhere"),
            absl::FailedPreconditionError(
                "map cc_pairs: is in memory and cannot be pinned"));
}

}  // namespace
}  // namespace ciliumcore::testing
