// SPDX-License-Identifier: Apache-2.0

// The hash of addresses, against a map and under a reader.

#include "lib/datapath/address_index_internal.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "ciliumcore/base/ip.h"

namespace ciliumcore::internal {
namespace {

constexpr uint32_t kPlaces = 512;

class AddressIndexTest : public ::testing::Test {
 protected:
  uint32_t Find(const IpAddress& address) const { return index_.Find(address); }

  static IpAddress Address(uint32_t number) {
    return IpAddress::FromV4(number);
  }

  uint32_t HeadOf(const IpAddress& address) const {
    return AddressChains::Hash(address, state_.addr_seed) %
           (heads_.size() * CC_ADDR_HEADS);
  }

  cc_state state_ = {
      .epoch = 0, .addr_seed = 7, .addr_mask = 0, .service_mask = 0};
  std::vector<cc_addr_heads> heads_ = std::vector<cc_addr_heads>(16);
  std::vector<cc_place> places_ = std::vector<cc_place>(kPlaces);
  AddressIndex index_{&state_, absl::MakeSpan(heads_), absl::MakeSpan(places_)};
};

TEST_F(AddressIndexTest, HasTwoHeadsForEachAddress) {
  EXPECT_EQ(AddressIndex::LinesFor(0), 1u);
  EXPECT_EQ(AddressIndex::LinesFor(8), 1u);
  EXPECT_EQ(AddressIndex::LinesFor(9), 2u);
  EXPECT_EQ(AddressIndex::LinesFor(524288), 65536u);
  EXPECT_EQ(AddressIndex::EntriesOf(65536), 524288u);
}

TEST_F(AddressIndexTest, IsAMap) {
  std::mt19937 random(1);
  std::map<uint32_t, uint32_t> linked;  // address -> place
  std::vector<uint32_t> free;
  for (uint32_t place = 1; place < kPlaces; ++place) free.push_back(place);
  for (int step = 0; step < 20000; ++step) {
    const uint32_t number = 0x0a000000 + random() % 700;
    const auto found = linked.find(number);
    if (found != linked.end()) {
      index_.Unlink(found->second);
      free.push_back(found->second);
      linked.erase(found);
    } else if (!free.empty()) {
      ASSERT_TRUE(index_.Link(Address(number), free.back()).ok());
      linked[number] = free.back();
      free.pop_back();
    }
    const uint32_t asked = 0x0a000000 + random() % 700;
    const auto expected = linked.find(asked);
    ASSERT_EQ(Find(Address(asked)),
              expected == linked.end() ? 0 : expected->second)
        << "after " << step << " steps";
  }
  EXPECT_GT(linked.size(), 200u);
}

TEST_F(AddressIndexTest, TellsAddressesApartByEveryWord) {
  const char* texts[] = {"fd00::1", "fd00::1:0:1", "fd00:0:0:1::1",
                         "fd01::1", "::1",         "10.0.0.1"};
  uint32_t place = 0;
  for (const char* text : texts) {
    ASSERT_TRUE(index_.Link(*IpAddress::Parse(text), ++place).ok());
  }
  place = 0;
  for (const char* text : texts) {
    EXPECT_EQ(Find(*IpAddress::Parse(text)), ++place) << text;
  }
}

TEST_F(AddressIndexTest, SpreadsAddressesOfOneSubnet) {
  std::map<uint32_t, int> chains;
  const uint32_t heads = static_cast<uint32_t>(heads_.size()) * CC_ADDR_HEADS;
  for (uint32_t i = 0; i < heads * 16; ++i) ++chains[HeadOf(Address(i << 8))];
  // As random ones: Poisson of mean 16.
  EXPECT_EQ(chains.size(), heads);
  for (const auto& [head, length] : chains) EXPECT_LT(length, 45) << head;
}

TEST_F(AddressIndexTest, RefusesAnAddressThatWouldNotBeFound) {
  uint32_t place = 0, number = 0;
  const auto next_of_head_5 = [&] {
    while (HeadOf(Address(++number)) != 5) continue;
    return Address(number);
  };
  while (place < CC_ADDR_CHAIN) {
    ASSERT_TRUE(index_.Link(next_of_head_5(), ++place).ok());
  }
  const IpAddress one_more = next_of_head_5();
  const absl::Status refused = index_.Link(one_more, 100);
  EXPECT_EQ(refused, absl::ResourceExhaustedError(
                         one_more.ToString() +
                         ": its chain in cc_addrs is full: 16 of one hash"));
  EXPECT_EQ(Find(one_more), 0u);
  index_.Unlink(3);
  EXPECT_TRUE(index_.Link(one_more, 100).ok());
  EXPECT_EQ(Find(one_more), 100u);
}

// What stays is found while its neighbours in the chain come and go. A place
// that was unlinked rests for a round: here no reader is slower than that.
TEST_F(AddressIndexTest, AReaderFindsWhatStays) {
  heads_.resize(1);
  index_ =
      AddressIndex(&state_, absl::MakeSpan(heads_), absl::MakeSpan(places_));
  constexpr uint32_t kStays = 40;
  for (uint32_t i = 1; i <= kStays; ++i) {
    ASSERT_TRUE(index_.Link(Address(i), i).ok());
  }
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> lost = 0, rounds = 0;
  std::thread reader([&] {
    while (!stop) {
      for (uint32_t i = 1; i <= kStays; ++i) lost += Find(Address(i)) != i;
      ++rounds;
    }
  });
  while (rounds < 100) {
    const uint64_t before = rounds;
    for (uint32_t i = kStays + 1; i < kStays + 60; ++i) {
      ASSERT_TRUE(index_.Link(Address(i), i).ok());
    }
    for (uint32_t i = kStays + 1; i < kStays + 60; ++i) index_.Unlink(i);
    while (rounds < before + 2) std::this_thread::yield();
  }
  stop = true;
  reader.join();
  EXPECT_EQ(lost, 0u);
}

}  // namespace
}  // namespace ciliumcore::internal
