// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/maps/mapped_array.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <utility>

#include "ciliumcore/maps/map.h"
#include "tests/maps/test_maps.h"

namespace ciliumcore::testing {
namespace {

using Array = MappedArray<Pair>;

class MappedArrayTest : public BackendTest {
 protected:
  static Array NewArray(uint32_t size) {
    return New<Array>(MappedArrayOptions{.name = "cc_mapped", .size = size});
  }
};

INSTANTIATE_TEST_SUITE_P(Backends, MappedArrayTest,
                         ::testing::Values(Backend::kKernel, Backend::kMemory),
                         BackendName);

TEST_P(MappedArrayTest, BeginsAsZerosAndHoldsWhatIsWritten) {
  Array array = NewArray(1000);
  ASSERT_EQ(array.size(), 1000u);
  EXPECT_TRUE(array.info().memory_mapped);
  for (const Pair& entry : array.entries()) EXPECT_EQ(entry, (Pair{0, 0}));
  array[999] = {1, 2};
  EXPECT_EQ(array.entries()[999], (Pair{1, 2}));
}

TEST_P(MappedArrayTest, KeepsItsEntriesInPlaceWhenMoved) {
  Array array = NewArray(8);
  Pair* entry = &array[3];
  Array moved = std::move(array);
  entry->a = 7;
  EXPECT_EQ(moved[3].a, 7u);
  EXPECT_EQ(&moved[3], entry);
}

TEST_P(MappedArrayTest, StoresAWordInOnePiece) {
  Array array = NewArray(1);
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (uint32_t i = 0; !stop; ++i) StoreRelease(&array[0], Pair{i, ~i});
  });
  StoreRelease(&array[0], Pair{0, ~0u});
  for (int i = 0; i < 100000; ++i) {
    const Pair pair = LoadAcquire(&array[0]);
    if (pair == Pair{}) continue;
    ASSERT_EQ(pair.a, ~pair.b) << "torn";
  }
  stop = true;
  writer.join();
}

TEST_P(MappedArrayTest, RefusesToHaveNoEntries) {
  const MappedArrayOptions options = {.name = "cc_mapped"};
  EXPECT_TRUE(absl::IsInvalidArgument(
      (in_kernel() ? Array::Create(options) : Array::CreateInMemory(options))
          .status()));
}

class KernelMappedArrayTest : public ::testing::Test {
 protected:
  void SetUp() override { RequireBpf(); }
};

TEST_F(KernelMappedArrayTest, SharesItsMemoryWithTheMap) {
  absl::StatusOr<Array> array =
      Array::Create({.name = "cc_mapped", .size = 16});
  ASSERT_TRUE(array.ok()) << array.status();
  auto calls = Map<uint32_t, Pair>::Adopt(
      UniqueFd(::fcntl(array->fd(), F_DUPFD_CLOEXEC, 0)));
  ASSERT_TRUE(calls.ok()) << calls.status();
  (*array)[5] = {1, 2};
  EXPECT_EQ(*calls->Lookup(5), (Pair{1, 2}));
  ASSERT_TRUE(calls->Put(6, {3, 4}).ok());
  EXPECT_EQ((*array)[6], (Pair{3, 4}));
}

TEST_F(KernelMappedArrayTest, RefusesAMapThatWasNotCreatedToBeMapped) {
  auto map = Map<uint32_t, Pair>::Create(
      {.name = "cc_plain", .kind = MapKind::kArray, .capacity = 1});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(
      Array::Adopt(UniqueFd(::fcntl(map->fd(), F_DUPFD_CLOEXEC, 0))).status(),
      absl::FailedPreconditionError(
          "map cc_plain: was not created to be mapped into memory"));
}

}  // namespace
}  // namespace ciliumcore::testing
