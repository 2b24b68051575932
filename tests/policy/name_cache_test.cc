// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/name_cache.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ciliumcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

IpAddress Ip(const std::string& text) { return *IpAddress::Parse(text); }

const IpAddress kOne = Ip("192.0.2.1");
const IpAddress kTwo = Ip("192.0.2.2");
const IpAddress kThree = Ip("192.0.2.3");
const IpAddress kSix = Ip("2001:db8::6");

absl::Time At(int seconds) {
  return absl::FromUnixSeconds(1'000'000 + seconds);
}

bool Nobody(const IpAddress&) { return false; }
bool Everybody(const IpAddress&) { return true; }

void Learn(NameCache& cache, const std::string& name,
           const std::vector<IpAddress>& addresses, int ttl, int now = 0) {
  const absl::Status learned =
      cache.Learn(name, addresses, absl::Seconds(ttl), At(now));
  EXPECT_TRUE(learned.ok()) << learned;
}

TEST(NameCacheTest, KnowsNothingAtFirst) {
  NameCache cache;
  EXPECT_TRUE(cache.names().empty());
  EXPECT_THAT(cache.AddressesOf("a.example"), IsEmpty());
  EXPECT_THAT(cache.NamesOf(kOne), IsEmpty());
  EXPECT_EQ(cache.NextExpiry(), absl::InfiniteFuture());
  EXPECT_TRUE(cache.TakeChanges().empty());
  cache.Expire(absl::InfiniteFuture(), Nobody);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(NameCacheTest, GivesNamesAndTheirAddressesInOrder) {
  NameCache cache;
  Learn(cache, "b.example", {kSix, kTwo, kOne, kTwo}, 60);
  Learn(cache, "a.example", {kTwo}, 60);
  EXPECT_EQ(cache.names(),
            (std::vector<ResolvedName>{{"a.example", {kTwo}},
                                       {"b.example", {kOne, kTwo, kSix}}}));
  EXPECT_THAT(cache.AddressesOf("b.example"), ElementsAre(kOne, kTwo, kSix));
  EXPECT_THAT(cache.NamesOf(kTwo), ElementsAre("a.example", "b.example"));
  EXPECT_THAT(cache.NamesOf(kSix), ElementsAre("b.example"));
  EXPECT_THAT(cache.NamesOf(kThree), IsEmpty());
  EXPECT_EQ(cache.size(), 4u);
}

TEST(NameCacheTest, TakesNamesInAnyCaseAndWithTheFinalDot) {
  NameCache cache;
  Learn(cache, "Api.EXAMPLE.com.", {kOne}, 60);
  Learn(cache, "api.example.com", {kTwo}, 60);
  EXPECT_EQ(cache.names(),
            (std::vector<ResolvedName>{{"api.example.com", {kOne, kTwo}}}));
  EXPECT_THAT(cache.AddressesOf("API.example.com."), ElementsAre(kOne, kTwo));
}

TEST(NameCacheTest, TakesWhateverIsADnsName) {
  const std::string label(63, 'a');
  const std::string longest =
      absl::StrCat(label, ".", label, ".", label, ".", std::string(61, 'b'));
  ASSERT_EQ(longest.size(), 253u);
  for (const std::string& name :
       {std::string("localhost"), std::string("_sip._tcp.example"),
        std::string("-a-.0"), longest, absl::StrCat(longest, ".")}) {
    NameCache cache;
    Learn(cache, name, {kOne}, 60);
    EXPECT_EQ(cache.size(), 1u) << name;
  }
}

TEST(NameCacheTest, RefusesWhatIsNoDnsName) {
  const std::string label(63, 'a');
  NameCache cache;
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".a"), std::string("a.."),
        std::string("a..b"), std::string("*.example"), std::string("a b"),
        std::string("a\0b", 3), std::string("\xc3\xa4.example"),
        std::string("a/b"), absl::StrCat(label, "a.example"),
        absl::StrCat(label, ".", label, ".", label, ".",
                     std::string(62, 'b'))}) {
    const absl::Status learned =
        cache.Learn(name, {kOne}, absl::Seconds(60), At(0));
    EXPECT_EQ(learned.code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_TRUE(cache.TakeChanges().empty());
  EXPECT_EQ(cache.losses(), NameCache::Losses());
  EXPECT_EQ(cache.Learn("a..b", {kOne}, absl::Seconds(60), At(0)).message(),
            "expected a DNS name, at most 253 of A-Z, a-z, 0-9, '-' and '_' in "
            "labels of 1 to 63 with '.' between them, found \"a..b\"");
}

TEST(NameCacheTest, RefusesANegativeTtl) {
  NameCache cache({.min_ttl = absl::Seconds(60)});
  const absl::Status learned =
      cache.Learn("a.example", {kOne}, absl::Seconds(-1), At(0));
  EXPECT_EQ(learned.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(learned.message(),
            "name \"a.example\": expected a TTL of at least 0, found -1s");
  EXPECT_EQ(cache.size(), 0u);
}

TEST(NameCacheTest, AnAddressExpiresAtTheEndOfItsTtlAndNotBefore) {
  NameCache cache;
  Learn(cache, "a.example", {kOne}, 60);
  EXPECT_EQ(cache.NextExpiry(), At(60));
  cache.Expire(At(60) - absl::Nanoseconds(1), Nobody);
  EXPECT_EQ(cache.size(), 1u);
  cache.Expire(At(60), Nobody);
  EXPECT_TRUE(cache.names().empty());
  EXPECT_THAT(cache.NamesOf(kOne), IsEmpty());
  EXPECT_EQ(cache.NextExpiry(), absl::InfiniteFuture());
}

TEST(NameCacheTest, EachAddressHasItsOwnTime) {
  NameCache cache;
  Learn(cache, "a.example", {kOne, kSix}, 60);
  Learn(cache, "a.example", {kTwo}, 30);
  Learn(cache, "b.example", {kOne}, 90);
  EXPECT_EQ(cache.NextExpiry(), At(30));
  cache.Expire(At(30), Nobody);
  EXPECT_THAT(cache.AddressesOf("a.example"), ElementsAre(kOne, kSix));
  EXPECT_EQ(cache.NextExpiry(), At(60));
  cache.Expire(At(60), Nobody);
  EXPECT_THAT(cache.AddressesOf("a.example"), IsEmpty());
  EXPECT_THAT(cache.NamesOf(kOne), ElementsAre("b.example"));
  EXPECT_EQ(cache.NextExpiry(), At(90));
}

TEST(NameCacheTest, ATtlOfZeroIsForNow) {
  NameCache cache;
  Learn(cache, "a.example", {kOne}, 0);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(cache.NextExpiry(), At(0));
  cache.Expire(At(0), Nobody);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(NameCacheTest, ALaterAnswerProlongs) {
  NameCache cache;
  Learn(cache, "a.example", {kOne}, 60, 0);
  Learn(cache, "a.example", {kOne}, 60, 50);
  EXPECT_EQ(cache.NextExpiry(), At(110));
  cache.Expire(At(109), Nobody);
  EXPECT_EQ(cache.size(), 1u);
  cache.Expire(At(110), Nobody);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(NameCacheTest, ALaterAnswerNeverShortens) {
  NameCache cache;
  Learn(cache, "a.example", {kOne}, 600, 0);
  Learn(cache, "a.example", {kOne}, 5, 10);
  Learn(cache, "a.example", {}, 5, 10);
  Learn(cache, "a.example", {kTwo}, 5, 10);
  cache.Expire(At(599), Nobody);
  EXPECT_THAT(cache.AddressesOf("a.example"), ElementsAre(kOne));
  EXPECT_EQ(cache.NextExpiry(), At(600));
}

TEST(NameCacheTest, AnAnswerLivesAtLeastTheMinimum) {
  NameCache cache({.min_ttl = absl::Seconds(60)});
  Learn(cache, "a.example", {kOne}, 59);
  EXPECT_EQ(cache.NextExpiry(), At(60));
  Learn(cache, "a.example", {kOne}, 61);
  EXPECT_EQ(cache.NextExpiry(), At(61));
}

TEST(NameCacheTest, AnAnswerLivesAWeekAtMost) {
  constexpr int kWeek = 7 * 24 * 3600;
  NameCache cache;
  Learn(cache, "a.example", {kOne}, kWeek - 1);
  EXPECT_EQ(cache.NextExpiry(), At(kWeek - 1));
  Learn(cache, "a.example", {kOne}, kWeek + 1);
  EXPECT_EQ(cache.NextExpiry(), At(kWeek));
  // Later, another week.
  ASSERT_TRUE(
      cache.Learn("a.example", {kOne}, absl::Seconds(0x7fffffff), At(5)).ok());
  EXPECT_EQ(cache.NextExpiry(), At(kWeek + 5));
}

TEST(NameCacheTest, TheMinimumGoesBeforeTheMaximum) {
  NameCache cache({.min_ttl = absl::Seconds(60), .max_ttl = absl::Seconds(30)});
  Learn(cache, "a.example", {kOne}, 45);
  EXPECT_EQ(cache.NextExpiry(), At(60));
}

TEST(NameCacheTest, AnAddressInUseIsHeldUntilItIsNot) {
  NameCache cache;
  Learn(cache, "a.example", {kOne, kTwo}, 60);
  Learn(cache, "b.example", {kOne}, 30);
  const auto one = [](const IpAddress& address) { return address == kOne; };
  cache.Expire(At(60), one);
  EXPECT_EQ(cache.names(), (std::vector<ResolvedName>{{"a.example", {kOne}},
                                                      {"b.example", {kOne}}}));
  EXPECT_EQ(cache.held(), 2u);
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.NextExpiry(), absl::InfiniteFuture());
  cache.Expire(At(100'000), one);
  EXPECT_EQ(cache.held(), 2u);
  cache.Expire(At(100'000), Nobody);
  EXPECT_EQ(cache.held(), 0u);
  EXPECT_TRUE(cache.names().empty());
}

TEST(NameCacheTest, AsksOnlyAboutWhatHasExpired) {
  NameCache cache;
  Learn(cache, "a.example", {kOne}, 60);
  Learn(cache, "a.example", {kTwo, kThree}, 61);
  std::vector<IpAddress> asked;
  const auto ask = [&asked](const IpAddress& address) {
    asked.push_back(address);
    return address == kOne;
  };
  cache.Expire(At(59), ask);
  EXPECT_THAT(asked, IsEmpty());
  cache.Expire(At(60), ask);
  EXPECT_THAT(asked, ElementsAre(kOne));
  cache.Expire(At(61), ask);
  EXPECT_THAT(asked, ElementsAre(kOne, kOne, kTwo, kThree));
}

TEST(NameCacheTest, AHeldAddressStaysForTheGraceAfterItsLastUse) {
  NameCache cache({.grace = absl::Seconds(10)});
  Learn(cache, "a.example", {kOne}, 60);
  cache.Expire(At(60), Everybody);
  cache.Expire(At(65), Everybody);
  cache.Expire(At(74), Nobody);
  EXPECT_EQ(cache.held(), 1u);
  cache.Expire(At(74), Everybody);
  cache.Expire(At(83), Nobody);
  EXPECT_EQ(cache.held(), 1u);
  cache.Expire(At(84), Nobody);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(NameCacheTest, TheGraceIsOnlyForWhatWasInUse) {
  NameCache cache({.grace = absl::Seconds(10)});
  Learn(cache, "a.example", {kOne}, 60);
  cache.Expire(At(60), Nobody);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(NameCacheTest, AHeldAddressThatIsLearnedAgainIsAnOrdinaryOne) {
  NameCache cache;
  Learn(cache, "a.example", {kOne}, 60);
  cache.Expire(At(60), Everybody);
  cache.TakeChanges();
  Learn(cache, "a.example", {kOne}, 60, 100);
  EXPECT_EQ(cache.held(), 0u);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(cache.NextExpiry(), At(160));
  cache.Expire(At(159), Nobody);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_TRUE(cache.TakeChanges().empty());
  cache.Expire(At(160), Nobody);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(NameCacheTest, AClockThatGoesBackShortensNothing) {
  NameCache cache;
  Learn(cache, "a.example", {kOne}, 60, 100);
  Learn(cache, "a.example", {kOne}, 60, 0);
  cache.Expire(At(0), Nobody);
  EXPECT_EQ(cache.NextExpiry(), At(160));
}

TEST(NameCacheTest, AnInfiniteTtlIsForGoodIfAnyMayBe) {
  NameCache cache({.max_ttl = absl::InfiniteDuration()});
  ASSERT_TRUE(
      cache.Learn("a.example", {kOne}, absl::InfiniteDuration(), At(0)).ok());
  EXPECT_EQ(cache.NextExpiry(), absl::InfiniteFuture());
  cache.Expire(At(1'000'000'000), Nobody);
  EXPECT_EQ(cache.size(), 1u);
}

TEST(NameCacheTest, TellsWhatChangedOnceAndInOrder) {
  NameCache cache;
  Learn(cache, "b.example", {kSix, kOne}, 60);
  Learn(cache, "a.example", {kTwo}, 30);
  EXPECT_EQ(cache.TakeChanges(), (NameChanges{.come = {{"a.example", kTwo},
                                                       {"b.example", kOne},
                                                       {"b.example", kSix}}}));
  EXPECT_TRUE(cache.TakeChanges().empty());
  Learn(cache, "b.example", {kOne, kThree}, 60, 10);
  cache.Expire(At(60), Nobody);
  EXPECT_EQ(cache.TakeChanges(),
            (NameChanges{.gone = {{"a.example", kTwo}, {"b.example", kSix}},
                         .come = {{"b.example", kThree}}}));
  EXPECT_TRUE(cache.TakeChanges().empty());
}

TEST(NameCacheTest, WhatCameAndWentIsNoChange) {
  NameCache cache;
  Learn(cache, "a.example", {kOne}, 60);
  cache.Expire(At(60), Nobody);
  EXPECT_TRUE(cache.TakeChanges().empty());
}

TEST(NameCacheTest, WhatWentAndCameIsNoChange) {
  NameCache cache;
  Learn(cache, "a.example", {kOne}, 60);
  cache.TakeChanges();
  cache.Expire(At(60), Nobody);
  Learn(cache, "a.example", {kOne}, 60, 61);
  EXPECT_TRUE(cache.TakeChanges().empty());
  EXPECT_EQ(cache.size(), 1u);
}

TEST(NameCacheTest, BeingHeldIsNoChange) {
  NameCache cache;
  Learn(cache, "a.example", {kOne}, 60);
  cache.TakeChanges();
  cache.Expire(At(60), Everybody);
  EXPECT_TRUE(cache.TakeChanges().empty());
  cache.Expire(At(60), Nobody);
  EXPECT_EQ(cache.TakeChanges(), (NameChanges{.gone = {{"a.example", kOne}}}));
}

TEST(NameCacheTest, BeyondTheLimitOfANameTheFirstToExpireGoes) {
  NameCache cache({.max_addresses_per_name = 2});
  Learn(cache, "a.example", {kOne}, 60);
  Learn(cache, "a.example", {kTwo}, 30);
  Learn(cache, "b.example", {kTwo}, 10);
  Learn(cache, "a.example", {kSix}, 5);
  EXPECT_THAT(cache.AddressesOf("a.example"), ElementsAre(kOne, kSix));
  EXPECT_THAT(cache.AddressesOf("b.example"), ElementsAre(kTwo));
  EXPECT_EQ(cache.losses(), (NameCache::Losses{.displaced = 1}));
  EXPECT_EQ(cache.size(), 3u);
  // It is forgotten whole: nothing of it expires.
  cache.Expire(At(30), Nobody);
  EXPECT_THAT(cache.AddressesOf("a.example"), ElementsAre(kOne));
}

TEST(NameCacheTest, AnAddressDisplacesNoneOfItsOwnAnswer) {
  NameCache cache({.max_addresses_per_name = 2});
  Learn(cache, "a.example", {kOne, kTwo}, 60);
  Learn(cache, "a.example", {kOne, kSix}, 5);
  EXPECT_THAT(cache.AddressesOf("a.example"), ElementsAre(kOne, kSix));
  Learn(cache, "a.example", {kTwo, kThree}, 5);
  EXPECT_THAT(cache.AddressesOf("a.example"), ElementsAre(kTwo, kThree));
  EXPECT_EQ(cache.losses(), (NameCache::Losses{.displaced = 3}));
}

TEST(NameCacheTest, AHeldAddressIsTheFirstToBeDisplaced) {
  NameCache cache({.max_addresses_per_name = 2});
  Learn(cache, "a.example", {kTwo}, 60);
  Learn(cache, "a.example", {kOne}, 61);
  cache.Expire(At(60), Everybody);
  Learn(cache, "a.example", {kThree}, 60, 60);
  EXPECT_THAT(cache.AddressesOf("a.example"), ElementsAre(kOne, kThree));
  EXPECT_EQ(cache.held(), 0u);
}

TEST(NameCacheTest, OfAnAnswerThatIsLargerThanTheLimitTheRestIsRefused) {
  NameCache cache({.max_addresses_per_name = 2});
  Learn(cache, "a.example", {kThree, kSix}, 60);
  const absl::Status learned =
      cache.Learn("a.example", {kOne, kTwo, kThree}, absl::Seconds(60), At(0));
  EXPECT_EQ(learned.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(learned.message(),
            "name \"a.example\": expected room for 2 more addresses, found it "
            "for 1, of at most 2 of a name and 100000 of all");
  EXPECT_THAT(cache.AddressesOf("a.example"), ElementsAre(kOne, kThree));
  EXPECT_EQ(cache.losses(), (NameCache::Losses{.displaced = 1, .refused = 1}));
}

TEST(NameCacheTest, BeyondTheLimitOfAllNothingNewIsLearned) {
  NameCache cache({.max_addresses_per_name = 3, .max_addresses = 3});
  Learn(cache, "a.example", {kOne, kTwo}, 60);
  EXPECT_EQ(
      cache.Learn("b.example", {kTwo, kSix}, absl::Seconds(90), At(0)).code(),
      absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(cache.AddressesOf("b.example"), ElementsAre(kTwo));
  EXPECT_EQ(cache.Learn("c.example", {kOne}, absl::Seconds(60), At(0)).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(cache.AddressesOf("c.example"), IsEmpty());
  EXPECT_EQ(cache.losses(), (NameCache::Losses{.refused = 2}));
  // What is known lives on, and what expires makes room.
  Learn(cache, "a.example", {kOne}, 90);
  cache.Expire(At(60), Nobody);
  Learn(cache, "c.example", {kOne}, 60, 60);
  EXPECT_EQ(cache.names(), (std::vector<ResolvedName>{{"a.example", {kOne}},
                                                      {"b.example", {kTwo}},
                                                      {"c.example", {kOne}}}));
}

TEST(NameCacheTest, HeldAddressesCountForTheLimit) {
  NameCache cache({.max_addresses = 1});
  Learn(cache, "a.example", {kOne}, 60);
  cache.Expire(At(60), Everybody);
  EXPECT_EQ(cache.Learn("b.example", {kTwo}, absl::Seconds(60), At(60)).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(NameCacheTest, WithoutRoomItRefusesEverything) {
  NameCache cache({.max_addresses_per_name = 0});
  EXPECT_EQ(cache.Learn("a.example", {kOne}, absl::Seconds(60), At(0)).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(NameCacheTest, MayBeMoved) {
  NameCache from;
  Learn(from, "a", {kOne}, 60);
  NameCache cache = std::move(from);
  Learn(cache, "a", {kTwo}, 30);
  EXPECT_THAT(cache.NamesOf(kOne), ElementsAre("a"));
  cache.Expire(At(60), Nobody);
  EXPECT_EQ(cache.size(), 0u);
}

// The same without any index: every question looks at everything.
class Model {
 public:
  explicit Model(const NameCache::Options& options) : options_(options) {}

  bool Learn(const std::string& name, const std::set<IpAddress>& answer,
             absl::Duration ttl, absl::Time now) {
    const absl::Time expiry = now + std::max(ttl, options_.min_ttl);
    std::vector<IpAddress> fresh;
    for (const IpAddress& address : answer) {
      const auto known = known_.find({name, address});
      if (known == known_.end()) {
        fresh.push_back(address);
      } else if (known->second.expiry < expiry) {
        known->second = {.expiry = expiry};
      }
    }
    while (CountOf(name) + fresh.size() > options_.max_addresses_per_name &&
           Displace(name, answer)) {
      ++losses_.displaced;
    }
    bool is_whole = true;
    for (const IpAddress& address : fresh) {
      if (CountOf(name) < options_.max_addresses_per_name &&
          known_.size() < options_.max_addresses) {
        known_[{name, address}] = {.expiry = expiry};
      } else {
        is_whole = false;
        ++losses_.refused;
      }
    }
    return is_whole;
  }

  void Expire(absl::Time now, const std::set<IpAddress>& used) {
    for (auto at = known_.begin(); at != known_.end();) {
      Life& life = at->second;
      life.is_held = life.is_held || life.expiry <= now;
      const bool is_used = used.contains(at->first.address);
      if (is_used && life.is_held) life.grace_end = now + options_.grace;
      const bool goes = life.is_held && !is_used && life.grace_end <= now;
      at = goes ? known_.erase(at) : std::next(at);
    }
  }

  NameChanges TakeChanges() {
    NameChanges changes;
    std::set<NameAddress> current;
    for (const auto& [entry, _] : known_) current.insert(entry);
    std::set_difference(taken_.begin(), taken_.end(), current.begin(),
                        current.end(), std::back_inserter(changes.gone));
    std::set_difference(current.begin(), current.end(), taken_.begin(),
                        taken_.end(), std::back_inserter(changes.come));
    taken_ = current;
    return changes;
  }

  void ExpectSame(const NameCache& cache) const {
    std::vector<ResolvedName> names;
    std::map<IpAddress, std::vector<std::string>> names_of;
    absl::Time next = absl::InfiniteFuture();
    size_t held = 0;
    for (const auto& [entry, life] : known_) {
      if (names.empty() || names.back().name != entry.name) {
        names.push_back({entry.name, {}});
      }
      names.back().addresses.push_back(entry.address);
      names_of[entry.address].push_back(entry.name);
      if (life.is_held) {
        ++held;
      } else {
        next = std::min(next, life.expiry);
      }
    }
    EXPECT_EQ(cache.names(), names);
    for (const auto& [address, of_it] : names_of) {
      EXPECT_EQ(cache.NamesOf(address), of_it);
    }
    for (const ResolvedName& name : names) {
      EXPECT_EQ(cache.AddressesOf(name.name), name.addresses);
    }
    EXPECT_EQ(cache.NextExpiry(), next);
    EXPECT_EQ(cache.size(), known_.size());
    EXPECT_EQ(cache.held(), held);
    EXPECT_EQ(cache.losses(), losses_);
  }

 private:
  struct Life {
    absl::Time expiry;
    bool is_held = false;
    absl::Time grace_end = absl::InfinitePast();
  };

  size_t CountOf(const std::string& name) const {
    return std::count_if(known_.begin(), known_.end(), [&](const auto& entry) {
      return entry.first.name == name;
    });
  }

  bool Displace(const std::string& name, const std::set<IpAddress>& answer) {
    auto first = known_.end();
    for (auto at = known_.begin(); at != known_.end(); ++at) {
      if (at->first.name != name || answer.contains(at->first.address)) {
        continue;
      }
      if (first == known_.end() || at->second.expiry < first->second.expiry) {
        first = at;
      }
    }
    if (first == known_.end()) return false;
    known_.erase(first);
    return true;
  }

  NameCache::Options options_;
  std::map<NameAddress, Life> known_;
  std::set<NameAddress> taken_;
  NameCache::Losses losses_;
};

std::set<IpAddress> RandomAddresses(std::mt19937& random, size_t most) {
  std::set<IpAddress> addresses;
  for (size_t i = random() % (most + 1); i > 0; --i) {
    const uint32_t number = random() % 12;
    addresses.insert(number % 3 == 0 ? Ip(absl::StrCat("2001:db8::", number))
                                     : IpAddress::FromV4(number));
  }
  return addresses;
}

// Names and addresses are few, times short and limits tight, so that everything
// meets everything.
TEST(NameCacheTest, DoesWhatAModelDoesForAHundredThousandOperations) {
  const NameCache::Options options = {.min_ttl = absl::Seconds(2),
                                      .grace = absl::Seconds(3),
                                      .max_addresses_per_name = 5,
                                      .max_addresses = 20};
  NameCache cache(options);
  Model model(options);
  std::mt19937 random(20);
  size_t changes = 0, most_held = 0;
  int now = 0;
  for (int i = 0; i < 100'000 && !::testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(absl::StrCat("operation ", i));
    now += random() % 3;
    const uint32_t kind = random() % 8;
    if (kind < 4) {
      const std::string name = absl::StrCat("n", random() % 6, ".example");
      const absl::Duration ttl = absl::Seconds(random() % 20);
      const std::set<IpAddress> answer = RandomAddresses(random, 7);
      const absl::Status learned = cache.Learn(
          name, std::vector<IpAddress>(answer.rbegin(), answer.rend()), ttl,
          At(now));
      EXPECT_EQ(learned.ok(), model.Learn(name, answer, ttl, At(now)))
          << learned;
    } else if (kind < 7) {
      const std::set<IpAddress> used = RandomAddresses(random, 8);
      cache.Expire(At(now), [&used](const IpAddress& address) {
        return used.contains(address);
      });
      model.Expire(At(now), used);
    } else {
      const NameChanges taken = cache.TakeChanges();
      EXPECT_EQ(taken, model.TakeChanges());
      changes += taken.gone.size() + taken.come.size();
    }
    model.ExpectSame(cache);
    most_held = std::max(most_held, cache.held());
  }
  // It was worth it.
  EXPECT_GT(changes, 10'000u);
  EXPECT_GT(most_held, 5u);
  EXPECT_GT(cache.losses().displaced, 1'000u);
  EXPECT_GT(cache.losses().refused, 1'000u);
}

}  // namespace
}  // namespace ciliumcore
