// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/flow/flow.h"

#include <gtest/gtest.h>

#include "tests/flow/records.h"

namespace ciliumcore {
namespace {

using testing::BytesOf;
using testing::EndRecord;
using testing::Record;
using testing::TwoPods;

Flow FlowOf(const cc_event& record) {
  const auto flow = DecodeFlow(BytesOf(record), TwoPods());
  EXPECT_TRUE(flow.ok()) << flow.status();
  return flow.value_or(Flow());
}

TEST(FlowTest, SaysWhoWithWhomAndByWhichRules) {
  const Flow flow = FlowOf(Record(CC_EVENT_DROP));
  EXPECT_EQ(flow.kind, FlowKind::kDrop);
  EXPECT_EQ(flow.verdict, Flow::Verdict::kDropped);
  EXPECT_EQ(flow.source.pod, "shop/web-0");
  EXPECT_EQ(flow.source.name, "shop/app=web");
  EXPECT_EQ(flow.source.ns(), "shop");
  EXPECT_EQ(static_cast<uint32_t>(flow.source.identity), testing::kWebPeer);
  ASSERT_NE(flow.source.labels, nullptr);
  EXPECT_EQ(*flow.source.labels->Get("app"), "web");
  EXPECT_EQ(flow.destination.pod, "shop/db-0");
  EXPECT_EQ(flow.service, "shop/db:sql");
  EXPECT_EQ(flow.egress.rule_set, testing::kEgressRules);
  EXPECT_EQ(flow.egress.why,
            "allowed by NetworkPolicy shop/allow-web egress[0]");
  EXPECT_EQ(flow.generation, 42u);
  EXPECT_EQ(flow.ToString(),
            "dropped 10.0.1.10:40000 (shop/web-0) -> 10.0.1.20:5432 "
            "(shop/db-0) TCP of shop/db:sql: policy denied; egress: allowed by "
            "NetworkPolicy shop/allow-web egress[0]; ingress: default deny: "
            "isolated for ingress by NetworkPolicy shop/db, and no rule allows "
            "this");
}

TEST(FlowTest, SaysHowMuchAConnectionCarried) {
  const auto flow = DecodeFlow(BytesOf(EndRecord()), TwoPods());
  ASSERT_TRUE(flow.ok());
  EXPECT_EQ(flow->verdict, Flow::Verdict::kForwarded);
  EXPECT_EQ(flow->ToString(),
            "ended 10.0.1.10:40000 (shop/web-0) -> 10.0.1.20:5432 (shop/db-0) "
            "TCP of shop/db:sql: 3 packets of 300 bytes, answered by 20 of "
            "2000");
}

TEST(FlowTest, SaysThatAConnectionWasJudgedAgain) {
  const Flow flow = FlowOf(Record(CC_EVENT_VERDICT, "fd00::1", "fd00::2"));
  EXPECT_EQ(flow.verdict, Flow::Verdict::kForwarded);
  EXPECT_EQ(flow.ToString().substr(0, 46),
            "judged again [fd00::1]:40000 (shop/web-0) -> [");
}

TEST(FlowTest, IsAuditedWhereTheNodeOnlyListens) {
  cc_event record = Record(CC_EVENT_DROP);
  record.audited = 1;
  EXPECT_EQ(FlowOf(record).verdict, Flow::Verdict::kAudited);
}

TEST(FlowTest, AFlowThatIsUsedAgainKeepsNothingOfTheOneBefore) {
  const TwoPods directory;
  Flow flow;
  ResolveFlow(*DecodeEvent(BytesOf(EndRecord())), directory, flow);
  ResolveFlow(*DecodeEvent(BytesOf(Record(CC_EVENT_DROP))), directory, flow);
  cc_event record = Record(CC_EVENT_NEW);
  record.src_peer = 2;
  record.dport = 0;
  record.rule_set[0] = 0;
  record.rule_set[1] = 99;
  ResolveFlow(*DecodeEvent(BytesOf(record)), directory, flow);
  const Flow fresh = FlowOf(record);
  EXPECT_EQ(flow.ToString(), fresh.ToString());
  EXPECT_EQ(flow.reason, 0);
  EXPECT_EQ(flow.sent, FlowCounts());
  EXPECT_EQ(flow.source.pod, "");
  EXPECT_EQ(flow.source.labels, nullptr);
  EXPECT_EQ(flow.source.ns(), "");
  EXPECT_EQ(flow.service, "");
  EXPECT_EQ(flow.egress.why, "");
  EXPECT_EQ(flow.ingress.why, "") << "forgotten";
  EXPECT_EQ(flow.ingress.rule_set, 99u);
}

TEST(FlowTest, TheServiceOfAReplyIsThatOfItsSource) {
  cc_event record = Record(CC_EVENT_DROP);
  record.is_reply = 1;
  EXPECT_EQ(FlowOf(record).service, "");
  std::swap(record.sport, record.dport);
  EXPECT_EQ(FlowOf(record).service, "shop/db:sql");
}

}  // namespace
}  // namespace ciliumcore
