// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/identity/ip_cache.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace ciliumcore {
namespace {

IpPrefix Prefix(const std::string& text) { return *IpPrefix::Parse(text); }
IpAddress Address(const std::string& text) { return *IpAddress::Parse(text); }

IpCache<int> Towns() {
  IpCache<int> cache;
  int number = 0;
  for (const char* prefix : {"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16",
                             "10.1.2.3/32", "2001:db8::/32"}) {
    cache.Upsert(Prefix(prefix), ++number);
  }
  return cache;
}

TEST(IpCacheTest, PrefersTheLongestPrefixAndTheAddressItself) {
  const IpCache<int> cache = Towns();
  EXPECT_EQ(*cache.Lookup(Address("10.1.2.3")), 4);
  EXPECT_EQ(*cache.Lookup(Address("10.1.2.4")), 3);
  EXPECT_EQ(*cache.Lookup(Address("10.2.0.1")), 2);
  EXPECT_EQ(*cache.Lookup(Address("192.0.2.1")), 1);
  EXPECT_EQ(*cache.Lookup(Address("2001:db8::1")), 5);
  EXPECT_EQ(cache.LookupEntry(Address("10.1.2.4"))->first,
            Prefix("10.1.0.0/16"));
}

TEST(IpCacheTest, FamiliesNeverMeet) {
  IpCache<int> cache;
  cache.Upsert(Prefix("::/0"), 6);
  EXPECT_EQ(cache.Lookup(Address("10.0.0.1")), nullptr);
  cache.Upsert(Prefix("0.0.0.0/0"), 4);
  EXPECT_EQ(*cache.Lookup(Address("10.0.0.1")), 4);
  EXPECT_EQ(*cache.Lookup(Address("::1")), 6);
  EXPECT_EQ(cache.CoveringOf(Prefix("0.0.0.0/0")), nullptr);
}

TEST(IpCacheTest, CoveringIsStrictlyShorter) {
  const IpCache<int> cache = Towns();
  EXPECT_EQ(cache.CoveringOf(Prefix("10.1.2.3/32"))->second, 3);
  EXPECT_EQ(cache.CoveringOf(Prefix("10.1.0.0/16"))->second, 2);
  EXPECT_EQ(cache.CoveringOf(Prefix("10.1.2.0/24"))->second, 3);
  EXPECT_EQ(cache.CoveringOf(Prefix("10.0.0.0/8"))->second, 1);
  EXPECT_EQ(cache.CoveringOf(Prefix("0.0.0.0/0")), nullptr);
  EXPECT_EQ(cache.CoveringOf(Prefix("2001:db8::/32")), nullptr);
}

TEST(IpCacheTest, ReplacesAndErases) {
  IpCache<int> cache = Towns();
  EXPECT_FALSE(cache.Upsert(Prefix("10.1.2.3/32"), 40));
  EXPECT_EQ(*cache.Find(Prefix("10.1.2.3/32")), 40);
  EXPECT_TRUE(cache.Erase(Prefix("10.1.2.3/32")));
  EXPECT_FALSE(cache.Erase(Prefix("10.1.2.3/32")));
  EXPECT_EQ(cache.Find(Prefix("10.1.2.3/32")), nullptr);
  EXPECT_EQ(*cache.Lookup(Address("10.1.2.3")), 3);
  EXPECT_EQ(cache.size(), 4u);
  cache.Clear();
  EXPECT_TRUE(cache.empty());
  EXPECT_EQ(cache.Lookup(Address("10.1.2.3")), nullptr);
}

TEST(IpCacheTest, ListsAPrefixBeforeThoseInside) {
  std::vector<std::string> prefixes;
  for (const auto& [prefix, value] : Towns()) {
    prefixes.push_back(prefix.ToString());
  }
  EXPECT_EQ(prefixes,
            (std::vector<std::string>{"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16",
                                      "10.1.2.3/32", "2001:db8::/32"}));
}

TEST(IpCacheTest, AgreesWithAScan) {
  std::mt19937 random(1);
  // Few bits vary, so that prefixes nest.
  const auto random_address = [&] {
    if (random() % 2 == 0) return IpAddress::FromV4(random() & 0xc0c00003);
    std::array<uint8_t, 16> bytes = {0x20, 0x01};
    bytes[random() % 16] = random() & 3;
    return IpAddress::FromBytes(bytes);
  };
  IpCache<int> cache;
  std::map<IpPrefix, int> model;
  for (int step = 0; step < 20000; ++step) {
    const IpAddress address = random_address();
    const int length = random() % (address.is_v4() ? 33 : 129);
    const IpPrefix prefix = IpPrefix::Of(address, length);
    if (random() % 3 == 0) {
      ASSERT_EQ(cache.Erase(prefix), model.erase(prefix) != 0);
    } else if (model.size() < 60) {
      cache.Upsert(prefix, step);
      model[prefix] = step;
    }
    const IpAddress asked = random_address();
    const int* longest = nullptr;
    const int* covering = nullptr;
    int longest_length = -1;
    int covering_length = -1;
    for (const auto& [candidate, value] : model) {
      if (candidate.Contains(asked) && candidate.length() > longest_length) {
        longest = &value;
        longest_length = candidate.length();
      }
      if (candidate.Contains(prefix) && candidate != prefix &&
          candidate.length() > covering_length) {
        covering = &value;
        covering_length = candidate.length();
      }
    }
    const int* found = cache.Lookup(asked);
    ASSERT_EQ(found == nullptr, longest == nullptr) << asked.ToString();
    if (found != nullptr) {
      ASSERT_EQ(*found, *longest);
    }
    const auto* around = cache.CoveringOf(prefix);
    ASSERT_EQ(around == nullptr, covering == nullptr) << prefix.ToString();
    if (around != nullptr) {
      ASSERT_EQ(around->second, *covering);
    }
  }
  ASSERT_EQ(cache.size(), model.size());
}

}  // namespace
}  // namespace ciliumcore
