// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/flow/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ciliumcore/flow/reason.h"
#include "tests/flow/records.h"

namespace ciliumcore {
namespace {

using testing::BytesOf;
using ::testing::HasSubstr;
using testing::Record;

// A drop from shop/web-0 10.0.1.10:40000 to shop/db-0 10.0.1.20:5432.
Flow Dropped() {
  return *DecodeFlow(BytesOf(Record(CC_EVENT_DROP)), testing::TwoPods());
}

FlowFilter Filter(const std::string& text) {
  const auto filter = FlowFilter::Parse(text);
  EXPECT_TRUE(filter.ok()) << filter.status();
  return filter.value_or(FlowFilter());
}

bool Passes(const std::string& text) { return Filter(text).Matches(Dropped()); }

TEST(FlowFilterTest, WithoutFieldsEverythingPasses) {
  EXPECT_TRUE(Passes(""));
  EXPECT_TRUE(Passes("  \t "));
  EXPECT_TRUE(Filter("").empty());
}

TEST(FlowFilterTest, EachFieldPassesItsOwnAndNothingElse) {
  const struct {
    const char* passes;
    const char* refuses;
  } kCases[] = {
      {"pod=shop/web-0", "pod=shop/web-1"},
      {"pod=db-0", "pod=web"},
      {"pod=shop/web-*", "pod=other/web-*"},
      {"pod=we*", "pod=eb*"},
      {"from-pod=shop/web-0", "to-pod=shop/web-0"},
      {"namespace=shop", "namespace=sho"},
      {"to-namespace=shop", "to-namespace=default"},
      {"label=app=web", "label=app=mail"},
      {"from-label=app=web,tier=back", "from-label=app=web,tier=front"},
      {"'label=app in (db, mail)'", "'label=app notin (db, web)'"},
      {"to-label=!gone", "to-label=!app"},
      {"identity=1001", "identity=1003"},
      {"to-identity=1002", "to-identity=1001"},
      {"ip=10.0.1.20", "ip=10.0.1.21"},
      {"from-ip=10.0.1.0/28", "to-ip=10.0.1.0/28"},
      {"port=5432", "port=5433"},
      {"sport=40000", "dport=40000"},
      {"to-port=5432", "from-port=5432"},
      {"protocol=TCP", "protocol=udp"},
      {"verdict=DROPPED", "verdict=forwarded"},
      {"kind=drop", "kind=end"},
      {"reason=133", "reason=134"},
      {"reason=policy-denied", "reason=no-route"},
      {"'reason=Policy Denied'", "reason=invalid_packet"},
      {"rule=shop/allow-web", "rule=shop/allow"},
      {"rule=shop/db", "rule=op/db"},
      {"'rule=NetworkPolicy shop/allow-web egress[0]'",
       "'rule=NetworkPolicy shop/allow-web egress[1]'"},
      {"direction=ingress", "direction=egress"},
      {"reply=false", "reply=true"},
      {"service=shop/db", "service=shop/d"},
      {"service=shop/db:sql", "service=shop/db:metrics"},
  };
  for (const auto& [passes, refuses] : kCases) {
    EXPECT_TRUE(Passes(passes)) << passes;
    EXPECT_FALSE(Passes(refuses)) << refuses;
  }
}

TEST(FlowFilterTest, AllFieldsMustHold) {
  EXPECT_TRUE(Passes("pod=shop/web-0 verdict=dropped dport=5432"));
  EXPECT_FALSE(Passes("pod=shop/web-0 verdict=dropped dport=80"));
}

TEST(FlowFilterTest, OneValueOfAFieldMustHold) {
  EXPECT_TRUE(Passes("dport=80,443,5432"));
  EXPECT_TRUE(Passes("dport=80 dport=5432"));
  EXPECT_TRUE(Passes("label=app=mail label=app=db"));
  EXPECT_FALSE(Passes("dport=80 dport=443"));
}

TEST(FlowFilterTest, TheOppositeHoldsIfNoValueDoes) {
  EXPECT_FALSE(Passes("dport!=80,5432"));
  EXPECT_TRUE(Passes("dport!=80 dport!=443"));
  EXPECT_TRUE(Passes("dport=5432 dport!=443"));
  EXPECT_FALSE(Passes("namespace!=shop"));
}

TEST(FlowFilterTest, WhoIsNoPodHasNoNameToMatch) {
  Flow flow = Dropped();
  flow.source = flow.destination = {};
  EXPECT_FALSE(Filter("pod=*").Matches(flow));
  EXPECT_FALSE(Filter("label=app").Matches(flow));
  EXPECT_FALSE(Filter("'label=!app'").Matches(flow)) << "nothing is known";
}

TEST(FlowFilterTest, ReservedIdentitiesHaveNames) {
  Flow flow = Dropped();
  flow.source.identity = Identity::kWorld;
  EXPECT_TRUE(Filter("from-identity=world").Matches(flow));
  EXPECT_TRUE(Filter("from-identity=2").Matches(flow));
}

TEST(FlowFilterTest, EveryReasonHasItsName) {
  for (const DropReason& reason : DropReasons()) {
    Flow flow = Dropped();
    flow.reason = reason.number;
    FlowFilter filter;
    ASSERT_TRUE(filter.Add("reason", reason.name).ok()) << reason.name;
    EXPECT_TRUE(filter.Matches(flow)) << reason.name;
    EXPECT_EQ(filter.Matches(Dropped()), reason.number == 133);
  }
}

TEST(FlowFilterTest, WhatCannotBeReadIsNamed) {
  const struct {
    const char* text;
    const char* named;
  } kCases[] = {
      {"pod=a verdict=maybe",
       "filter verdict=maybe: expected forwarded, dropped or audited, found "
       "\"maybe\""},
      {"colour=red", "filter colour=red: expected the name of a field"},
      {"from-verdict=dropped",
       "filter from-verdict=dropped: expected the name"},
      {"pod", "filter pod: expected name=value"},
      {"=a", "filter =a: expected name=value"},
      {"!=a", "filter !=a: expected the name of a field"},
      {"pod=", "filter pod=: expected a value"},
      {"port=80,", "filter port=80,: expected a value"},
      {"port=http", "filter port=http: "},
      {"ip=10.0.0.0/33", "filter ip=10.0.0.0/33: "},
      {"ip=10.1.0.0/8", "filter ip=10.1.0.0/8: "},
      {"label=app in (", "filter label=app: expected"},
      {"label==x", "filter label==x: "},
      {"identity=somebody", "expected a number or the name of a reserved"},
      {"reason=256", "filter reason=256: "},
      {"reason=bad-luck", "filter reason=bad-luck: "},
      {"kind=", "filter kind=: expected a value"},
      {"pod='a b", "filter pod='a b: its quote is not closed"},
  };
  for (const auto& [text, named] : kCases) {
    const auto filter = FlowFilter::Parse(text);
    if (std::string(text) == "label=app in (") {
      // Blanks end a term: what follows is one of its own.
      EXPECT_TRUE(absl::IsInvalidArgument(filter.status()));
      EXPECT_THAT(filter.status().message(), HasSubstr("filter in: "));
      continue;
    }
    EXPECT_TRUE(absl::IsInvalidArgument(filter.status())) << text;
    EXPECT_THAT(filter.status().message(), HasSubstr(named)) << text;
  }
}

TEST(FlowFilterTest, ReadsWhatItPrints) {
  for (const char* text :
       {"pod=shop/web-0 verdict=dropped to-port=5432",
        "from-ip=10.0.0.0/8 kind!=new", "label=\"app in (db, mail)\"",
        "rule=\"it's 'so'\" reply=true", "pod='\"' namespace=a"}) {
    const FlowFilter filter = Filter(text);
    const FlowFilter again = Filter(filter.ToString());
    EXPECT_EQ(again.ToString(), filter.ToString()) << text;
    EXPECT_EQ(again.Matches(Dropped()), filter.Matches(Dropped())) << text;
  }
  EXPECT_EQ(Filter("dport=80,443").ToString(), "to-port=80 to-port=443");
}

TEST(FlowFilterTest, OneOfSeveralFiltersIsEnough) {
  const FlowFilter filters[] = {Filter("dport=80"), Filter("pod=shop/web-0")};
  EXPECT_TRUE(MatchesAny(filters, Dropped()));
  EXPECT_FALSE(MatchesAny({filters, 1}, Dropped()));
  EXPECT_TRUE(MatchesAny({}, Dropped()));
}

}  // namespace
}  // namespace ciliumcore
