// SPDX-License-Identifier: Apache-2.0

// What an endpoint may send and receive, and what becomes of the packet.

#include <gtest/gtest.h>

#include "tests/bpf/endpoint_fixture.h"

namespace ciliumcore::testing {
namespace {

// --- Policy -----------------------------------------------------------------

TEST_P(EndpointTest, DeniesByDefaultWhatItSends) {
  const std::string syn = Syn(web_, db_);
  ExpectDropped(Send(web_, syn), syn, CC_REASON_POLICY_DENIED);
  EXPECT_EQ(Connections(), 0u);
}

TEST_P(EndpointTest, DeniesByDefaultWhatReachesIt) {
  const std::string syn = Syn(far_, db_);
  ExpectDropped(Receive(db_, syn), syn, CC_REASON_POLICY_DENIED);
  EXPECT_EQ(Connections(), 0u);
}

TEST_P(EndpointTest, DeliversToAnotherEndpointOfTheNodeWhatBothEndsAllow) {
  AllowWebToDb();
  const std::string syn = Syn(web_, db_);
  ExpectDelivered(Send(web_, syn), syn, db_);
  EXPECT_EQ(Connections(), 1u);
}

TEST_P(EndpointTest, DoesNotDeliverWhatTheReceiverDenies) {
  Egress(web_, AllowAll());
  const std::string syn = Syn(web_, db_);
  ExpectDropped(Send(web_, syn), syn, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, DoesNotDeliverWhatTheSenderDenies) {
  Ingress(db_, AllowAll());
  const std::string syn = Syn(web_, db_);
  ExpectDropped(Send(web_, syn), syn, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, TellsPortsApart) {
  Egress(web_, AllowAll());
  Ingress(db_, {{.peer = web_.peer, .protocol = 6, .first = 80, .last = 80}});
  ExpectDelivered(Send(web_, Syn(web_, db_, 80)), Syn(web_, db_, 80), db_);
  for (const uint16_t port : {79, 81, 0, 65535}) {
    ExpectDropped(Send(web_, Syn(web_, db_, port)), Syn(web_, db_, port),
                  CC_REASON_POLICY_DENIED);
  }
}

TEST_P(EndpointTest, TellsProtocolsApart) {
  Egress(web_, AllowAll());
  Ingress(db_, {{.peer = web_.peer, .protocol = 17, .first = 53, .last = 53}});
  const std::string tcp = Syn(web_, db_, 53), udp = Udp(web_, db_, 40000, 53);
  const std::string sctp = From(web_, db_).Sctp(40000, 53).Build();
  ExpectDropped(Send(web_, tcp), tcp, CC_REASON_POLICY_DENIED);
  ExpectDropped(Send(web_, sctp), sctp, CC_REASON_POLICY_DENIED);
  ExpectDelivered(Send(web_, udp), udp, db_);
}

TEST_P(EndpointTest, TellsPeersApart) {
  Ingress(db_, {{.peer = far_.peer}});
  ExpectPassed(Receive(db_, Syn(far_, db_)), Syn(far_, db_));
  ExpectDropped(Receive(db_, Syn(world_, db_)), Syn(world_, db_),
                CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, DeniesWhereAnEarlierRuleDoes) {
  Ingress(db_, {{.peer = far_.peer, .verdict = CC_VERDICT_DENY}, Rule{}});
  ExpectDropped(Receive(db_, Syn(far_, db_)), Syn(far_, db_),
                CC_REASON_POLICY_DENIED);
  ExpectPassed(Receive(db_, Syn(world_, db_)), Syn(world_, db_));
}

TEST_P(EndpointTest, TakesAnUnknownAddressForTheWorld) {
  Ingress(db_, {{.peer = CC_IDENTITY_WORLD}});
  ExpectPassed(Receive(db_, Syn(world_, db_)), Syn(world_, db_));
  ExpectDropped(Receive(db_, Syn(far_, db_)), Syn(far_, db_),
                CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, AuditsWithoutDropping) {
  options_.config.audit_only = 1;
  Restart();
  const std::string syn = Syn(web_, db_);
  const ProgramOutput output = Send(web_, syn);
  ExpectDelivered(output, syn, db_);
  ASSERT_EQ(output.events.size(), 1u);
  EXPECT_EQ(output.events[0].kind, CC_EVENT_DROP);
  EXPECT_EQ(output.events[0].audited, 1);
  EXPECT_EQ(Connections(), 0u) << "nothing may trust what was not allowed";
}

TEST_P(EndpointTest, AuditsOnlyPolicy) {
  options_.config.audit_only = 1;
  Restart();
  const std::string forged = Syn(db_, web_);
  const ProgramOutput output = Send(web_, forged);
  ExpectDropped(output, forged, CC_REASON_INVALID_SOURCE_IP);
  ASSERT_EQ(output.events.size(), 1u);
  EXPECT_EQ(output.events[0].audited, 0) << "it was dropped";
}

// --- Where a packet goes ----------------------------------------------------

TEST_P(EndpointTest, DeliversWithoutThePeerDeviceWhereThatIsWanted) {
  AllowEverything();
  state_->Endpoint(2, {.ifindex = db_.ifindex,
                       .subject = CC_SWITCH(epoch_, 2, 0),
                       .v4 = db_.v4,
                       .v6 = db_.v6,
                       .mac = db_.mac,
                       .host_mac = db_.host_mac,
                       .flags = CC_ENDPOINT_NO_PEER_REDIRECT});
  const std::string syn = Syn(web_, db_);
  const ProgramOutput output = Send(web_, syn);
  EXPECT_EQ(output.action, Action::kRedirect);
  EXPECT_EQ(output.packet, Routed(syn, db_.host_mac, db_.mac));
  if (output.redirect) {
    EXPECT_EQ(output.redirect->kind, RedirectTarget::Kind::kDevice);
  }
}

TEST_P(EndpointTest, SendsToAnotherNodeByItsNextHop) {
  AllowEverything();
  const std::string syn = Syn(web_, far_);
  ExpectForwarded(Send(web_, syn), syn, kOutsideIfindex);
}

TEST_P(EndpointTest, SendsThroughAGatewayOfEitherFamily) {
  AllowEverything();
  for (const uint32_t family : {2u, 10u}) {
    state_->Hop(1, {.ifindex = kOutsideIfindex,
                    .family = family,
                    .gateway = abi::ToAddr(family == 2 ? Ip("10.0.0.1")
                                                       : Ip("fd00::1"))});
    const std::string syn = Syn(web_, far_);
    ExpectForwarded(Send(web_, syn), syn, kOutsideIfindex);
  }
}

TEST_P(EndpointTest, DropsWhatHasNoNextHop) {
  AllowEverything();
  state_->Hop(1, {});
  Send(web_, Syn(web_, far_));  // which opens a connection
  const std::string syn = Syn(web_, far_);
  ExpectDropped(Send(web_, syn), syn, CC_REASON_HOST_UNREACHABLE);
}

TEST_P(EndpointTest, DropsWhatGoesToAnEndpointThatHasLeft) {
  AllowEverything();
  state_->RemoveEndpoint(db_.slot, db_.ifindex);
  NextEpoch();
  const std::string syn = Syn(web_, db_);
  ExpectDropped(Send(web_, syn), syn, CC_REASON_HOST_UNREACHABLE);
}

TEST_P(EndpointTest, DoesNotDeliverToASlotThatHasAnotherAddress) {
  AllowEverything();
  state_->Place(3, far_.peer, db_.slot);
  NextEpoch();
  const std::string syn = Syn(web_, far_);
  ExpectDropped(Send(web_, syn), syn, CC_REASON_HOST_UNREACHABLE);
}

TEST_P(EndpointTest, LeavesTheWorldToTheNodesStack) {
  AllowEverything();
  const std::string syn = Syn(web_, world_);
  ExpectPassed(Send(web_, syn), syn);
}

TEST_P(EndpointTest, AsksTheRoutesWhereThatIsWanted) {
  options_.config.forward = CC_FORWARD_FIB;
  Restart();
  AllowEverything();
  const Host routed = {.v4 = Ip("198.51.100.5"), .v6 = Ip("2001:db8:1::5")};
  const Host black = {.v4 = Ip("192.0.2.5"), .v6 = Ip("2001:db8:2::5")};
  const std::string syn = Syn(web_, routed);
  ExpectForwarded(Send(web_, syn), syn, kOutsideIfindex);
  const std::string last =
      From(web_, routed, {.ttl = 1}).Tcp(40001, 80, kTcpAck).Build();
  EXPECT_EQ(Send(web_, last).events.back().reason, CC_REASON_TTL_EXCEEDED);
  Send(web_, Syn(web_, black));  // which opens a connection
  ExpectDropped(Send(web_, Syn(web_, black)), Syn(web_, black),
                CC_REASON_FIB_LOOKUP_FAILED);
  // To the node itself, or where it has no route.
  ExpectPassed(Send(web_, Syn(web_, world_)), Syn(web_, world_));
}

TEST_P(EndpointTest, ReadsHeadersThatAreNotInOnePiece) {
  AllowEverything();
  const std::string syn = From(web_, db_)
                              .Tcp(40000, 80, kTcpSyn)
                              .Payload(std::string(100, 'x'))
                              .Build();
  for (const uint32_t linear :
       {14u, 20u, 34u, 40u, 54u, 60u, 74u, 113u, 114u}) {
    const auto output = runner_->Run({.program = Program::kFromEndpoint,
                                      .packet = syn,
                                      .ifindex = web_.ifindex,
                                      .linear = linear});
    ASSERT_TRUE(output.ok()) << output.status();
    ExpectDelivered(*output, syn, db_);
  }
}

TEST_P(EndpointTest, DoesNotForwardWhatHasNoHopLeft) {
  AllowEverything();
  for (const Host& to : {db_, far_}) {
    for (const uint8_t ttl : {0, 1}) {
      const std::string syn =
          From(web_, to, {.ttl = ttl}).Tcp(40000, 80, kTcpSyn).Build();
      const ProgramOutput output = Send(web_, syn);
      EXPECT_EQ(output.action, Action::kDrop);
      ASSERT_FALSE(output.events.empty());
      EXPECT_EQ(output.events.back().reason, CC_REASON_TTL_EXCEEDED);
    }
    const std::string last =
        From(web_, to, {.ttl = 2}).Tcp(40000, 80, kTcpSyn).Build();
    EXPECT_EQ(Send(web_, last).action, Action::kRedirect);
  }
}

TEST_P(EndpointTest, KeepsTheChecksumRightWhereItWraps) {
  AllowEverything();
  const auto packet = [&](uint16_t id) {
    return PacketBuilder()
        .Ethernet(web_.mac, web_.host_mac)
        .Ip(web_.v4, db_.v4, {.id = id})
        .Tcp(40000, 80, kTcpSyn)
        .Build();
  };
  // The checksum falls with the id: to zero at the id that it is with id 0.
  const std::string first = packet(0);
  std::string zero = packet(static_cast<uint16_t>(
      static_cast<uint8_t>(first[24]) << 8 | static_cast<uint8_t>(first[25])));
  ASSERT_EQ(zero.substr(24, 2), std::string(2, '\0'));
  EXPECT_TRUE(ChecksumsAreRight(Send(web_, zero).packet));
  zero[24] = zero[25] = '\xff';  // the other zero
  ASSERT_TRUE(ChecksumsAreRight(zero));
  EXPECT_TRUE(ChecksumsAreRight(Send(web_, zero).packet));
}

// --- Who a packet is from ---------------------------------------------------

TEST_P(EndpointTest, MaySendFromItsOwnAddressesOnly) {
  AllowEverything();
  for (const Host& as : {db_, far_, world_}) {
    const std::string forged = Syn(as, db_);
    ExpectDropped(Send(web_, forged), forged, CC_REASON_INVALID_SOURCE_IP);
  }
  EXPECT_EQ(Connections(), 0u);
}

TEST_P(EndpointTest, MayNotSendInAFamilyItHasNoAddressOf) {
  AllowEverything();
  state_->Endpoint(1, {.ifindex = web_.ifindex,
                       .subject = CC_SWITCH(epoch_, 1, 0),
                       .v4 = v6() ? web_.v4 : IpAddress(),
                       .v6 = v6() ? IpAddress() : web_.v6,
                       .mac = web_.mac,
                       .host_mac = web_.host_mac});
  const std::string syn = Syn(web_, db_);
  ExpectDropped(Send(web_, syn), syn, CC_REASON_INVALID_SOURCE_IP);
}

TEST_P(EndpointTest, TakesAnEndpointsAddressFromItsInterfaceOnly) {
  AllowEverything();
  const std::string syn = Syn(web_, db_);
  ExpectDropped(Receive(db_, syn, kOutsideIfindex), syn,
                CC_REASON_INVALID_SOURCE_IP);
  ExpectPassed(Receive(db_, syn, web_.ifindex), syn);
  ExpectPassed(Receive(db_, syn, 0), syn);  // from the node itself
}

TEST_P(EndpointTest, TakesAnEndpointsAddressFromItsInterfaceOnlyWhenConnected) {
  AllowEverything();
  OpenTcp();
  const std::string forged = Tcp(web_, db_, 40000, 80, kTcpAck);
  ExpectDropped(Receive(db_, forged, kOutsideIfindex), forged,
                CC_REASON_INVALID_SOURCE_IP);
  ExpectPassed(Receive(db_, forged, web_.ifindex), forged);
}

TEST_P(EndpointTest, DropsAtAnInterfaceThatIsNoEndpoint) {
  AllowEverything();
  Host nobody = web_;
  nobody.ifindex = kNobodyIfindex;
  const std::string syn = Syn(web_, db_);
  ExpectDropped(Send(nobody, syn), syn, CC_REASON_NO_ENDPOINT);
  ExpectDropped(Receive(nobody, syn), syn, CC_REASON_NO_ENDPOINT);
}

TEST_P(EndpointTest, FindsAnEndpointBehindAHighInterfaceNumber) {
  AllowEverything();
  web_.ifindex = kFarIfindex;
  state_->Endpoint(1, {.ifindex = web_.ifindex,
                       .subject = CC_SWITCH(epoch_, 1, 0),
                       .v4 = web_.v4,
                       .v6 = web_.v6,
                       .mac = web_.mac,
                       .host_mac = web_.host_mac});
  const std::string syn = Syn(web_, db_);
  ExpectDelivered(Send(web_, syn), syn, db_);
}

// --- What is told -----------------------------------------------------------

TEST_P(EndpointTest, TellsWhoWasAllowedAndByWhichRules) {
  Egress(web_, {{.peer = db_.peer, .rule_set = 7}});
  Ingress(db_, {{.peer = web_.peer, .rule_set = 8}});
  const std::string syn = Syn(web_, db_);
  const ProgramOutput output = Send(web_, syn);
  ASSERT_EQ(output.events.size(), 1u);
  const cc_event& event = output.events[0];
  EXPECT_EQ(event.kind, CC_EVENT_NEW);
  EXPECT_EQ(event.version, CC_EVENT_VERSION);
  EXPECT_EQ(event.bytes, sizeof(cc_event));
  EXPECT_EQ(abi::FromAddr(event.src), AddressOf(web_));
  EXPECT_EQ(abi::FromAddr(event.dst), AddressOf(db_));
  EXPECT_EQ(abi::FromBe16(event.sport), 40000);
  EXPECT_EQ(abi::FromBe16(event.dport), 80);
  EXPECT_EQ(event.protocol, 6);
  EXPECT_EQ(event.tcp_flags, kTcpSyn);
  EXPECT_EQ(event.reason, 0);
  EXPECT_EQ(event.src_peer, web_.peer);
  EXPECT_EQ(event.dst_peer, db_.peer);
  EXPECT_EQ(event.rule_set[CC_EGRESS], 7u);
  EXPECT_EQ(event.rule_set[CC_INGRESS], 8u);
  EXPECT_EQ(event.epoch, epoch_);
  EXPECT_EQ(event.ifindex, web_.ifindex);
  EXPECT_EQ(event.packet_bytes, syn.size());
  EXPECT_EQ(event.is_reply, 0);
  EXPECT_EQ(event.audited, 0);
}

TEST_P(EndpointTest, TellsWhichSideDeniedAndByWhichRules) {
  Egress(web_, {{.rule_set = 7}});
  Ingress(db_,
          {{.peer = web_.peer, .verdict = CC_VERDICT_DENY, .rule_set = 8}});
  const ProgramOutput output = Send(web_, Syn(web_, db_));
  ASSERT_EQ(output.events.size(), 1u);
  EXPECT_EQ(output.events[0].direction, CC_INGRESS);
  EXPECT_EQ(output.events[0].rule_set[CC_EGRESS], 7u);
  EXPECT_EQ(output.events[0].rule_set[CC_INGRESS], 8u);
}

TEST_P(EndpointTest, TellsOfAConnectionOnce) {
  AllowWebToDb();
  EXPECT_EQ(Send(web_, Syn(web_, db_)).events.size(), 1u);
  EXPECT_EQ(Send(web_, Syn(web_, db_)).events.size(), 0u);
  EXPECT_EQ(
      Send(db_, Tcp(db_, web_, 80, 40000, kTcpSyn | kTcpAck)).events.size(),
      0u);
}

TEST_P(EndpointTest, TellsNothingWhereNothingIsWanted) {
  options_.config.emit_new = options_.config.emit_drops = 0;
  Restart();
  EXPECT_TRUE(Send(web_, Syn(web_, db_)).events.empty());
  AllowWebToDb();
  EXPECT_TRUE(Send(web_, Syn(web_, db_)).events.empty());
}

TEST_P(EndpointTest, CountsPacketsAndBytesByDirectionAndReason) {
  const std::string syn = Syn(web_, db_);
  Send(web_, syn);
  AllowWebToDb();
  Send(web_, syn);
  Send(web_, syn);
  Receive(db_, syn, web_.ifindex);
  const cc_metric sent = Metric(CC_EGRESS, CC_REASON_FORWARDED);
  EXPECT_EQ(sent.packets, 2u);
  EXPECT_EQ(sent.bytes, 2 * syn.size());
  EXPECT_EQ(Metric(CC_EGRESS, CC_REASON_POLICY_DENIED).packets, 1u);
  EXPECT_EQ(Metric(CC_EGRESS, CC_REASON_POLICY_DENIED).bytes, syn.size());
  EXPECT_EQ(Metric(CC_INGRESS, CC_REASON_FORWARDED).packets, 1u);
  EXPECT_EQ(Metric(CC_INGRESS, CC_REASON_POLICY_DENIED).packets, 0u);
}

TEST_P(EndpointTest, CountsADenialAtTheReceiverAsIngress) {
  Egress(web_, AllowAll());
  Send(web_, Syn(web_, db_));
  EXPECT_EQ(Metric(CC_INGRESS, CC_REASON_POLICY_DENIED).packets, 1u);
  EXPECT_EQ(Metric(CC_EGRESS, CC_REASON_POLICY_DENIED).packets, 0u);
}

}  // namespace
}  // namespace ciliumcore::testing
