// SPDX-License-Identifier: Apache-2.0

// What the programs tell of connections that they know, and how much of it.

#include <string>

#include "ciliumcore/abi/convert.h"
#include "tests/bpf/endpoint_fixture.h"

namespace ciliumcore::testing {
namespace {

size_t CountOf(const ProgramOutput& output, cc_event_kind kind) {
  size_t count = 0;
  for (const cc_event& event : output.events) count += event.kind == kind;
  return count;
}

TEST_P(EndpointTest, TellsTheEndOfAConnectionOnceWithItsCounts) {
  AllowWebToDb();
  OpenTcp();
  const std::string fin = Tcp(web_, db_, 40000, 80, kTcpFin | kTcpAck);
  EXPECT_TRUE(Send(web_, fin).events.empty()) << "it is half open";
  const std::string answer = Tcp(db_, web_, 80, 40000, kTcpFin | kTcpAck);
  const ProgramOutput output = Send(db_, answer);
  ASSERT_EQ(output.events.size(), 1u);
  ASSERT_EQ(output.ends.size(), 1u);
  const cc_event_end& end = output.ends[0];
  EXPECT_EQ(end.event.kind, CC_EVENT_END);
  EXPECT_EQ(end.event.version, CC_EVENT_VERSION);
  EXPECT_EQ(end.event.bytes, sizeof(cc_event_end));
  EXPECT_EQ(abi::FromAddr(end.event.src), AddressOf(db_)) << "of the packet";
  EXPECT_EQ(abi::FromAddr(end.event.dst), AddressOf(web_));
  EXPECT_EQ(end.event.src_peer, db_.peer);
  EXPECT_EQ(end.event.dst_peer, web_.peer);
  EXPECT_EQ(end.event.is_reply, 1);
  EXPECT_EQ(end.event.reason, 0);
  EXPECT_EQ(end.event.direction, CC_EGRESS);
  EXPECT_EQ(end.event.epoch, epoch_);
  EXPECT_EQ(end.event.ifindex, db_.ifindex);
  EXPECT_EQ(end.packets[0], 2u) << "of db: SYN-ACK, FIN";
  EXPECT_EQ(end.packets[1], 3u) << "of web: SYN, ACK, FIN";
  EXPECT_EQ(end.bytes[0], 2 * answer.size());
  EXPECT_EQ(end.bytes[1], 3 * fin.size());
  // What comes after it changes nothing.
  EXPECT_TRUE(Send(web_, Tcp(web_, db_, 40000, 80, kTcpAck)).events.empty());
  EXPECT_TRUE(Send(db_, answer).events.empty());
  EXPECT_TRUE(Send(web_, Tcp(web_, db_, 40000, 80, kTcpRst)).events.empty());
}

TEST_P(EndpointTest, TellsTheEndOfAConnectionThatIsReset) {
  AllowWebToDb();
  OpenTcp();
  const std::string rst = Tcp(web_, db_, 40000, 80, kTcpRst);
  const ProgramOutput output = Send(web_, rst);
  ExpectDelivered(output, rst, db_);
  ASSERT_EQ(output.ends.size(), 1u);
  EXPECT_EQ(output.ends[0].event.is_reply, 0);
  EXPECT_EQ(output.ends[0].event.tcp_flags, kTcpRst);
  EXPECT_EQ(output.ends[0].packets[0], 3u);
  EXPECT_EQ(output.ends[0].packets[1], 1u);
  EXPECT_TRUE(Send(web_, rst).events.empty());
}

TEST_P(EndpointTest, TellsTheEndOfAConnectionThatIsRefused) {
  AllowWebToDb();
  Send(web_, Syn(web_, db_));
  const auto output = Send(db_, Tcp(db_, web_, 80, 40000, kTcpRst | kTcpAck));
  ASSERT_EQ(output.ends.size(), 1u);
  EXPECT_EQ(output.ends[0].packets[0], 1u);
  EXPECT_EQ(output.ends[0].packets[1], 1u);
}

TEST_P(EndpointTest, TellsTheEndAtTheReceiver) {
  Ingress(db_, {{.peer = far_.peer}});
  Receive(db_, Syn(far_, db_));
  const auto output = Receive(db_, Tcp(far_, db_, 40000, 80, kTcpRst));
  ASSERT_EQ(output.ends.size(), 1u);
  EXPECT_EQ(output.ends[0].event.direction, CC_INGRESS);
  EXPECT_EQ(output.ends[0].event.src_peer, far_.peer);
  EXPECT_EQ(output.ends[0].packets[0], 2u);
}

TEST_P(EndpointTest, TellsTheEndOfAConnectionThatWasJustJudgedAgain) {
  AllowWebToDb();
  OpenTcp();
  NextEpoch();
  const auto output = Send(web_, Tcp(web_, db_, 40000, 80, kTcpRst));
  ASSERT_EQ(output.ends.size(), 1u);
  EXPECT_EQ(output.ends[0].event.epoch, epoch_);
}

TEST_P(EndpointTest, TellsNoEndWhereNoneIsWanted) {
  options_.config.emit_end = 0;
  Restart();
  AllowWebToDb();
  OpenTcp();
  EXPECT_TRUE(Send(web_, Tcp(web_, db_, 40000, 80, kTcpRst)).events.empty());
}

TEST_P(EndpointTest, TellsNoEndWhereThereIsNoConnectionToEnd) {
  AllowWebToDb();
  Send(web_, Udp(web_, db_, 40000, 53));
  EXPECT_TRUE(Send(db_, Udp(db_, web_, 53, 40000)).events.empty());
}

TEST_P(EndpointTest, TellsTheVerdictOnAKnownConnectionIfAsked) {
  options_.config.emit_verdicts = 1;
  Restart();
  AllowWebToDb();
  OpenTcp();
  Egress(web_, {{.peer = db_.peer, .rule_set = 17}});
  Ingress(db_, {{.peer = web_.peer, .rule_set = 18}});
  const std::string ack = Tcp(web_, db_, 40000, 80, kTcpAck);
  const ProgramOutput output = Send(web_, ack);
  ExpectDelivered(output, ack, db_);
  ASSERT_EQ(output.events.size(), 1u);
  EXPECT_EQ(output.events[0].kind, CC_EVENT_VERDICT);
  EXPECT_EQ(output.events[0].reason, 0);
  EXPECT_EQ(output.events[0].epoch, epoch_);
  EXPECT_EQ(output.events[0].rule_set[CC_EGRESS], 17u);
  EXPECT_EQ(output.events[0].rule_set[CC_INGRESS], 18u);
  EXPECT_TRUE(Send(web_, ack).events.empty()) << "once in an epoch";
}

TEST_P(EndpointTest, TellsNoVerdictByItself) {
  AllowWebToDb();
  OpenTcp();
  NextEpoch();
  const std::string ack = Tcp(web_, db_, 40000, 80, kTcpAck);
  EXPECT_TRUE(Send(web_, ack).events.empty());
}

TEST_P(EndpointTest, TellsOfDropsOneInSoManyAndCountsAll) {
  options_.config.drop_sample_shift = 2;
  Restart();
  std::string told;
  for (int i = 0; i < 9; ++i) {
    const ProgramOutput output = Send(web_, Syn(web_, db_));
    EXPECT_EQ(output.action, Action::kDrop);
    told += CountOf(output, CC_EVENT_DROP) == 1 ? "x" : ".";
  }
  EXPECT_EQ(told, "x...x...x");
  EXPECT_EQ(Metric(CC_EGRESS, CC_REASON_POLICY_DENIED).packets, 9u);
}

TEST_P(EndpointTest, CountsAtTheEndpointThatJudged) {
  const std::string syn = Syn(web_, db_);
  Send(web_, syn);
  EXPECT_EQ(MetricOf(web_.slot, CC_EGRESS, CC_REASON_POLICY_DENIED).packets,
            1u);
  EXPECT_EQ(MetricOf(web_.slot, CC_EGRESS, CC_REASON_POLICY_DENIED).bytes,
            syn.size());
  Egress(web_, AllowAll());
  Send(web_, syn);
  Send(web_, syn);
  EXPECT_EQ(MetricOf(db_.slot, CC_INGRESS, CC_REASON_POLICY_DENIED).packets,
            2u);
  EXPECT_EQ(MetricOf(db_.slot, CC_INGRESS, CC_REASON_POLICY_DENIED).bytes,
            2 * syn.size());
  EXPECT_EQ(MetricOf(web_.slot, CC_INGRESS, CC_REASON_POLICY_DENIED).packets,
            0u);
  EXPECT_EQ(Metric(CC_INGRESS, CC_REASON_POLICY_DENIED).packets, 2u);
}

TEST_P(EndpointTest, CountsWhatEachEndpointSentAndGot) {
  AllowWebToDb();
  const std::string syn = Syn(web_, db_);
  Send(web_, syn);
  Send(db_, Tcp(db_, web_, 80, 40000, kTcpSyn | kTcpAck));
  Send(web_, syn);
  Receive(db_, syn, web_.ifindex);
  EXPECT_EQ(MetricOf(web_.slot, CC_EGRESS, CC_REASON_FORWARDED).packets, 2u);
  EXPECT_EQ(MetricOf(web_.slot, CC_EGRESS, CC_REASON_FORWARDED).bytes,
            2 * syn.size());
  EXPECT_EQ(MetricOf(db_.slot, CC_EGRESS, CC_REASON_FORWARDED).packets, 1u);
  EXPECT_EQ(MetricOf(db_.slot, CC_INGRESS, CC_REASON_FORWARDED).packets, 1u);
  EXPECT_EQ(MetricOf(web_.slot, CC_INGRESS, CC_REASON_FORWARDED).packets, 0u);
}

TEST_P(EndpointTest, CountsWhatIsAuditedAsDroppedThereAndSentHere) {
  options_.config.audit_only = 1;
  Restart();
  Egress(web_, AllowAll());
  Send(web_, Syn(web_, db_));
  EXPECT_EQ(MetricOf(db_.slot, CC_INGRESS, CC_REASON_POLICY_DENIED).packets,
            1u);
  EXPECT_EQ(MetricOf(web_.slot, CC_EGRESS, CC_REASON_FORWARDED).packets, 1u);
}

TEST_P(EndpointTest, CountsDropsOfNobodyAsNobodys) {
  state_->Endpoint(web_.slot, {});
  Send(web_, Syn(web_, db_));
  const uint32_t slot = web_.slot;
  EXPECT_EQ(MetricOf(slot, CC_EGRESS, CC_REASON_NO_ENDPOINT).packets +
                MetricOf(0, CC_EGRESS, CC_REASON_NO_ENDPOINT).packets,
            1u);
}

}  // namespace
}  // namespace ciliumcore::testing
