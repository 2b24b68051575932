// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/identity/allocator.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace ciliumcore {
namespace {

uint32_t Number(const IdentityRef& ref) {
  return static_cast<uint32_t>(ref.id());
}

Labels App(int number) { return {{"app", std::to_string(number)}}; }

TEST(AllocatorTest, GivesEqualLabelsOneNumber) {
  IdentityAllocator identities;
  IdentityRef web = identities.Allocate({{"app", "web"}, {"tier", "front"}});
  IdentityRef db = identities.Allocate({{"app", "db"}});
  IdentityRef same = identities.Allocate({{"tier", "front"}, {"app", "web"}});
  EXPECT_EQ(Number(web), 256u);
  EXPECT_EQ(Number(db), 257u);
  EXPECT_EQ(web, same);
  EXPECT_EQ(web.labels().CanonicalKey(), "k8s:app=web;k8s:tier=front;");
  EXPECT_EQ(web.ToString(), "256 (k8s:app=web, k8s:tier=front)");
  EXPECT_TRUE(web.status().ok());
  EXPECT_EQ(identities.size(), 2u);
}

TEST(AllocatorTest, FreesANumberWithItsLastReference) {
  IdentityAllocator identities;
  IdentityRef web = identities.Allocate(App(1));
  IdentityRef copy = web;
  web = IdentityRef();
  EXPECT_EQ(identities.size(), 1u);
  EXPECT_EQ(identities.Find(copy.id())->labels(), App(1));
  const Identity id = copy.id();
  copy = IdentityRef();
  EXPECT_EQ(identities.size(), 0u);
  EXPECT_EQ(identities.Find(id).status().message(),
            "identity 256 is not in use");
}

TEST(AllocatorTest, GivesANumberAgainAsLateAsPossible) {
  IdentityAllocator identities({.first = 256, .last = 259});
  std::vector<IdentityRef> refs;
  for (int i = 0; i < 3; ++i) refs.push_back(identities.Allocate(App(i)));
  refs[1] = IdentityRef();  // 257
  refs[0] = IdentityRef();  // 256
  EXPECT_EQ(Number(refs.emplace_back(identities.Allocate(App(10)))), 259u);
  EXPECT_EQ(Number(refs.emplace_back(identities.Allocate(App(11)))), 257u);
  EXPECT_EQ(Number(refs.emplace_back(identities.Allocate(App(12)))), 256u);
}

TEST(AllocatorTest, SaysThatNumbersRanOut) {
  IdentityAllocator identities({.first = 256, .last = 257});
  const IdentityRef a = identities.Allocate(App(1));
  IdentityRef b = identities.Allocate(App(2));
  const auto third = identities.TryAllocate(App(3));
  EXPECT_EQ(third.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(third.status().message(),
            "no identity is free for k8s:app=3: all 2 of 256..257 are in use");
  EXPECT_EQ(identities.Allocate(App(1)), a) << "known labels still have one";
  b = IdentityRef();
  EXPECT_EQ(Number(identities.Allocate(App(3))), 257u);
}

TEST(AllocatorTest, AFailedReferenceIsNobodyAndSaysWhy) {
  IdentityAllocator identities({.first = 256, .last = 256});
  const IdentityRef a = identities.Allocate(App(1));
  const IdentityRef none = identities.Allocate(App(2));
  EXPECT_FALSE(none.valid());
  EXPECT_EQ(none.id(), Identity::kUnknown);
  EXPECT_TRUE(none.labels().empty());
  EXPECT_EQ(none.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(IdentityRef().status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(AllocatorTest, UsesTheWholeRangeByDefault) {
  IdentityAllocator identities;
  std::vector<IdentityRef> refs;
  for (uint32_t i = 256; i <= 65535; ++i) {
    refs.push_back(identities.Allocate(App(i)));
    ASSERT_EQ(Number(refs.back()), i);
  }
  EXPECT_EQ(identities.TryAllocate(App(0)).status().message(),
            "no identity is free for k8s:app=0: all 65280 of 256..65535 are in "
            "use");
}

TEST(AllocatorTest, NumbersAddressBlocksInTheLocalScope) {
  IdentityAllocator identities;
  const IdentityRef ten =
      identities.AllocateCidr(*IpPrefix::Parse("10.0.0.0/8"));
  EXPECT_EQ(Number(ten), 0x01000001u);
  EXPECT_EQ(ten.labels().ToString(), "cidr:10.0.0.0/8, reserved:world");
  EXPECT_EQ(Number(identities.Allocate(App(1))), 256u);
  EXPECT_EQ(identities.AllocateCidr(*IpPrefix::Parse("10.0.0.0/8")), ten);
  EXPECT_EQ(Number(identities.AllocateCidr(*IpPrefix::Parse("::/0"))),
            0x01000002u);
}

TEST(AllocatorTest, ReservedLabelsHaveTheirNumber) {
  IdentityAllocator identities;
  EXPECT_EQ(identities.Allocate(ReservedLabels(Identity::kHost)).id(),
            Identity::kHost);
  EXPECT_EQ(identities.Find(Identity::kWorld)->labels().ToString(),
            "reserved:world");
  EXPECT_EQ(identities.size(), 0u);
  const auto posing =
      identities.TryAllocate(*Labels::Parse("reserved:host,app=web"));
  EXPECT_EQ(posing.status().message(),
            "labels k8s:app=web, reserved:host: expected reserved:host only in "
            "the labels of a reserved identity");
  EXPECT_FALSE(
      identities.Allocate(*Labels::Parse("cidr:10.0.0.0/8,reserved:host"))
          .valid());
}

TEST(AllocatorTest, RestoresANumberOfAnEarlierProcess) {
  IdentityAllocator identities;
  const auto web = identities.Restore(static_cast<Identity>(300), App(1));
  ASSERT_TRUE(web.ok()) << web.status();
  EXPECT_EQ(identities.Allocate(App(1)), *web);
  EXPECT_EQ(*identities.Restore(web->id(), App(1)), *web);
  EXPECT_EQ(
      identities.Restore(static_cast<Identity>(301), App(1)).status().message(),
      "identity 301 of k8s:app=1: these labels have identity 300");
  EXPECT_EQ(identities.Restore(web->id(), App(2)).status().message(),
            "identity 300 of k8s:app=2: it belongs to k8s:app=1");
  EXPECT_EQ(
      identities.Restore(static_cast<Identity>(7), App(2)).status().message(),
      "identity 7 of k8s:app=2: expected one of 256..65535");
}

TEST(AllocatorTest, PassesOverRestoredNumbers) {
  IdentityAllocator identities({.first = 256, .last = 259});
  IdentityRef restored =
      *identities.Restore(static_cast<Identity>(257), App(1));
  std::vector<IdentityRef> refs;
  refs.push_back(identities.Allocate(App(2)));
  refs.push_back(identities.Allocate(App(3)));
  EXPECT_EQ(Number(refs[0]), 256u);
  EXPECT_EQ(Number(refs[1]), 258u);
  restored = IdentityRef();
  refs.push_back(identities.Allocate(App(4)));
  EXPECT_EQ(Number(refs[2]), 259u) << "before one that was in use";
}

TEST(AllocatorTest, ListsIdentitiesByNumber) {
  IdentityAllocator identities;
  std::vector<IdentityRef> refs;
  for (int i = 0; i < 5; ++i) refs.push_back(identities.Allocate(App(i)));
  refs[2] = IdentityRef();
  std::vector<uint32_t> numbers;
  for (const IdentityRef& ref : identities.InUse()) {
    numbers.push_back(Number(ref));
  }
  EXPECT_EQ(numbers, (std::vector<uint32_t>{256, 257, 259, 260}));
}

TEST(AllocatorTest, ReferencesOutliveTheAllocator) {
  IdentityRef web;
  {
    IdentityAllocator identities;
    web = identities.Allocate(App(1));
  }
  EXPECT_EQ(Number(web), 256u);
  EXPECT_EQ(web.labels(), App(1));
}

TEST(AllocatorTest, AgreesWithAModel) {
  IdentityAllocator identities({.first = 1000, .last = 1015});
  std::map<int, std::vector<IdentityRef>> held;  // by app
  std::mt19937 random(1);
  for (int step = 0; step < 20000; ++step) {
    const int app = random() % 24;
    auto& refs = held[app];
    if (random() % 2 == 0) {
      const IdentityRef ref = identities.Allocate(App(app));
      size_t in_use = 0;
      for (const auto& [other, others] : held) {
        if (others.empty()) continue;
        ++in_use;
        ASSERT_EQ(others[0].id() == ref.id(), other == app);
      }
      ASSERT_EQ(ref.valid(), !refs.empty() || in_use < 16);
      if (ref.valid()) refs.push_back(ref);
    } else if (!refs.empty()) {
      refs.pop_back();
    }
  }
}

TEST(AllocatorTest, ThreadsNeverShareANumberUnlessTheyShareLabels) {
  IdentityAllocator identities({.first = 256, .last = 280});
  constexpr int kApps = 8;
  // Who has each number now, and how often.
  std::mutex mutex;
  std::map<uint32_t, std::pair<int, int>> holders;
  std::atomic<bool> failed = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 20000; ++i) {
        const int app = random() % kApps;
        const IdentityRef ref = identities.Allocate(App(app));
        if (!ref.valid()) failed = true;
        {
          const std::lock_guard<std::mutex> lock(mutex);
          auto& [holder, count] = holders[Number(ref)];
          if (count++ > 0 && holder != app) failed = true;
          holder = app;
        }
        std::this_thread::yield();
        const std::lock_guard<std::mutex> lock(mutex);
        --holders[Number(ref)].second;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(failed);
  EXPECT_EQ(identities.size(), 0u);
}

}  // namespace
}  // namespace ciliumcore
