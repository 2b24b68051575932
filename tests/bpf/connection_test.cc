// SPDX-License-Identifier: Apache-2.0

// Connections: what a record lets pass, for how long, and what it never does.

#include <gtest/gtest.h>

#include "tests/bpf/endpoint_fixture.h"

namespace ciliumcore::testing {
namespace {

TEST_P(EndpointTest, AllowsRepliesByTheRecordAlone) {
  AllowWebToDb();  // and nothing the other way
  OpenTcp();
  EXPECT_EQ(Connections(), 1u) << "both directions are one connection";
}

TEST_P(EndpointTest, DoesNotAllowARepliesTupleWithoutARecord) {
  AllowWebToDb();
  const std::string packet = Tcp(db_, web_, 80, 40000, kTcpAck);
  ExpectDropped(Send(db_, packet), packet, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, CountsPacketsAndBytesByDirection) {
  AllowWebToDb();
  OpenTcp();
  const cc_ct ct = Connection();
  const size_t bytes = Syn(web_, db_).size();
  // web's address is the lower one.
  EXPECT_EQ(ct.packets[0], 2u);
  EXPECT_EQ(ct.packets[1], 1u);
  EXPECT_EQ(ct.bytes[0], 2 * bytes);
  EXPECT_EQ(ct.bytes[1], bytes);
  EXPECT_EQ(ct.where[0], web_.slot);
  EXPECT_EQ(ct.where[1], db_.slot);
  EXPECT_EQ(ct.word & CC_CT_FROM_HI, 0u);
}

TEST_P(EndpointTest, KeepsOneRecordWhicheverEndOpens) {
  AllowEverything();
  const std::string syn = Tcp(db_, web_, 40000, 80, kTcpSyn);
  ExpectDelivered(Send(db_, syn), syn, web_);
  const cc_ct ct = Connection();
  EXPECT_EQ(ct.packets[0], 0u);
  EXPECT_EQ(ct.packets[1], 1u);
  EXPECT_NE(ct.word & CC_CT_FROM_HI, 0u);
  const std::string answer = Tcp(web_, db_, 80, 40000, kTcpSyn | kTcpAck);
  ExpectDelivered(Send(web_, answer), answer, db_);
  EXPECT_EQ(Connections(), 1u);
}

TEST_P(EndpointTest, KeepsOneRecordOfAConnectionToItself) {
  const Rule port_80 = {.protocol = 6, .first = 80, .last = 80};
  Egress(web_, {port_80});
  Ingress(web_, {port_80});
  const std::string syn = Tcp(web_, web_, 40000, 80, kTcpSyn);
  const std::string answer = Tcp(web_, web_, 80, 40000, kTcpSyn | kTcpAck);
  ExpectDelivered(Send(web_, syn), syn, web_);
  ExpectDelivered(Send(web_, answer), answer, web_);
  EXPECT_EQ(Connections(), 1u);
}

TEST_P(EndpointTest, KeepsOneRecordBetweenAddressesThatEndAlike) {
  Egress(web_, {{.peer = CC_IDENTITY_WORLD}});
  const Host alike = {.v4 = Ip("10.0.9.10"), .v6 = Ip("fd00:9::10")};
  Send(web_, Syn(web_, alike));
  const std::string answer = Tcp(alike, web_, 80, 40000, kTcpSyn | kTcpAck);
  ExpectPassed(Receive(web_, answer), answer);
  EXPECT_EQ(Connections(), 1u);
}

TEST_P(EndpointTest, KeepsConnectionsOfEqualAddressesApartByPort) {
  AllowEverything();
  Send(web_, Tcp(web_, db_, 40000, 80, kTcpSyn));
  Send(web_, Tcp(web_, db_, 40001, 80, kTcpSyn));
  Send(web_, Tcp(web_, db_, 40000, 81, kTcpSyn));
  Send(web_, Udp(web_, db_, 40000, 80));
  EXPECT_EQ(Connections(), 4u);
}

// --- Revocation -------------------------------------------------------------

TEST_P(EndpointTest, StopsBothDirectionsWhenTheRuleGoesAndResumesWithIt) {
  AllowWebToDb();
  OpenTcp();
  const std::string data = Tcp(web_, db_, 40000, 80, kTcpAck);
  const std::string reply = Tcp(db_, web_, 80, 40000, kTcpAck);
  Ingress(db_, {});
  ExpectDropped(Send(web_, data), data, CC_REASON_POLICY_DENIED);
  ExpectDropped(Send(db_, reply), reply, CC_REASON_POLICY_DENIED);
  AllowWebToDb();
  ExpectDelivered(Send(db_, reply), reply, web_);
  ExpectDelivered(Send(web_, data), data, db_);
}

TEST_P(EndpointTest, StopsRepliesWhenTheInitiatorMayNoLongerSend) {
  AllowWebToDb();
  OpenTcp();
  Egress(web_, {});
  const std::string reply = Tcp(db_, web_, 80, 40000, kTcpAck);
  ExpectDropped(Send(db_, reply), reply, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, StopsAnOpenConnectionWhenThePeersIdentityChanges) {
  AllowWebToDb();
  OpenTcp();
  state_->Place(web_.slot, 4711, web_.slot);
  NextEpoch();
  const std::string data = Tcp(web_, db_, 40000, 80, kTcpAck);
  ExpectDropped(Send(web_, data), data, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, StopsAnOpenConnectionWhenTheEndpointChangesItsSubject) {
  AllowWebToDb();
  OpenTcp();
  state_->Endpoint(2, {.ifindex = db_.ifindex,
                       .subject = CC_SWITCH(epoch_ + 1, 9, 2),  // nobody
                       .v4 = db_.v4,
                       .v6 = db_.v6,
                       .mac = db_.mac,
                       .host_mac = db_.host_mac});
  const std::string data = Tcp(web_, db_, 40000, 80, kTcpAck);
  ExpectDelivered(Send(web_, data), data, db_);
  NextEpoch();
  ExpectDropped(Send(web_, data), data, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, StopsRepliesFromAnotherNodeAfterRevocation) {
  Egress(web_, {{.peer = far_.peer}});
  const std::string syn = Syn(web_, far_);
  ExpectForwarded(Send(web_, syn), syn, kOutsideIfindex);
  const std::string reply = Tcp(far_, web_, 80, 40000, kTcpSyn | kTcpAck);
  ExpectPassed(Receive(web_, reply), reply);
  Egress(web_, {});
  ExpectDropped(Receive(web_, reply), reply, CC_REASON_POLICY_DENIED);
  Egress(web_, {{.peer = far_.peer}});
  ExpectPassed(Receive(web_, reply), reply);
}

TEST_P(EndpointTest, ARecordFollowsAnAddressThatMoves) {
  AllowWebToDb();
  OpenTcp();
  const cc_ct before = Connection();
  const std::string data = Tcp(web_, db_, 40000, 80, kTcpAck);
  state_->Place(db_.slot, db_.peer, CC_REMOTE | 1);
  NextEpoch();
  ExpectForwarded(Send(web_, data), data, kOutsideIfindex);
  const cc_ct moved = Connection();
  EXPECT_EQ(moved.where[0], web_.slot);
  EXPECT_EQ(moved.where[1], CC_REMOTE | 1);
  EXPECT_EQ(moved.packets[0], before.packets[0] + 1);
  EXPECT_EQ(moved.packets[1], before.packets[1]);
  EXPECT_EQ(moved.bytes[1], before.bytes[1]);
  EXPECT_EQ(moved.word & CC_CT_JUDGED, uint64_t{CC_CT_EGRESS_JUDGED});
  // It is the connection that it was: what comes back is a reply.
  const std::string reply = Tcp(db_, web_, 80, 40000, kTcpAck);
  ExpectPassed(Receive(web_, reply), reply);
  ExpectForwarded(Send(web_, data), data, kOutsideIfindex);
}

TEST_P(EndpointTest, TrustsTheRecordWhileTheEpochStands) {
  AllowWebToDb();
  OpenTcp();
  // Without an epoch this change is none, which shows what is read.
  state_->Table(web_.egress_table, {});
  state_->Table(db_.ingress_table, {});
  const std::string data = Tcp(web_, db_, 40000, 80, kTcpAck);
  ExpectDelivered(Send(web_, data), data, db_);
  NextEpoch();
  ExpectDropped(Send(web_, data), data, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, DoesNotTrustOneSidesJudgementForTheOther) {
  // The sender's side alone is judged while db's address is thought remote.
  Egress(web_, AllowAll());
  state_->Place(db_.slot, db_.peer, CC_REMOTE | 1);
  const std::string syn = Syn(web_, db_);
  ExpectForwarded(Send(web_, syn), syn, kOutsideIfindex);
  EXPECT_EQ(Connection().word & CC_CT_JUDGED, uint64_t{CC_CT_EGRESS_JUDGED});
  // It comes back through the node: db's own judgement is due.
  ExpectDropped(Receive(db_, syn, web_.ifindex), syn, CC_REASON_POLICY_DENIED);
  Ingress(db_, AllowAll());
  ExpectPassed(Receive(db_, syn, web_.ifindex), syn);
  EXPECT_EQ(Connection().word & CC_CT_JUDGED, uint64_t{CC_CT_INGRESS_JUDGED});
  Send(web_, syn);
  EXPECT_EQ(Connection().word & CC_CT_JUDGED, uint64_t{CC_CT_JUDGED});
}

TEST_P(EndpointTest, JudgesAReplyByTheRespondersPort) {
  const Rule port_80 = {.protocol = 6, .first = 80, .last = 80};
  Egress(web_, {port_80});
  Ingress(db_, {port_80});
  OpenTcp();
  NextEpoch();
  const std::string reply = Tcp(db_, web_, 80, 40000, kTcpAck);
  ExpectDelivered(Send(db_, reply), reply, web_);
}

TEST_P(EndpointTest, NeedsBothSidesJudgedUnderTheSameEpoch) {
  AllowWebToDb();
  OpenTcp();
  Ingress(db_, {});
  // A reply that comes through the node has web's own side judged again.
  const std::string reply = Tcp(db_, web_, 80, 40000, kTcpAck);
  ExpectPassed(Receive(web_, reply, db_.ifindex), reply);
  EXPECT_EQ(Connection().word & CC_CT_JUDGED, uint64_t{CC_CT_EGRESS_JUDGED});
  // That is not db's.
  const std::string data = Tcp(web_, db_, 40000, 80, kTcpAck);
  ExpectDropped(Send(web_, data), data, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, JudgesAgainWhenTheEpochReturnsToTheSameLowBits) {
  epoch_ = 0xfffffffe;
  Restart();
  AllowWebToDb();  // epochs 0xffffffff and 0
  EXPECT_EQ(epoch_, 0u);
  OpenTcp();
  Ingress(db_, {});
  const std::string data = Tcp(web_, db_, 40000, 80, kTcpAck);
  ExpectDropped(Send(web_, data), data, CC_REASON_POLICY_DENIED);
}

// --- Opening and closing ----------------------------------------------------

TEST_P(EndpointTest, JudgesASynInReplyDirectionAsNew) {
  AllowWebToDb();
  OpenTcp();
  const std::string syn = Tcp(db_, web_, 80, 40000, kTcpSyn);
  ExpectDropped(Send(db_, syn), syn, CC_REASON_POLICY_DENIED);
  // which costs the connection nothing
  const std::string reply = Tcp(db_, web_, 80, 40000, kTcpAck);
  ExpectDelivered(Send(db_, reply), reply, web_);
}

TEST_P(EndpointTest, TurnsTheRecordWhenTheOtherEndMayOpen) {
  AllowEverything();
  OpenTcp();
  const std::string syn = Tcp(db_, web_, 80, 40000, kTcpSyn);
  ExpectDelivered(Send(db_, syn), syn, web_);
  EXPECT_NE(Connection().word & CC_CT_FROM_HI, 0u);
  EXPECT_EQ(Connection().packets[0], 0u);
}

TEST_P(EndpointTest, ReopensAConnectionThatIsClosing) {
  AllowWebToDb();
  OpenTcp();
  Send(web_, Tcp(web_, db_, 40000, 80, kTcpFin | kTcpAck));
  Send(db_, Tcp(db_, web_, 80, 40000, kTcpFin | kTcpAck));
  const std::string syn = Syn(web_, db_);
  const ProgramOutput output = Send(web_, syn);
  ExpectDelivered(output, syn, db_);
  ASSERT_EQ(output.events.size(), 1u);
  EXPECT_EQ(output.events[0].kind, CC_EVENT_NEW);
  EXPECT_EQ(Connection().packets[0], 1u);
}

TEST_P(EndpointTest, RetransmitsASynWithinItsConnection) {
  AllowWebToDb();
  Send(web_, Syn(web_, db_));
  EXPECT_TRUE(Send(web_, Syn(web_, db_)).events.empty());
  EXPECT_EQ(Connection().packets[0], 2u);
}

// --- Life times -------------------------------------------------------------

TEST_P(EndpointTest, ForgetsASynThatNobodyAnswered) {
  AllowWebToDb();
  Send(web_, Syn(web_, db_));
  ExpectLives(options_.config.ticks_syn,
              Tcp(db_, web_, 80, 40000, kTcpSyn | kTcpAck));
}

TEST_P(EndpointTest, ForgetsAHandshakeThatDoesNotEnd) {
  AllowWebToDb();
  Send(web_, Syn(web_, db_));
  const std::string answer = Tcp(db_, web_, 80, 40000, kTcpSyn | kTcpAck);
  Send(db_, answer);
  ExpectLives(options_.config.ticks_syn, answer);
}

TEST_P(EndpointTest, ForgetsAnEstablishedConnectionLate) {
  AllowWebToDb();
  OpenTcp();
  ExpectLives(options_.config.ticks_tcp, Tcp(db_, web_, 80, 40000, kTcpAck));
}

TEST_P(EndpointTest, ForgetsAClosedConnectionSoon) {
  AllowWebToDb();
  OpenTcp();
  Send(web_, Tcp(web_, db_, 40000, 80, kTcpFin | kTcpAck));
  Send(db_, Tcp(db_, web_, 80, 40000, kTcpFin | kTcpAck));
  ExpectLives(options_.config.ticks_close, Tcp(db_, web_, 80, 40000, kTcpAck));
}

TEST_P(EndpointTest, KeepsAHalfClosedConnection) {
  AllowWebToDb();
  OpenTcp();
  Send(web_, Tcp(web_, db_, 40000, 80, kTcpFin | kTcpAck));
  ExpectLives(options_.config.ticks_tcp, Tcp(db_, web_, 80, 40000, kTcpAck));
}

TEST_P(EndpointTest, ForgetsAResetConnectionSoon) {
  AllowWebToDb();
  OpenTcp();
  Send(db_, Tcp(db_, web_, 80, 40000, kTcpRst));
  ExpectLives(options_.config.ticks_close, Tcp(db_, web_, 80, 40000, kTcpAck));
}

TEST_P(EndpointTest, ForgetsUdpWhenItIsSilent) {
  AllowWebToDb();
  Send(web_, Udp(web_, db_, 40000, 53));
  ExpectLives(options_.config.ticks_any, Udp(db_, web_, 53, 40000));
}

TEST_P(EndpointTest, LivesOnWithEachPacket) {
  AllowWebToDb();
  Send(web_, Udp(web_, db_, 40000, 53));
  const std::string reply = Udp(db_, web_, 53, 40000);
  for (int i = 0; i < 3; ++i) {
    Wait(options_.config.ticks_any);
    ExpectDelivered(Send(db_, reply), reply, web_);
  }
}

TEST_P(EndpointTest, LivesByTheKernelsClock) {
  options_.config.clock_from_map = 0;
  Restart();
  AllowWebToDb();
  OpenTcp();
  Wait(100000);  // by a clock that nobody reads
  const std::string reply = Tcp(db_, web_, 80, 40000, kTcpAck);
  ExpectDelivered(Send(db_, reply), reply, web_);
}

TEST_P(EndpointTest, IsNotConfusedByAnotherCpusLaterTick) {
  AllowWebToDb();
  Send(web_, Udp(web_, db_, 40000, 53));
  Wait(~0u);  // a tick back
  const std::string reply = Udp(db_, web_, 53, 40000);
  ExpectDelivered(Send(db_, reply), reply, web_);
}

TEST_P(EndpointTest, CountsTicksAcrossTheirWrap) {
  ticks_ = 0xfffffffe;
  Restart();
  AllowWebToDb();
  Send(web_, Udp(web_, db_, 40000, 53));
  ExpectLives(options_.config.ticks_any, Udp(db_, web_, 53, 40000));
}

// --- ICMP echo and others ---------------------------------------------------

TEST_P(EndpointTest, AllowsTheReplyToAnAllowedEcho) {
  Egress(web_, AllowAll());
  Ingress(db_, {{.peer = web_.peer,
                 .protocol = static_cast<uint8_t>(v6() ? 58 : 1),
                 .first = static_cast<uint16_t>((v6() ? 128 : 8) << 8),
                 .last = static_cast<uint16_t>((v6() ? 128 : 8) << 8 | 0xff)}});
  const std::string echo = From(web_, db_).Echo(77).Build();
  const std::string reply = From(db_, web_).Echo(77, true).Build();
  const std::string other = From(db_, web_).Echo(78, true).Build();
  ExpectDelivered(Send(web_, echo), echo, db_);
  ExpectDelivered(Send(db_, reply), reply, web_);
  ExpectDropped(Send(db_, other), other, CC_REASON_POLICY_DENIED);
  EXPECT_EQ(Connections(), 1u);
}

TEST_P(EndpointTest, JudgesAnEchoTheOtherWayAsNew) {
  AllowWebToDb();
  Send(web_, From(web_, db_).Echo(77).Build());
  const std::string echo = From(db_, web_).Echo(77).Build();
  ExpectDropped(Send(db_, echo), echo, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, StopsEchoRepliesAfterRevocation) {
  AllowWebToDb();
  Send(web_, From(web_, db_).Echo(77).Build());
  Ingress(db_, {{.protocol = static_cast<uint8_t>(v6() ? 58 : 1),
                 .first = static_cast<uint16_t>((v6() ? 129 : 0) << 8),
                 .last = static_cast<uint16_t>((v6() ? 129 : 0) << 8)}});
  const std::string reply = From(db_, web_).Echo(77, true).Build();
  ExpectDropped(Send(db_, reply), reply, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, JudgesOtherIcmpPacketByPacket) {
  const uint8_t type = v6() ? 150 : kIcmpTimestamp;
  Egress(web_, AllowAll());
  Ingress(db_, {{.protocol = static_cast<uint8_t>(v6() ? 58 : 1),
                 .first = static_cast<uint16_t>(type << 8 | 2),
                 .last = static_cast<uint16_t>(type << 8 | 2)}});
  const std::string right = From(web_, db_).Icmp(type, 2).Build();
  const std::string wrong = From(web_, db_).Icmp(type, 3).Build();
  ExpectDelivered(Send(web_, right), right, db_);
  ExpectDropped(Send(web_, wrong), wrong, CC_REASON_POLICY_DENIED);
  EXPECT_EQ(Connections(), 0u);
}

TEST_P(EndpointTest, TracksProtocolsWithoutPorts) {
  Egress(web_, {{.protocol = 47}});
  Ingress(db_, {{.protocol = 47}});
  const std::string gre =
      From(web_, db_, {.protocol = 47}).Payload("GRE, or so").Build();
  const std::string other =
      From(web_, db_, {.protocol = 50}).Payload("ESP, or so").Build();
  const std::string back =
      From(db_, web_, {.protocol = 47}).Payload("GRE, or so").Build();
  ExpectDelivered(Send(web_, gre), gre, db_);
  ExpectDelivered(Send(db_, back), back, web_);
  ExpectDropped(Send(web_, other), other, CC_REASON_POLICY_DENIED);
}

}  // namespace
}  // namespace ciliumcore::testing
