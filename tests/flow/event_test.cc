// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/flow/event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/flow/records.h"

namespace ciliumcore {
namespace {

using testing::BytesOf;
using testing::EndRecord;
using ::testing::HasSubstr;
using testing::Ip;
using testing::Record;

TEST(EventTest, ReadsEveryFieldOfADrop) {
  cc_event record = Record(CC_EVENT_DROP);
  record.audited = 1;
  record.is_reply = 1;
  const auto event = DecodeEvent(BytesOf(record));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->kind, FlowKind::kDrop);
  EXPECT_EQ(event->monotonic_ns, 123456789);
  EXPECT_EQ(event->source, Ip("10.0.1.10"));
  EXPECT_EQ(event->destination, Ip("10.0.1.20"));
  EXPECT_EQ(event->source_port, 40000);
  EXPECT_EQ(event->destination_port, 5432);
  EXPECT_EQ(event->protocol, Protocol::kTcp);
  EXPECT_EQ(event->reason, 133);
  EXPECT_FALSE(event->is_egress);
  EXPECT_EQ(event->tcp_flags, 0x02);
  EXPECT_EQ(event->icmp_type, 0);
  EXPECT_EQ(event->source_peer, testing::kWebPeer);
  EXPECT_EQ(event->destination_peer, testing::kDbPeer);
  EXPECT_EQ(event->egress_rule_set, testing::kEgressRules);
  EXPECT_EQ(event->ingress_rule_set, testing::kIngressRules);
  EXPECT_EQ(event->generation, 42u);
  EXPECT_EQ(event->ifindex, 10u);
  EXPECT_EQ(event->bytes, 74u);
  EXPECT_TRUE(event->is_reply);
  EXPECT_TRUE(event->is_audited);
}

TEST(EventTest, KnowsIcmpByItsType) {
  for (const uint8_t protocol : {1, 58}) {
    cc_event record = Record(CC_EVENT_NEW);
    record.protocol = protocol;
    record.tcp_flags = 8;
    const auto event = DecodeEvent(BytesOf(record));
    ASSERT_TRUE(event.ok());
    EXPECT_EQ(event->icmp_type, 8);
    EXPECT_EQ(event->tcp_flags, 0);
  }
}

TEST(EventTest, TurnsTheEndToWhoOpenedTheConnection) {
  const auto event = DecodeEvent(BytesOf(EndRecord()));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->kind, FlowKind::kEnd);
  EXPECT_EQ(event->source, Ip("10.0.1.10"));
  EXPECT_EQ(event->source_port, 40000);
  EXPECT_EQ(event->source_peer, testing::kWebPeer);
  EXPECT_EQ(event->destination, Ip("10.0.1.20"));
  EXPECT_EQ(event->destination_port, 5432);
  EXPECT_FALSE(event->is_reply);
  EXPECT_EQ(event->sent, (FlowCounts{.packets = 3, .bytes = 300}));
  EXPECT_EQ(event->answered, (FlowCounts{.packets = 20, .bytes = 2000}));
}

TEST(EventTest, LeavesTheEndByWhoOpenedTheConnection) {
  cc_event_end end = EndRecord();
  end.event.is_reply = 0;
  const auto event = DecodeEvent(BytesOf(end));
  ASSERT_TRUE(event.ok());
  EXPECT_EQ(event->source, Ip("10.0.1.20"));
  EXPECT_EQ(event->sent.packets, 20u);
}

TEST(EventTest, RefusesWhatAnotherBuildWrote) {
  cc_event record = Record(CC_EVENT_NEW);
  record.version = CC_EVENT_VERSION + 1;
  const auto newer = DecodeEvent(BytesOf(record));
  EXPECT_TRUE(absl::IsInvalidArgument(newer.status()));
  EXPECT_THAT(newer.status().message(),
              HasSubstr("expected version 1, found 2"));
  for (const uint16_t kind : {0, 5, 65535}) {
    record = Record(CC_EVENT_NEW);
    record.kind = kind;
    const auto unknown = DecodeEvent(BytesOf(record));
    EXPECT_TRUE(absl::IsInvalidArgument(unknown.status()));
    EXPECT_THAT(unknown.status().message(), HasSubstr("unknown kind"));
  }
}

TEST(EventTest, RefusesWhatIsTooShort) {
  const cc_event record = Record(CC_EVENT_NEW);
  for (size_t size = 0; size < sizeof(record); ++size) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        DecodeEvent(BytesOf(record).subspan(0, size)).status()));
  }
  // The head of an end without its counts.
  const cc_event_end end = EndRecord();
  const auto cut =
      DecodeEvent(BytesOf(end).subspan(0, sizeof(cc_event_end) - 1));
  EXPECT_TRUE(absl::IsInvalidArgument(cut.status()));
  EXPECT_THAT(cut.status().message(),
              HasSubstr("expected at least 112 bytes, found 111"));
}

}  // namespace
}  // namespace ciliumcore
