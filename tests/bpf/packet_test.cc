// SPDX-License-Identifier: Apache-2.0

// Packets as they come: cut short, in pieces, wrapped, about other packets, and
// between neighbours.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/bpf/endpoint_fixture.h"

namespace ciliumcore::testing {
namespace {

// --- What is no IP packet ---------------------------------------------------

TEST_P(EndpointTest, DropsWhatIsNeitherIpNorArp) {
  AllowEverything();
  for (const uint16_t type : {0x88cc, 0x8847, 0x8100}) {
    const std::string frame = PacketBuilder()
                                  .Ethernet(web_.mac, web_.host_mac, type)
                                  .Payload(std::string(60, 'x'))
                                  .Build();
    ExpectDropped(Send(web_, frame), frame, CC_REASON_UNSUPPORTED_L3);
    ExpectDropped(Receive(db_, frame), frame, CC_REASON_UNSUPPORTED_L3);
  }
}

TEST_P(EndpointTest, DropsAnIpHeaderThatContradictsItself) {
  AllowEverything();
  for (const char first : {'\x00', '\x54', '\x66'}) {
    std::string packet = Syn(web_, db_);
    packet[14] = static_cast<char>(v6() && first == '\x66' ? '\x46' : first);
    ExpectDropped(Send(web_, packet), packet, CC_REASON_INVALID_PACKET);
  }
  if (v6()) return;
  std::string packet = Syn(web_, db_);
  packet[14] = 0x44;  // a header of 16 bytes
  ExpectDropped(Send(web_, packet), packet, CC_REASON_INVALID_PACKET);
}

TEST_P(EndpointTest, DropsEveryTruncation) {
  AllowEverything();
  const std::string packets[] = {Syn(web_, db_),
                                 From(web_, db_).Udp(1, 2).Build(),
                                 From(web_, db_).Echo(1).Build()};
  for (const std::string& packet : packets) {
    for (size_t size = packet.size() - 1; size >= (v6() ? 54 : 34); --size) {
      const std::string cut = packet.substr(0, size);
      ExpectDropped(Send(web_, cut), cut, CC_REASON_CT_INVALID_HEADER);
      ExpectDropped(Receive(db_, cut), cut, CC_REASON_CT_INVALID_HEADER);
    }
  }
  EXPECT_EQ(Connections(), 0u);
}

TEST_P(EndpointTest, DropsIcmpOfTheOtherFamily) {
  AllowEverything();
  const std::string packet =
      From(web_, db_, {.protocol = static_cast<uint8_t>(v6() ? 1 : 58)})
          .Payload(std::string(8, '\x80'))
          .Build();
  ExpectDropped(Send(web_, packet), packet, CC_REASON_INVALID_PACKET);
}

TEST_P(EndpointTest, DropsMappedIpv4AddressesOnTheWire) {
  AllowEverything();
  // The builder makes IPv4 of two IPv4 addresses, so one at a time.
  Host mapped_source = web_, mapped_target = db_;
  mapped_source.v6 = web_.v4;
  mapped_target.v6 = db_.v4;
  for (const auto& [from, to] :
       {std::pair(mapped_source, db_), std::pair(web_, mapped_target)}) {
    const std::string packet = PacketBuilder()
                                   .Ethernet(web_.mac, web_.host_mac)
                                   .Ip(from.v6, to.v6)
                                   .Tcp(40000, 80, kTcpSyn)
                                   .Build();
    ExpectDropped(Send(web_, packet), packet, CC_REASON_INVALID_PACKET);
    ExpectDropped(Receive(db_, packet), packet, CC_REASON_INVALID_PACKET);
  }
}

// --- Headers between IP and the transport -----------------------------------

TEST_P(EndpointTest, FindsTheTransportBehindIpv4Options) {
  Egress(web_, AllowAll());
  Ingress(db_, {{.protocol = 6, .first = 80, .last = 80}});
  for (const size_t bytes : {1, 4, 13, 40}) {
    const std::string packet =
        PacketBuilder()
            .Ethernet(web_.mac, web_.host_mac)
            .Ip(web_.v4, db_.v4, {.options = std::string(bytes, '\1')})
            .Tcp(40000, 80, kTcpSyn)
            .Build();
    ExpectDelivered(Send(web_, packet), packet, db_);
  }
}

TEST_P(EndpointTest, FindsTheTransportBehindIpv6Extensions) {
  Egress(web_, AllowAll());
  Ingress(db_, {{.protocol = 6, .first = 80, .last = 80}});
  const PacketBuilder ip =
      PacketBuilder().Ethernet(web_.mac, web_.host_mac).Ip(web_.v6, db_.v6);
  const std::string packets[] = {
      PacketBuilder(ip).Extension(0).Tcp(40000, 80, kTcpSyn).Build(),
      PacketBuilder(ip).Extension(43, 2).Tcp(40000, 80, kTcpSyn).Build(),
      PacketBuilder(ip).Extension(60, 31).Tcp(40000, 80, kTcpSyn).Build(),
      PacketBuilder(ip).Authentication(4).Tcp(40000, 80, kTcpSyn).Build(),
      PacketBuilder(ip).Fragment(9, 0, false).Tcp(40000, 80, kTcpSyn).Build(),
      PacketBuilder(ip)
          .Extension(0)
          .Extension(60)
          .Extension(43)
          .Authentication(1)
          .Extension(60)
          .Tcp(40000, 80, kTcpSyn)
          .Build()};
  for (const std::string& packet : packets) {
    ExpectDelivered(Send(web_, packet), packet, db_);
  }
  const std::string other =
      PacketBuilder(ip).Extension(0).Tcp(40000, 81, kTcpSyn).Build();
  ExpectDropped(Send(web_, other), other, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, DropsTooManyOrTruncatedIpv6Extensions) {
  AllowEverything();
  PacketBuilder builder =
      PacketBuilder().Ethernet(web_.mac, web_.host_mac).Ip(web_.v6, db_.v6);
  for (int i = 0; i < 6; ++i) builder.Extension(60);
  const std::string many =
      PacketBuilder(builder).Tcp(40000, 80, kTcpSyn).Build();
  ExpectDropped(Send(web_, many), many, CC_REASON_INVALID_EXTENSION_HEADER);
  const std::string cut = PacketBuilder()
                              .Ethernet(web_.mac, web_.host_mac)
                              .Ip(web_.v6, db_.v6)
                              .Extension(60)
                              .Build()
                              .substr(0, 14 + 40 + 7);
  ExpectDropped(Send(web_, cut), cut, CC_REASON_INVALID_EXTENSION_HEADER);
}

TEST_P(EndpointTest, DoesNotReadAWrongTransportBehindALongExtension) {
  AllowEverything();
  // The header says that it goes on beyond the packet.
  std::string packet = PacketBuilder()
                           .Ethernet(web_.mac, web_.host_mac)
                           .Ip(web_.v6, db_.v6)
                           .Extension(60)
                           .Tcp(40000, 80, kTcpSyn)
                           .Build();
  packet[14 + 40 + 1] = '\x7f';
  ExpectDropped(Send(web_, packet), packet, CC_REASON_CT_INVALID_HEADER);
}

// --- Fragments --------------------------------------------------------------

TEST_P(EndpointTest, LetsAllFragmentsOfAnAllowedDatagramPass) {
  Egress(web_, AllowAll());
  Ingress(db_, {{.peer = web_.peer, .protocol = 17, .first = 53, .last = 53}});
  const std::string datagram =
      From(web_, db_).Udp(40000, 53).Payload(std::string(100, 'x')).Build();
  for (const std::string& part : Fragments(datagram, 32, 7)) {
    ExpectDelivered(Send(web_, part), part, db_);
  }
  EXPECT_EQ(Connections(), 1u);
  EXPECT_EQ(Connection().packets[0], 4u);
}

TEST_P(EndpointTest, DropsTheFragmentsOfADeniedDatagram) {
  Egress(web_, AllowAll());
  Ingress(db_, {{.protocol = 17, .first = 53, .last = 53}});
  const std::string datagram =
      From(web_, db_).Udp(40000, 54).Payload(std::string(100, 'x')).Build();
  for (const std::string& part : Fragments(datagram, 32, 7)) {
    ExpectDropped(Send(web_, part), part, CC_REASON_POLICY_DENIED);
  }
}

TEST_P(EndpointTest, DropsAFragmentWhoseFirstItHasNotSeen) {
  AllowEverything();
  const std::vector<std::string> parts = Fragments(
      From(web_, db_).Udp(40000, 53).Payload(std::string(100, 'x')).Build(), 32,
      7);
  ExpectDropped(Send(web_, parts[1]), parts[1],
                CC_REASON_FIRST_FRAGMENT_MISSING);
  Send(web_, parts[0]);
  ExpectDelivered(Send(web_, parts[1]), parts[1], db_);
}

TEST_P(EndpointTest, TellsDatagramsApartByTheirId) {
  AllowEverything();
  const std::string datagram =
      From(web_, db_).Udp(40000, 53).Payload(std::string(100, 'x')).Build();
  Send(web_, Fragments(datagram, 32, 7)[0]);
  const std::string other = Fragments(datagram, 32, 8)[1];
  ExpectDropped(Send(web_, other), other, CC_REASON_FIRST_FRAGMENT_MISSING);
}

TEST_P(EndpointTest, RefusesAFragmentThatCouldRewriteTheTcpHeader) {
  AllowEverything();
  const std::string segment = From(web_, db_)
                                  .Tcp(40000, 80, kTcpAck)
                                  .Payload(std::string(60, 'x'))
                                  .Build();
  Send(web_, Fragments(segment, 24, 7)[0]);
  // The same datagram, cut finer: these begin within the header.
  const std::vector<std::string> fine = Fragments(segment, 8, 7);
  for (const size_t i : {1, 2}) {
    ExpectDropped(Send(web_, fine[i]), fine[i], CC_REASON_FRAGMENT_REFUSED);
  }
  ExpectDelivered(Send(web_, fine[3]), fine[3], db_);
}

TEST_P(EndpointTest, DoesNotReadALaterFragmentsDataAsHeaders) {
  AllowEverything();
  const PacketBuilder ip =
      PacketBuilder().Ethernet(web_.mac, web_.host_mac).Ip(web_.v6, db_.v6);
  Send(web_, PacketBuilder(ip).Fragment(7, 0, true).Udp(40000, 53).Build());
  // Its data looks like an extension header with UDP behind it.
  const std::string later = PacketBuilder(ip)
                                .Fragment(7, 800, false)
                                .Extension(60)
                                .Udp(40000, 53)
                                .Build();
  ExpectDropped(Send(web_, later), later, CC_REASON_FIRST_FRAGMENT_MISSING);
}

TEST_P(EndpointTest, DropsAFirstFragmentWithoutAllOfItsHeader) {
  AllowEverything();
  const std::string part =
      Fragments(From(web_, db_).Tcp(40000, 80, kTcpSyn).Build(), 8, 7)[0];
  ExpectDropped(Send(web_, part), part, CC_REASON_CT_INVALID_HEADER);
}

TEST_P(EndpointTest, DoesNotLetALaterFragmentOpenOrClose) {
  AllowWebToDb();
  OpenTcp();
  // Where the flags of a TCP header would be, this one has all of them set.
  const std::vector<std::string> parts =
      Fragments(From(web_, db_)
                    .Tcp(40000, 80, kTcpAck)
                    .Payload(std::string(60, '\xff'))
                    .Build(),
                24, 7);
  for (const std::string& part : parts) Send(web_, part);
  ExpectLives(options_.config.ticks_tcp, Tcp(db_, web_, 80, 40000, kTcpAck));
}

// --- ICMP errors ------------------------------------------------------------

TEST_P(EndpointTest, LetsAnErrorAboutAConnectionPassToItsSender) {
  AllowWebToDb();
  OpenTcp();
  const std::string about = Tcp(web_, db_, 40000, 80, kTcpAck);
  const std::string error =
      From(db_, web_)
          .Icmp(v6() ? kIcmpv6Unreachable : kIcmpUnreachable)
          .Quote(about)
          .Build();
  const cc_ct before = Connection();
  ExpectDelivered(Send(db_, error), error, web_);
  const cc_ct after = Connection();
  EXPECT_EQ(after.packets[0], before.packets[0]);
  EXPECT_EQ(after.packets[1], before.packets[1]) << "it is none of its packets";
}

TEST_P(EndpointTest, LetsAnErrorFromARouterPass) {
  Egress(web_, {{.peer = far_.peer}});
  Send(web_, Syn(web_, far_));
  const Host router = {.v4 = Ip("10.0.2.1"), .v6 = Ip("fd00:2::1")};
  for (const uint8_t type : v6() ? std::vector<uint8_t>{1, 2, 3, 4}
                                 : std::vector<uint8_t>{3, 4, 11, 12}) {
    const std::string error =
        From(router, web_).Icmp(type, 4, 1280).Quote(Syn(web_, far_)).Build();
    ExpectPassed(Receive(web_, error), error);
  }
}

TEST_P(EndpointTest, DropsAnErrorAboutNoConnection) {
  AllowEverything();
  Send(web_, Syn(web_, far_));
  const std::string error =
      From(far_, web_)
          .Icmp(v6() ? kIcmpv6Unreachable : kIcmpUnreachable)
          .Quote(Tcp(web_, far_, 40001, 80, kTcpSyn))
          .Build();
  ExpectDropped(Receive(web_, error), error, CC_REASON_NOT_RELATED);
  ExpectDropped(Send(web_, From(web_, db_)
                               .Icmp(v6() ? 1 : 3)
                               .Quote(Tcp(db_, web_, 1, 2, kTcpAck))
                               .Build()),
                From(web_, db_)
                    .Icmp(v6() ? 1 : 3)
                    .Quote(Tcp(db_, web_, 1, 2, kTcpAck))
                    .Build(),
                CC_REASON_NOT_RELATED);
}

TEST_P(EndpointTest, DropsAnErrorThatQuotesSomebodyElsesPacket) {
  AllowEverything();
  Send(web_, Syn(web_, far_));
  // To db, about what web sent.
  const std::string error =
      From(far_, db_)
          .Icmp(v6() ? kIcmpv6Unreachable : kIcmpUnreachable)
          .Quote(Syn(web_, far_))
          .Build();
  ExpectDropped(Receive(db_, error), error, CC_REASON_NOT_RELATED);
}

TEST_P(EndpointTest, MaySendErrorsFromItsOwnAddressOnly) {
  AllowEverything();
  OpenTcp();
  Host forged = far_;
  forged.mac = db_.mac;
  forged.host_mac = db_.host_mac;
  const std::string error =
      From(forged, web_)
          .Icmp(v6() ? kIcmpv6Unreachable : kIcmpUnreachable)
          .Quote(Tcp(web_, db_, 40000, 80, kTcpAck))
          .Build();
  ExpectDropped(Send(db_, error), error, CC_REASON_INVALID_SOURCE_IP);
}

TEST_P(EndpointTest, DropsAnErrorThatQuotesTooLittle) {
  AllowEverything();
  OpenTcp();
  const std::string about = Tcp(web_, db_, 40000, 80, kTcpAck);
  const PacketBuilder head =
      From(db_, web_).Icmp(v6() ? kIcmpv6Unreachable : kIcmpUnreachable);
  for (const size_t bytes : {0, 7}) {
    const std::string error = PacketBuilder(head).Quote(about, bytes).Build();
    ExpectDropped(Send(db_, error), error, CC_REASON_INVALID_PACKET);
  }
  const std::string error =
      PacketBuilder(head).Payload(about.substr(14, v6() ? 39 : 19)).Build();
  ExpectDropped(Send(db_, error), error, CC_REASON_INVALID_PACKET);
  const std::string nonsense =
      PacketBuilder(head).Payload(std::string(60, '\xff')).Build();
  ExpectDropped(Send(db_, nonsense), nonsense, CC_REASON_INVALID_PACKET);
}

TEST_P(EndpointTest, LetsAnErrorAboutAnEchoPass) {
  AllowWebToDb();
  const std::string echo = From(web_, db_).Echo(77).Build();
  Send(web_, echo);
  const PacketBuilder head =
      From(db_, web_).Icmp(v6() ? kIcmpv6Unreachable : kIcmpUnreachable);
  const std::string error = PacketBuilder(head).Quote(echo).Build();
  ExpectDelivered(Send(db_, error), error, web_);
  const std::string other =
      PacketBuilder(head).Quote(From(web_, db_).Echo(78).Build()).Build();
  ExpectDropped(Send(db_, other), other, CC_REASON_NOT_RELATED);
}

TEST_P(EndpointTest, StopsErrorsWithTheirConnection) {
  AllowWebToDb();
  OpenTcp();
  const std::string error =
      From(db_, web_)
          .Icmp(v6() ? kIcmpv6Unreachable : kIcmpUnreachable)
          .Quote(Tcp(web_, db_, 40000, 80, kTcpAck))
          .Build();
  Ingress(db_, {});
  ExpectDropped(Send(db_, error), error, CC_REASON_POLICY_DENIED);
}

// --- Neighbours -------------------------------------------------------------

TEST_P(EndpointTest, AnswersArpForWhomeverItAsks) {
  const MacAddress all = {255, 255, 255, 255, 255, 255};
  for (const Host& target : {db_, far_, world_}) {
    const std::string request = PacketBuilder()
                                    .Ethernet(web_.mac, all)
                                    .Arp(1, web_.mac, web_.v4, {}, target.v4)
                                    .Build();
    const std::string answer =
        PacketBuilder()
            .Ethernet(web_.host_mac, web_.mac)
            .Arp(2, web_.host_mac, target.v4, web_.mac, web_.v4)
            .Build();
    ExpectAnswered(Send(web_, request), answer, web_);
  }
}

TEST_P(EndpointTest, DoesNotAnswerArpForItsOwnAddress) {
  const MacAddress all = {255, 255, 255, 255, 255, 255};
  const std::string announcement = PacketBuilder()
                                       .Ethernet(web_.mac, all)
                                       .Arp(1, web_.mac, web_.v4, {}, web_.v4)
                                       .Build();
  ExpectDropped(Send(web_, announcement), announcement, CC_REASON_LINK_SCOPE);
  const std::string probe =
      PacketBuilder()
          .Ethernet(web_.mac, all)
          .Arp(1, web_.mac, IpAddress::FromV4(0), {}, web_.v4)
          .Build();
  ExpectDropped(Send(web_, probe), probe, CC_REASON_LINK_SCOPE);
}

TEST_P(EndpointTest, DropsArpInAnothersName) {
  for (const uint16_t operation : {1, 2}) {
    const std::string forged =
        PacketBuilder()
            .Ethernet(web_.mac, web_.host_mac)
            .Arp(operation, web_.mac, db_.v4, {}, far_.v4)
            .Build();
    ExpectDropped(Send(web_, forged), forged, CC_REASON_INVALID_SOURCE_IP);
  }
}

TEST_P(EndpointTest, LetsArpAnswersToAndFromTheNodePass) {
  const std::string answer =
      PacketBuilder()
          .Ethernet(web_.mac, web_.host_mac)
          .Arp(2, web_.mac, web_.v4, web_.host_mac, Ip("10.0.0.1"))
          .Build();
  ExpectPassed(Send(web_, answer), answer);
  const std::string question =
      PacketBuilder()
          .Ethernet(web_.host_mac, web_.mac)
          .Arp(1, web_.host_mac, Ip("10.0.0.1"), {}, web_.v4)
          .Build();
  ExpectPassed(Receive(web_, question, 0), question);
}

TEST_P(EndpointTest, DropsMalformedArp) {
  const std::string good = PacketBuilder()
                               .Ethernet(web_.mac, web_.host_mac)
                               .Arp(1, web_.mac, web_.v4, {}, db_.v4)
                               .Build();
  for (const size_t at : {14, 16}) {  // hardware and protocol
    std::string bad = good;
    bad[at] = 0x7f;
    ExpectDropped(Send(web_, bad), bad, CC_REASON_INVALID_PACKET);
  }
  const std::string cut = good.substr(0, 41);
  ExpectDropped(Send(web_, cut), cut, CC_REASON_INVALID_PACKET);
  std::string reverse = good;
  reverse[21] = 3;
  ExpectDropped(Send(web_, reverse), reverse, CC_REASON_LINK_SCOPE);
}

const char kSolicited[] = "ff02::1:ff00:20";

TEST_P(EndpointTest, AnswersNeighbourSolicitations) {
  for (const IpAddress& target : {db_.v6, far_.v6, Ip("fe80::1")}) {
    for (const IpAddress& from : {web_.v6, Ip("fe80::10")}) {
      const std::string question =
          PacketBuilder()
              .Ethernet(web_.mac, {0x33, 0x33, 255, 0, 0, 0x20})
              .Ip(from, Ip(kSolicited), {.ttl = 255})
              .Neighbor(kIcmpv6NeighborSolicit, target, web_.mac)
              .Build();
      const std::string answer = PacketBuilder()
                                     .Ethernet(web_.host_mac, web_.mac)
                                     .Ip(target, from, {.ttl = 255})
                                     .Neighbor(kIcmpv6NeighborAdvert, target,
                                               web_.host_mac, 0xe0000000)
                                     .Build();
      ExpectAnswered(Send(web_, question), answer, web_);
    }
  }
}

TEST_P(EndpointTest, DoesNotAnswerSolicitationsForItsOwnAddress) {
  for (const IpAddress& from : {web_.v6, IpAddress()}) {
    const std::string question =
        PacketBuilder()
            .Ethernet(web_.mac, {0x33, 0x33, 255, 0, 0, 0x10})
            .Ip(from, Ip(kSolicited), {.ttl = 255})
            .Neighbor(kIcmpv6NeighborSolicit, web_.v6, web_.mac)
            .Build();
    ExpectDropped(Send(web_, question), question, CC_REASON_LINK_SCOPE);
  }
}

TEST_P(EndpointTest, DropsSolicitationsInAnothersName) {
  const std::string forged =
      PacketBuilder()
          .Ethernet(web_.mac, web_.host_mac)
          .Ip(db_.v6, Ip(kSolicited), {.ttl = 255})
          .Neighbor(kIcmpv6NeighborSolicit, far_.v6, web_.mac)
          .Build();
  ExpectDropped(Send(web_, forged), forged, CC_REASON_INVALID_SOURCE_IP);
}

TEST_P(EndpointTest, DropsSolicitationsThatARouterLetThrough) {
  const std::string old =
      PacketBuilder()
          .Ethernet(web_.mac, web_.host_mac)
          .Ip(web_.v6, Ip(kSolicited), {.ttl = 254})
          .Neighbor(kIcmpv6NeighborSolicit, db_.v6, web_.mac)
          .Build();
  ExpectDropped(Send(web_, old), old, CC_REASON_INVALID_PACKET);
}

TEST_P(EndpointTest, DropsTruncatedOrWrappedSolicitations) {
  const PacketBuilder ip = PacketBuilder()
                               .Ethernet(web_.mac, web_.host_mac)
                               .Ip(web_.v6, Ip(kSolicited), {.ttl = 255});
  const std::string whole =
      PacketBuilder(ip)
          .Neighbor(kIcmpv6NeighborSolicit, db_.v6, web_.mac)
          .Build();
  const std::string cut = whole.substr(0, 14 + 40 + 23);
  ExpectDropped(Send(web_, cut), cut, CC_REASON_INVALID_PACKET);
  const std::string wrapped =
      PacketBuilder(ip)
          .Extension(60)
          .Neighbor(kIcmpv6NeighborSolicit, db_.v6, web_.mac)
          .Build();
  ExpectDropped(Send(web_, wrapped), wrapped, CC_REASON_INVALID_PACKET);
  // Without the option there is no room for the answer's.
  std::string bare =
      PacketBuilder(ip)
          .Icmp(kIcmpv6NeighborSolicit)
          .Payload(std::string(
              reinterpret_cast<const char*>(db_.v6.bytes().data()), 16))
          .Build();
  ExpectDropped(Send(web_, bare), bare, CC_REASON_INVALID_PACKET);
}

TEST_P(EndpointTest, MayAdvertiseItsOwnAddressesOnly) {
  const auto advert = [&](const IpAddress& source, const IpAddress& target) {
    return PacketBuilder()
        .Ethernet(web_.mac, web_.host_mac)
        .Ip(source, Ip("fe80::1"), {.ttl = 255})
        .Neighbor(kIcmpv6NeighborAdvert, target, web_.mac, 0x60000000)
        .Build();
  };
  for (const IpAddress& source : {web_.v6, Ip("fe80::10")}) {
    for (const IpAddress& target : {web_.v6, Ip("fe80::10")}) {
      const std::string own = advert(source, target);
      ExpectPassed(Send(web_, own), own);
    }
    const std::string foreign = advert(source, db_.v6);
    ExpectDropped(Send(web_, foreign), foreign, CC_REASON_FORBIDDEN_ICMPV6);
  }
  for (const IpAddress& source : {db_.v6, IpAddress()}) {
    const std::string spoofed = advert(source, web_.v6);
    ExpectDropped(Send(web_, spoofed), spoofed, CC_REASON_INVALID_SOURCE_IP);
  }
  // One that has no IPv6 address has not the unspecified one either.
  state_->Endpoint(web_.slot, {.ifindex = web_.ifindex,
                               .v4 = web_.v4,
                               .mac = web_.mac,
                               .host_mac = web_.host_mac});
  const std::string none = advert(Ip("fe80::10"), IpAddress());
  ExpectDropped(Send(web_, none), none, CC_REASON_FORBIDDEN_ICMPV6);
}

TEST_P(EndpointTest, AdvertisesToTheNodeOnly) {
  const IpAddress node = Ip("fd00::1");
  const auto advert = [&](const IpAddress& to) {
    return PacketBuilder()
        .Ethernet(web_.mac, web_.host_mac)
        .Ip(web_.v6, to, {.ttl = 255})
        .Neighbor(kIcmpv6NeighborAdvert, web_.v6, web_.mac, 0x60000000)
        .Build();
  };
  // The node's stack would route these.
  AllowEverything();
  for (const IpAddress& to : {db_.v6, far_.v6, world_.v6, node, Ip("ff05::1")})
    ExpectDropped(Send(web_, advert(to)), advert(to), CC_REASON_LINK_SCOPE);
  state_->Place(60, CC_IDENTITY_HOST, CC_REMOTE);
  state_->Address(node, 60);
  for (const IpAddress& to : {node, Ip("ff02::1"), Ip("fe80::1")})
    ExpectPassed(Send(web_, advert(to)), advert(to));
}

TEST_P(EndpointTest, MaySendNoRouterMessages) {
  const auto message = [&](uint8_t type) {
    return PacketBuilder()
        .Ethernet(web_.mac, web_.host_mac)
        .Ip(web_.v6, Ip("ff02::1"), {.ttl = 255})
        .Icmp(type)
        .Payload(std::string(24, '\0'))
        .Build();
  };
  for (const uint8_t type : {134, 137}) {  // router advertisement, redirect
    ExpectDropped(Send(web_, message(type)), message(type),
                  CC_REASON_FORBIDDEN_ICMPV6);
  }
  for (const uint8_t type : {130, 131, 132, 133, 143}) {  // of no interest
    ExpectDropped(Send(web_, message(type)), message(type),
                  CC_REASON_LINK_SCOPE);
  }
}

TEST_P(EndpointTest, LetsNeighbourMessagesOfTheNodeReachIt) {
  const auto message = [&](uint8_t ttl) {
    return PacketBuilder()
        .Ethernet(web_.host_mac, web_.mac)
        .Ip(far_.v6, web_.v6, {.ttl = ttl})
        .Neighbor(kIcmpv6NeighborSolicit, web_.v6, web_.host_mac)
        .Build();
  };
  ExpectPassed(Receive(web_, message(255), 0), message(255));
  ExpectDropped(Receive(web_, message(254), 0), message(254),
                CC_REASON_POLICY_DENIED);
}

}  // namespace
}  // namespace ciliumcore::testing
