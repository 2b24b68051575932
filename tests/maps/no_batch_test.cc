// SPDX-License-Identifier: Apache-2.0

// Maps on kernels that know no batches: batch calls and walks do their work
// entry by entry, with the same results.

#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "ciliumcore/maps/map.h"
#include "tests/maps/test_maps.h"

namespace ciliumcore::testing {
namespace {

// How kernels refuse: before 5.6 the command is unknown, later ones may know it
// but not for the kind of map.
constexpr int kUnknownCommand = EINVAL;
constexpr int kNotForThisKind = 524;  // ENOTSUPP

// From now on the calling thread's bpf(2) answers batch commands with `error`.
void RefuseBatches(int error) {
  static_assert(BPF_MAP_DELETE_BATCH == BPF_MAP_LOOKUP_BATCH + 3);
  const auto load = [](size_t offset) -> sock_filter {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<__u32>(offset));
  };
  sock_filter filter[] = {
      load(offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_bpf, 0, 4),
      load(offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, BPF_MAP_LOOKUP_BATCH, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, BPF_MAP_DELETE_BATCH, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<__u32>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]),
                              .filter = filter};
  ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
  ASSERT_EQ(::syscall(__NR_bpf, BPF_MAP_UPDATE_BATCH, nullptr, 0), -1);
  ASSERT_EQ(errno, error);
}

class NoBatchTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { RequireBpf(); }

  // Runs `body` in a thread that has no batches: the refusal cannot be undone.
  template <typename Body>
  static void Without(Body body) {
    std::thread([body] {
      RefuseBatches(GetParam());
      body();
    }).join();
  }
};

INSTANTIATE_TEST_SUITE_P(Refusals, NoBatchTest,
                         ::testing::Values(kUnknownCommand, kNotForThisKind),
                         [](const auto& info) {
                           return info.param == kUnknownCommand
                                      ? "UnknownCommand"
                                      : "NotForThisKind";
                         });

TEST_P(NoBatchTest, PutsErasesAndWalksEntryByEntry) {
  Without([] {
    auto map =
        Map<Pair, uint32_t>::Create({.name = "cc_hash", .capacity = 600});
    ASSERT_TRUE(map.ok()) << map.status();
    std::vector<Pair> keys;
    std::vector<uint32_t> values;
    std::map<Pair, uint32_t> expected, seen;
    for (uint32_t i = 0; i < 600; ++i) {
      keys.push_back({i, 0});
      values.push_back(i);
      expected[{i, 0}] = i;
    }
    size_t done = 0;
    EXPECT_TRUE(map->PutBatch(keys, values, &done).ok());
    EXPECT_EQ(done, 600u);
    const absl::Status walk =
        map->ForEach([&seen](const Pair& key, const uint32_t& value) {
          EXPECT_TRUE(seen.emplace(key, value).second);
        });
    EXPECT_TRUE(walk.ok()) << walk;
    EXPECT_EQ(seen, expected);
    keys.push_back({9999, 0});
    EXPECT_EQ(*map->EraseBatch(keys), 600u);
  });
}

TEST_P(NoBatchTest, SaysHowManyWereDone) {
  Without([] {
    auto map = Map<Pair, uint32_t>::Create({.name = "cc_hash", .capacity = 2});
    ASSERT_TRUE(map.ok()) << map.status();
    const std::vector<Pair> keys = {{1, 0}, {2, 0}, {3, 0}};
    EXPECT_EQ(map->PutBatch(keys, std::vector<uint32_t>(3)),
              absl::ResourceExhaustedError(
                  "map cc_hash: full at its capacity of 2 entries (after 2 of "
                  "3 entries)"));
  });
}

TEST_P(NoBatchTest, WalkStartsOverWhenItsKeyIsErased) {
  Without([] {
    auto hash =
        Map<Pair, uint32_t>::Create({.name = "cc_hash", .capacity = 500});
    auto trie = Map<TrieKey, uint32_t>::Create(
        {.name = "cc_trie", .kind = MapKind::kLpmTrie, .capacity = 256});
    ASSERT_TRUE(hash.ok() && trie.ok());
    for (uint32_t i = 0; i < 500; ++i) {
      ASSERT_TRUE(hash->Put({i, 0}, i).ok());
    }
    for (uint32_t i = 0; i < 256; ++i) {
      ASSERT_TRUE(trie->Put({32, {1, static_cast<uint8_t>(i)}}, i).ok());
    }
    // One entry at a time, and each erased before the next step.
    size_t seen = 0;
    MapCursor cursor;
    Pair key;
    uint32_t value;
    while (*hash->LookupBatch(&cursor, absl::MakeSpan(&key, 1),
                              absl::MakeSpan(&value, 1)) == 1) {
      ++seen;
      ASSERT_TRUE(hash->Erase(key).ok()) << "seen twice";
    }
    EXPECT_EQ(seen, 500u);
    seen = 0;
    MapCursor trie_cursor;
    TrieKey prefix;
    while (*trie->LookupBatch(&trie_cursor, absl::MakeSpan(&prefix, 1),
                              absl::MakeSpan(&value, 1)) == 1) {
      ++seen;
      ASSERT_TRUE(trie->Erase(prefix).ok()) << "seen twice";
    }
    EXPECT_EQ(seen, 256u);
  });
}

}  // namespace
}  // namespace ciliumcore::testing
