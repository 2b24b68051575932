// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/maps/per_cpu_map.h"

#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <vector>

#include "tests/maps/test_maps.h"

namespace ciliumcore::testing {
namespace {

using Counters = PerCpuMap<uint32_t, Pair>;
// 4 bytes, which the kernel gives 8.
using Odd = PerCpuMap<Pair, uint32_t>;

class PerCpuMapTest : public BackendTest {
 protected:
  static Counters NewArray(uint32_t capacity) {
    return New<Counters>(MapOptions{.name = "cc_count",
                                    .kind = MapKind::kPerCpuArray,
                                    .capacity = capacity});
  }
  static Odd NewHash(uint32_t capacity) {
    return New<Odd>(MapOptions{
        .name = "cc_odd", .kind = MapKind::kPerCpuHash, .capacity = capacity});
  }
};

INSTANTIATE_TEST_SUITE_P(Backends, PerCpuMapTest,
                         ::testing::Values(Backend::kKernel, Backend::kMemory),
                         BackendName);

TEST_P(PerCpuMapTest, HoldsOneValueForEachPossibleCpu) {
  const Counters map = NewArray(2);
  EXPECT_EQ(map.cpus(), static_cast<size_t>(libbpf_num_possible_cpus()));
  EXPECT_EQ(*map.Lookup(1), std::vector<Pair>(map.cpus()));
  EXPECT_TRUE(absl::IsNotFound(map.Lookup(2).status()));
}

TEST_P(PerCpuMapTest, KeepsValuesApartThatTheKernelRoundsUp) {
  Odd map = NewHash(4);
  std::vector<uint32_t> values(map.cpus());
  std::iota(values.begin(), values.end(), 100);
  ASSERT_TRUE(map.Put({1, 2}, values).ok());
  EXPECT_EQ(*map.Lookup({1, 2}), values);
  EXPECT_TRUE(map.Erase({1, 2}).ok());
  EXPECT_TRUE(absl::IsNotFound(map.Lookup({1, 2}).status()));
}

TEST_P(PerCpuMapTest, RefusesAnotherNumberOfValues) {
  Odd map = NewHash(4);
  EXPECT_TRUE(absl::IsInvalidArgument(
      map.Put({1, 2}, std::vector<uint32_t>(map.cpus() + 1))));
  EXPECT_TRUE(absl::IsInvalidArgument(map.Put({1, 2}, {})));
}

TEST_P(PerCpuMapTest, FullHashRefusesWithItsNameAndCapacity) {
  Odd map = NewHash(1);
  const std::vector<uint32_t> values(map.cpus());
  ASSERT_TRUE(map.Put({1, 2}, values).ok());
  EXPECT_EQ(map.Put({3, 4}, values),
            absl::ResourceExhaustedError(
                "map cc_odd: full at its capacity of 1 entries"));
}

TEST_P(PerCpuMapTest, WalkSeesAllValuesOfEveryEntry) {
  Odd map = NewHash(1500);
  std::map<Pair, std::vector<uint32_t>> expected, seen;
  for (uint32_t i = 0; i < 1500; ++i) {
    std::vector<uint32_t> values(map.cpus());
    std::iota(values.begin(), values.end(), i);
    expected[{i, 0}] = values;
    ASSERT_TRUE(map.Put({i, 0}, values).ok());
  }
  ASSERT_TRUE(
      map.ForEach([&](const Pair& key, const std::vector<uint32_t>& values) {
           seen[key] = values;
         })
          .ok());
  EXPECT_EQ(seen, expected);
}

TEST_P(PerCpuMapTest, RefusesAKindWithoutCpus) {
  const MapOptions options = {.name = "cc_hash", .capacity = 1};
  const auto map =
      in_kernel() ? Odd::Create(options) : Odd::CreateInMemory(options);
  EXPECT_EQ(map.status(), absl::FailedPreconditionError(
                              "map cc_hash: is a hash, which a Map reads"));
}

}  // namespace
}  // namespace ciliumcore::testing
