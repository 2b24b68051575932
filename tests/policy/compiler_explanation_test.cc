// SPDX-License-Identifier: Apache-2.0

// What explains a verdict.

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/policy/policy_town.h"

namespace ciliumcore {
namespace {

using testing::Egress;
using testing::Ingress;
using testing::On;
using testing::OnNamed;
using testing::OnRange;
using testing::Pods;
using testing::Select;
using testing::Town;

class PolicyExplanationTest : public ::testing::Test {
 protected:
  PolicyExplanationTest() {
    town_.AddPod("town/web", {{"app", "web"}});
    town_.AddPod("town/db", {{"app", "db"}}, {.ports = {{"sql", "5432/TCP"}}});
  }

  std::string WhyIn(const std::string& from, const std::string& to,
                    const std::string& port) {
    return town_.Why(town_.Decide(from, to, port).ingress);
  }
  std::string WhyOut(const std::string& from, const std::string& to,
                     const std::string& port) {
    return town_.Why(town_.Decide(from, to, port).egress);
  }

  Town town_;
};

TEST_F(PolicyExplanationTest, SaysThatNoPolicySelects) {
  EXPECT_EQ(WhyIn("town/web", "town/db", "80/TCP"),
            "not isolated: no policy selects it for ingress");
  EXPECT_EQ(WhyOut("town/web", "town/db", "80/TCP"),
            "not isolated: no policy selects it for egress");
}

TEST_F(PolicyExplanationTest, NamesThePoliciesThatIsolate) {
  town_.Add(Ingress({{{Pods(Select({{"app", "web"}}))}, {On("80/TCP")}}}));
  town_.Add(Ingress({}));
  NetworkPolicy other = Ingress({});
  other.pod_selector = Select({{"app", "web"}});
  town_.Add(other);
  EXPECT_EQ(WhyIn("town/web", "town/db", "81/TCP"),
            "default deny: isolated for ingress by NetworkPolicy town/p0, "
            "NetworkPolicy town/p1, and no rule allows this");
}

TEST_F(PolicyExplanationTest, NamesExactlyTheRulesThatAllow) {
  NetworkPolicy policy =
      Ingress({{{Pods(Select({{"app", "web"}}))}, {On("80/TCP")}},
               {{}, {OnRange("80/TCP", 90)}},
               {{Pods(Select({{"app", "db"}}))}, {}}});
  policy.name = "front";
  town_.Add(policy);
  town_.Add(Ingress({{{Pods({})}, {On("85/TCP")}}}));
  EXPECT_EQ(WhyIn("town/web", "town/db", "80/TCP"),
            "allowed by NetworkPolicy town/front ingress[0], NetworkPolicy "
            "town/front ingress[1]");
  EXPECT_EQ(WhyIn("town/web", "town/db", "81/TCP"),
            "allowed by NetworkPolicy town/front ingress[1]");
  EXPECT_EQ(WhyIn("town/web", "town/db", "85/TCP"),
            "allowed by NetworkPolicy town/front ingress[1], NetworkPolicy "
            "town/p1 ingress[0]");
  EXPECT_EQ(WhyIn("town/db", "town/db", "85/TCP"),
            "allowed by NetworkPolicy town/front ingress[1], NetworkPolicy "
            "town/front ingress[2], NetworkPolicy town/p1 ingress[0]");
}

TEST_F(PolicyExplanationTest, CountsARuleOnceThatAllowsTwice) {
  town_.Add(Egress({{{}, {OnNamed("sql"), On("5432/TCP")}}}));
  EXPECT_EQ(WhyOut("town/web", "town/db", "5432/TCP"),
            "allowed by NetworkPolicy town/p0 egress[0]");
}

TEST_F(PolicyExplanationTest, NamesTheOwnNode) {
  town_.input().host_addresses = {*IpAddress::Parse("192.168.0.1")};
  town_.Add(Ingress({}));
  town_.Add(Egress({}));
  EXPECT_EQ(WhyIn("192.168.0.1", "town/db", "80/TCP"),
            "own node: it always reaches its pods");
  EXPECT_EQ(WhyOut("town/db", "192.168.0.1", "80/TCP"),
            "own node: its pods always reach it");
}

TEST_F(PolicyExplanationTest, SaysThatNobodyJudgesAnAddressOutside) {
  EXPECT_EQ(WhyOut("8.8.8.8", "town/db", "80/TCP"), "nobody judged");
}

RuleSet DeniedBy(const std::string& name) {
  RuleSet set;
  set.kind = RuleSet::Kind::kDefaultDeny;
  set.policies = {{"NetworkPolicy", "town", name}};
  return set;
}

TEST(RuleSetTableTest, GivesEqualSetsOneNumber) {
  RuleSetTable table;
  RuleSetRef a = *table.Intern(DeniedBy("a"));
  RuleSetRef b = *table.Intern(DeniedBy("b"));
  EXPECT_NE(a->id, 0u);
  EXPECT_NE(a->id, b->id);
  EXPECT_EQ((*table.Intern(DeniedBy("a")))->id, a->id);
  EXPECT_EQ(table.Find(b->id)->set, DeniedBy("b"));
  EXPECT_EQ(table.Find(77), nullptr);
}

TEST(RuleSetTableTest, ExplainsLateEventsAsFarAsItsHistoryGoes) {
  RuleSetTable table({.history = 2});
  std::vector<uint32_t> ids;
  for (const char* name : {"a", "b", "c"}) {
    ids.push_back((*table.Intern(DeniedBy(name)))->id);
  }
  EXPECT_EQ(table.live(), 0u);
  EXPECT_EQ(table.remembered(), 2u);
  EXPECT_EQ(table.Find(ids[0]), nullptr);
  EXPECT_EQ(table.Find(ids[1])->set, DeniedBy("b"));
  EXPECT_EQ((*table.Intern(DeniedBy("c")))->id, ids[2]);
  EXPECT_GT((*table.Intern(DeniedBy("a")))->id, ids[2]);
}

TEST(RuleSetTableTest, NeverReusesANumberThatIsReferenced) {
  RuleSetTable table({.history = 1, .last_id = 3});
  RuleSetRef kept = *table.Intern(DeniedBy("kept"));
  for (int i = 0; i < 10; ++i) {
    EXPECT_NE((*table.Intern(DeniedBy(std::to_string(i))))->id, kept->id);
  }
  RuleSetRef second = *table.Intern(DeniedBy("second"));
  RuleSetRef third = *table.Intern(DeniedBy("third"));
  EXPECT_EQ(table.Intern(DeniedBy("fourth")).status().code(),
            absl::StatusCode::kResourceExhausted);
  second.reset();
  EXPECT_TRUE(table.Intern(DeniedBy("fourth")).ok());
}

TEST(RuleSetTableTest, RestoresNumbersOfAnEarlierProcess) {
  RuleSetTable table;
  RuleSetRef restored = *table.Restore(41, DeniedBy("a"));
  EXPECT_EQ((*table.Intern(DeniedBy("a")))->id, 41u);
  EXPECT_EQ(table.Restore(41, DeniedBy("b")).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(table.Restore(42, DeniedBy("a")).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(table.Restore(0, DeniedBy("b")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(RuleSetTableTest, ThreadsMayInternAndReleaseAtOnce) {
  RuleSetTable table({.history = 2});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&table] {
      for (int j = 0; j < 1000; ++j) {
        const RuleSet set = DeniedBy(std::to_string(j % 5));
        RuleSetRef ref = *table.Intern(set);
        ASSERT_EQ(table.Find(ref->id)->set, set);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(table.live(), 0u);
  EXPECT_EQ(table.remembered(), 2u);
}

TEST(RuleSetTableTest, ReferencesMayOutliveTheTable) {
  std::optional<RuleSetTable> table(std::in_place);
  RuleSetRef ref = *table->Intern(DeniedBy("a"));
  table.reset();
  EXPECT_EQ(ref->set, DeniedBy("a"));
}

}  // namespace
}  // namespace ciliumcore
