// SPDX-License-Identifier: Apache-2.0

// What becomes of single packets in the load balancer: the same natively and in
// the kernel, for both families.

#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/reason.h"
#include "ciliumcore/testing/packet.h"
#include "tests/bpf/lb_rig.h"
#include "tests/support/require_bpf.h"

namespace ciliumcore::testing {
namespace {

constexpr MacAddress kRouter = {2, 0, 0, 0, 0, 1}, kOwn = {2, 0, 0, 0, 0, 2},
                     kGateway = {2, 0, 0, 0, 0, 9};

IpAddress Ip(absl::string_view text) { return *IpAddress::Parse(text); }

LoadBalancerOptions Options() {
  return {
      .source_v4 = *IpPrefix::Parse("172.16.0.0/16"),
      .source_v6 = *IpPrefix::Parse("fd00:16::/96"),
      .gateway = kGateway,
      .seed = 42,
      .capacity = {
          .services = 64, .backends = 1024, .slots = 1 << 18, .flows = 4096}};
}

struct Where {
  bool in_kernel, is_v4;
};

class LbPacketTest : public ::testing::TestWithParam<Where> {
 protected:
  void SetUp() override {
    if (!GetParam().in_kernel) {
      rig_ = LbRig::Native(Options());
      return;
    }
    RequireBpf();
    if (IsSkipped() || HasFatalFailure()) return;
    absl::StatusOr<std::unique_ptr<LbRig>> rig = LbRig::InKernel(Options());
    ASSERT_TRUE(rig.ok()) << rig.status();
    rig_ = *std::move(rig);
  }

  bool is_v4() const { return GetParam().is_v4; }
  IpAddress Vip() const { return Ip(is_v4() ? "10.96.0.10" : "fd00:96::a"); }
  IpAddress Client(int i = 1) const {
    return Ip(absl::StrCat(is_v4() ? "192.0.2." : "2001:db8::", i));
  }
  IpAddress BackendAt(int i) const {
    return Ip(absl::StrCat(is_v4() ? "10.1.0." : "fd00:1::", i));
  }
  Frontend FrontendOf(Protocol protocol, uint16_t port = 80) const {
    return {.address = Vip(), .port = {.protocol = protocol, .port = port}};
  }

  BalancedService ServiceOf(int backends,
                            Protocol protocol = Protocol::kTcp) const {
    BalancedService service = {.frontend = FrontendOf(protocol)};
    for (int i = 1; i <= backends; ++i)
      service.backends.push_back({.address = BackendAt(i)});
    return service;
  }

  PacketBuilder From(const IpAddress& client, IpFields fields = {}) const {
    return PacketBuilder().Ethernet(kRouter, kOwn).Ip(client, Vip(), fields);
  }
  std::string Segment(uint16_t port, uint8_t flags = kTcpAck) const {
    return From(Client()).Tcp(port, 80, flags).Payload("hello").Build();
  }

  // The IP packet, with one hop less.
  static std::string InnerOf(const std::string& frame) {
    return Routed(frame, kRouter, kOwn).substr(14);
  }

  // What a router says of an answer of the frontend to the flow of that port.
  std::string ErrorAbout(uint16_t port) const {
    const std::string answer = PacketBuilder()
                                   .Ethernet(kOwn, kRouter)
                                   .Ip(Vip(), Client())
                                   .Tcp(80, port, kTcpAck)
                                   .Build();
    const auto error =
        PacketBuilder().Ethernet(kRouter, kOwn).Ip(Router(), Vip());
    return is_v4() ? PacketBuilder(error).Icmp(3, 4, 1400).Quote(answer).Build()
                   : PacketBuilder(error)
                         .Icmp(kIcmpv6TooBig, 0, 1400)
                         .Quote(answer)
                         .Build();
  }
  IpAddress Router() const {
    return Ip(is_v4() ? "198.51.100.7" : "2001:db8:7::1");
  }

  size_t IpBytes(const std::string& frame) const { return frame.size() - 14; }

  std::unique_ptr<LbRig> rig_;
};

TEST_P(LbPacketTest, ASegmentGoesToABackendInAPacketOfItsOwn) {
  ASSERT_TRUE(rig_->Upsert(ServiceOf(1)).ok());
  const std::string sent = From(Client(), {.ttl = 17, .tos = 0x48})
                               .Tcp(40000, 80, kTcpSyn)
                               .Payload("hello")
                               .Build();
  const LbOutput output = rig_->Run(sent);
  ASSERT_EQ(output.action, XDP_TX);
  const Wrapped wrapped = Unwrap(output.packet);
  EXPECT_EQ(wrapped.mac_to, kGateway);
  EXPECT_EQ(wrapped.mac_from, kOwn);
  EXPECT_EQ(wrapped.to, BackendAt(1));
  EXPECT_TRUE((is_v4() ? *Options().source_v4 : *Options().source_v6)
                  .Contains(wrapped.from));
  EXPECT_EQ(wrapped.traffic_class, 0x48);
  EXPECT_EQ(wrapped.ttl, 64);
  EXPECT_EQ(wrapped.inner, InnerOf(sent));
  EXPECT_TRUE(ChecksumsAreRight(output.packet.substr(0, 12) +
                                output.packet.substr(12, 2) + wrapped.inner));
  const cc_metric traffic = rig_->Traffic(FrontendOf(Protocol::kTcp));
  EXPECT_EQ(traffic.packets, 1u);
  EXPECT_EQ(traffic.bytes, IpBytes(sent));
}

TEST_P(LbPacketTest, ADatagramGoesByAServiceOfItsProtocol) {
  ASSERT_TRUE(rig_->Upsert(ServiceOf(1, Protocol::kUdp)).ok());
  const std::string sent =
      From(Client()).Udp(40000, 80).Payload("hello").Build();
  const LbOutput output = rig_->Run(sent);
  ASSERT_EQ(output.action, XDP_TX);
  EXPECT_EQ(Unwrap(output.packet).inner, InnerOf(sent));
  EXPECT_EQ(rig_->Run(Segment(40000)).action, XDP_PASS);
}

TEST_P(LbPacketTest, WhatGoesToNoServicePassesAsItCame) {
  ASSERT_TRUE(rig_->Upsert(ServiceOf(2)).ok());
  const auto other = PacketBuilder().Ethernet(kRouter, kOwn);
  std::string cut = Segment(1);
  cut.resize(cut.size() - 12);
  for (const std::string& packet : {
           From(Client()).Tcp(1, 81, kTcpSyn).Build(),
           From(Client()).Udp(1, 80).Build(),
           From(Client()).Echo(7).Build(),
           From(Client()).Sctp(1, 80).Build(),
           PacketBuilder(other)
               .Ip(Client(), BackendAt(1))
               .Tcp(1, 80, 2)
               .Build(),
           PacketBuilder()
               .Ethernet(kRouter, kOwn)
               .Arp(1, kRouter, Ip("192.0.2.1"), {}, Ip("10.96.0.10"))
               .Build(),
           cut,
       }) {
    const LbOutput output = rig_->Run(packet);
    EXPECT_EQ(output.action, XDP_PASS);
    EXPECT_EQ(output.packet, packet);
  }
  EXPECT_EQ(rig_->Traffic(FrontendOf(Protocol::kTcp)).packets, 0u);
}

TEST_P(LbPacketTest, AFlowHasOneBackendAndFlowsHaveAllByTheirWeights) {
  BalancedService service = ServiceOf(3);
  service.backends[1].weight = 2;
  ASSERT_TRUE(rig_->Upsert(service).ok());
  std::map<IpAddress, int> flows;
  constexpr int kFlows = 4000;
  for (int i = 0; i < kFlows; ++i) {
    const std::string sent = Segment(static_cast<uint16_t>(1024 + i), kTcpSyn);
    const IpAddress backend = rig_->BackendOf(sent);
    ++flows[backend];
    ASSERT_EQ(rig_->BackendOf(Segment(static_cast<uint16_t>(1024 + i))),
              backend);
  }
  // Chi-squared of two degrees of freedom: 13.8 has a probability of 0.001.
  double chi = 0;
  for (int i = 1; i <= 3; ++i) {
    const double expected = kFlows * (i == 2 ? 0.5 : 0.25);
    const double off = flows[BackendAt(i)] - expected;
    chi += off * off / expected;
  }
  EXPECT_LT(chi, 13.8);
  EXPECT_EQ(rig_->Memory(CC_LB_RECORDED), 0u);
}

TEST_P(LbPacketTest, AServiceWithoutBackendDropsItsPackets) {
  ASSERT_TRUE(rig_->Upsert(ServiceOf(0)).ok());
  EXPECT_EQ(rig_->Run(Segment(1)).action, XDP_DROP);
  EXPECT_EQ(rig_->Drops(CC_REASON_NO_BACKEND).packets, 1u);
  ASSERT_TRUE(rig_->Remove(FrontendOf(Protocol::kTcp)).ok());
  EXPECT_EQ(rig_->Run(Segment(1)).action, XDP_PASS);
}

TEST_P(LbPacketTest, APacketWithoutHopsLeftIsDropped) {
  ASSERT_TRUE(rig_->Upsert(ServiceOf(1)).ok());
  const std::string sent =
      From(Client(), {.ttl = 1}).Tcp(1, 80, kTcpAck).Build();
  EXPECT_EQ(rig_->Run(sent).action, XDP_DROP);
  EXPECT_EQ(rig_->Drops(CC_REASON_TTL_EXCEEDED).packets, 1u);
}

TEST_P(LbPacketTest, APacketThatSaysItIsLongerThanItIsIsDropped) {
  ASSERT_TRUE(rig_->Upsert(ServiceOf(1)).ok());
  std::string cut = Segment(1);
  cut.resize(cut.size() - 2);  // of "hello"
  EXPECT_EQ(rig_->Run(cut).action, XDP_DROP);
  EXPECT_EQ(rig_->Drops(CC_REASON_INVALID_PACKET).packets, 1u);
}

TEST_P(LbPacketTest, WhoSendsMoreThanFitsIsTold) {
  ASSERT_TRUE(rig_->Upsert(ServiceOf(1)).ok());
  const size_t headers = is_v4() ? 20 + 20 : 40 + 20;
  const size_t room = 1500 - (is_v4() ? 20 : 40) - headers;
  const auto of = [&](size_t payload) {
    return From(Client())
        .Tcp(40000, 80, kTcpAck)
        .Payload(std::string(payload, 'x'))
        .Build();
  };
  EXPECT_EQ(rig_->Run(of(room)).action, XDP_TX);
  EXPECT_EQ(rig_->Drops(CC_REASON_PACKET_TOO_BIG).packets, 0u);
  const std::string sent = of(room + 1);
  const LbOutput answer = rig_->Run(sent);
  ASSERT_EQ(answer.action, XDP_TX);
  EXPECT_EQ(rig_->Drops(CC_REASON_PACKET_TOO_BIG).packets, 1u);
  const auto back = PacketBuilder().Ethernet(kOwn, kRouter).Ip(Vip(), Client());
  const size_t quote = (is_v4() ? 64 - 20 : 128 - 40);
  const std::string expected = is_v4() ? PacketBuilder(back)
                                             .Icmp(kIcmpUnreachable, 4, 1480)
                                             .Quote(sent, quote)
                                             .Build()
                                       : PacketBuilder(back)
                                             .Icmp(kIcmpv6TooBig, 0, 1460)
                                             .Quote(sent, quote)
                                             .Build();
  EXPECT_EQ(answer.packet, expected);
  EXPECT_TRUE(ChecksumsAreRight(answer.packet));
}

TEST_P(LbPacketTest, AnErrorAboutAFlowGoesToItsBackend) {
  ASSERT_TRUE(rig_->Upsert(ServiceOf(5)).ok());
  for (uint16_t port = 2000; port < 2040; ++port) {
    const IpAddress backend = rig_->BackendOf(Segment(port, kTcpSyn));
    const std::string sent = ErrorAbout(port);
    const LbOutput output = rig_->Run(sent);
    ASSERT_EQ(output.action, XDP_TX);
    const Wrapped wrapped = Unwrap(output.packet);
    ASSERT_EQ(wrapped.to, backend) << port;
    ASSERT_EQ(wrapped.inner, InnerOf(sent));
  }
  // About what somebody else sent.
  const std::string strange = PacketBuilder()
                                  .Ethernet(kRouter, kOwn)
                                  .Ip(Router(), Vip())
                                  .Icmp(is_v4() ? 3 : 1, is_v4() ? 1 : 0)
                                  .Quote(Segment(2000))
                                  .Build();
  EXPECT_EQ(rig_->Run(strange).action, XDP_PASS);
}

TEST_P(LbPacketTest, InSlotsThatMovedOldFlowsStayAndNewOnesAreRecorded) {
  BalancedService service = ServiceOf(5);
  ASSERT_TRUE(rig_->Upsert(service).ok());
  constexpr uint16_t kFirst = 2000, kEnd = 2040, kNew = 3000;
  std::map<uint16_t, IpAddress> before;
  for (uint16_t port = kFirst; port < kEnd; ++port)
    before[port] = rig_->BackendOf(Segment(port, kTcpSyn));
  for (int i = 0; i < 5; ++i) {
    service.backends[i].weight = 0;
    service.backends.push_back({.address = BackendAt(11 + i)});
  }
  ASSERT_TRUE(rig_->Upsert(service).ok());
  const auto is_new = [&](const IpAddress& backend) {
    return std::any_of(service.backends.begin() + 5, service.backends.end(),
                       [&](const auto& b) { return b.address == backend; });
  };
  // What is only about a flow leaves no trace of it.
  for (const auto& [port, backend] : before)
    ASSERT_EQ(rig_->BackendOf(ErrorAbout(port)), backend);
  EXPECT_EQ(rig_->Memory(CC_LB_RECORDED), 0u);
  for (const auto& [port, backend] : before) {
    ASSERT_EQ(rig_->BackendOf(Segment(port)), backend);
    ASSERT_EQ(rig_->BackendOf(Segment(port)), backend);
  }
  EXPECT_EQ(rig_->Memory(CC_LB_RECORDED), before.size());
  const IpAddress fresh = rig_->BackendOf(Segment(kNew, kTcpSyn));
  EXPECT_TRUE(is_new(fresh)) << fresh.ToString();
  EXPECT_EQ(rig_->BackendOf(Segment(kNew)), fresh);
  EXPECT_EQ(rig_->BackendOf(ErrorAbout(kNew)), fresh);
  // A new connection does not begin where one only ends.
  EXPECT_TRUE(is_new(rig_->BackendOf(Segment(kFirst, kTcpSyn))));
  EXPECT_EQ(rig_->Memory(CC_LB_EVICTED), 0u);
}

TEST_P(LbPacketTest, AFloodOfSynsEvictsNoFlowThatGoesOn) {
  BalancedService service = ServiceOf(5);
  ASSERT_TRUE(rig_->Upsert(service).ok());
  for (int i = 0; i < 5; ++i) {
    service.backends[i].weight = 0;
    service.backends.push_back({.address = BackendAt(11 + i)});
  }
  ASSERT_TRUE(rig_->Upsert(service).ok());
  // A quarter of the room.
  std::map<uint16_t, IpAddress> flows;
  for (uint16_t port = 1000; port < 2000; ++port) {
    flows[port] = rig_->BackendOf(Segment(port, kTcpSyn));
    ASSERT_EQ(rig_->BackendOf(Segment(port)), flows[port]);
  }
  for (int i = 0; i < 20000; ++i) {
    rig_->Run(From(Client(2 + i % 10))
                  .Tcp(static_cast<uint16_t>(2000 + i / 10), 80, kTcpSyn)
                  .Build());
  }
  EXPECT_GT(rig_->Memory(CC_LB_EVICTED), 1000u);
  for (const auto& [port, backend] : flows)
    ASSERT_EQ(rig_->BackendOf(Segment(port)), backend) << port;
}

TEST_P(LbPacketTest, FragmentsGoWhereTheirFirstOneWent) {
  ASSERT_TRUE(rig_->Upsert(ServiceOf(5, Protocol::kUdp)).ok());
  for (uint32_t id = 1; id <= 20; ++id) {
    const auto port = static_cast<uint16_t>(3000 + id);
    const std::string whole =
        From(Client()).Udp(port, 80).Payload(std::string(1200, 'y')).Build();
    const IpAddress backend = rig_->BackendOf(whole);
    const std::vector<std::string> fragments = Fragments(whole, 480, id);
    ASSERT_GE(fragments.size(), 3u);
    // Not before it.
    EXPECT_EQ(rig_->Run(fragments[1]).action, XDP_PASS);
    for (const std::string& fragment : fragments) {
      const LbOutput output = rig_->Run(fragment);
      ASSERT_EQ(output.action, XDP_TX);
      const Wrapped wrapped = Unwrap(output.packet);
      EXPECT_EQ(wrapped.to, backend);
      EXPECT_EQ(wrapped.inner, InnerOf(fragment));
    }
  }
}

TEST_P(LbPacketTest, OfFragmentsThatDoNotFitOnlyTheFirstIsAnswered) {
  ASSERT_TRUE(rig_->Upsert(ServiceOf(5, Protocol::kUdp)).ok());
  const std::vector<std::string> fragments = Fragments(
      From(Client()).Udp(3000, 80).Payload(std::string(4000, 'y')).Build(),
      1496, 7);
  ASSERT_GE(fragments.size(), 3u);
  const LbOutput answer = rig_->Run(fragments[0]);
  EXPECT_EQ(answer.action, XDP_TX);
  EXPECT_TRUE(ChecksumsAreRight(answer.packet));
  EXPECT_EQ(rig_->Run(fragments[1]).action, XDP_DROP);
  EXPECT_EQ(rig_->Drops(CC_REASON_PACKET_TOO_BIG).packets, 2u);
  // The last one is short.
  EXPECT_EQ(rig_->Run(fragments.back()).action, XDP_TX);
}

TEST_P(LbPacketTest, WhatGoesNoFurtherLeavesNoRecord) {
  BalancedService service = ServiceOf(1);
  ASSERT_TRUE(rig_->Upsert(service).ok());
  service.backends[0].weight = 0;
  service.backends.push_back({.address = BackendAt(2)});
  ASSERT_TRUE(rig_->Upsert(service).ok());
  std::string cut = Segment(1);
  cut.resize(cut.size() - 2);  // of "hello"
  EXPECT_EQ(rig_->Run(cut).action, XDP_DROP);
  EXPECT_EQ(
      rig_->Run(From(Client(), {.ttl = 1}).Tcp(2, 80, kTcpAck).Build()).action,
      XDP_DROP);
  EXPECT_EQ(rig_->Memory(CC_LB_RECORDED), 0u);
  EXPECT_EQ(rig_->BackendOf(Segment(3)), BackendAt(1));
  EXPECT_EQ(rig_->Memory(CC_LB_RECORDED), 1u);
}

TEST_P(LbPacketTest, OptionsAndExtensionHeadersHideNoPort) {
  ASSERT_TRUE(rig_->Upsert(ServiceOf(5)).ok());
  const IpAddress backend = rig_->BackendOf(Segment(5000));
  const std::string sent =
      is_v4() ? From(Client(), {.options = std::string(8, '\x01')})
                    .Tcp(5000, 80, kTcpAck)
                    .Build()
              : From(Client())
                    .Extension(0)
                    .Extension(60, 2)
                    .Tcp(5000, 80, kTcpAck)
                    .Build();
  const LbOutput output = rig_->Run(sent);
  ASSERT_EQ(output.action, XDP_TX);
  const Wrapped wrapped = Unwrap(output.packet);
  EXPECT_EQ(wrapped.to, backend);
  EXPECT_EQ(wrapped.inner, InnerOf(sent));
}

TEST_P(LbPacketTest, PaddingOfEthernetIsNotOfThePacket) {
  ASSERT_TRUE(rig_->Upsert(ServiceOf(1)).ok());
  std::string sent = From(Client()).Tcp(1, 80, kTcpAck).Build();
  const std::string inner = InnerOf(sent);
  sent += std::string(6, '\0');
  const LbOutput output = rig_->Run(sent);
  ASSERT_EQ(output.action, XDP_TX);
  EXPECT_EQ(Unwrap(output.packet).inner, inner + std::string(6, '\0'));
}

// By the routes of the node, which the test answers for.
TEST(LbRouteTest, PacketsGoWhereTheRouteSays) {
  LoadBalancerOptions options = Options();
  options.gateway = std::nullopt;
  const std::unique_ptr<LbRig> rig = LbRig::Native(options);
  const BalancedService service = {
      .frontend = {.address = Ip("10.96.0.10"),
                   .port = {.protocol = Protocol::kTcp, .port = 80}},
      .backends = {{.address = Ip("10.1.0.1")}}};
  ASSERT_TRUE(rig->Upsert(service).ok());
  const std::string sent = PacketBuilder()
                               .Ethernet(kRouter, kOwn)
                               .Ip(Ip("192.0.2.1"), Ip("10.96.0.10"))
                               .Tcp(1, 80, kTcpAck)
                               .Build();
  struct Route {
    long answer;
    uint32_t ifindex;
    int action;
  };
  for (const Route& route : {Route{BPF_FIB_LKUP_RET_SUCCESS, 7, XDP_TX},
                             Route{BPF_FIB_LKUP_RET_SUCCESS, 8, XDP_REDIRECT},
                             Route{BPF_FIB_LKUP_RET_NO_NEIGH, 8, XDP_PASS},
                             Route{BPF_FIB_LKUP_RET_NOT_FWDED, 0, XDP_DROP},
                             Route{BPF_FIB_LKUP_RET_BLACKHOLE, 0, XDP_DROP}}) {
    rig->fib = [&](bpf_fib_lookup* params) -> long {
      EXPECT_EQ(params->family, AF_INET);
      EXPECT_EQ(ntohl(params->ipv4_dst), Ip("10.1.0.1").v4());
      EXPECT_EQ(params->ifindex, 7u);
      params->ifindex = route.ifindex;
      std::copy(kGateway.begin(), kGateway.end(), params->dmac);
      std::copy(kOwn.begin(), kOwn.end(), params->smac);
      return route.answer;
    };
    const LbOutput output = rig->Run(sent, 7);
    ASSERT_EQ(output.action, route.action) << route.answer;
    if (route.action == XDP_DROP) continue;
    const Wrapped wrapped = Unwrap(output.packet);
    EXPECT_EQ(wrapped.to, Ip("10.1.0.1"));
    // The stack takes what is for its own address.
    EXPECT_EQ(wrapped.mac_to, route.action == XDP_PASS ? kOwn : kGateway);
  }
  EXPECT_EQ(rig->Drops(CC_REASON_FIB_LOOKUP_FAILED).packets, 2u);
}

std::string NameOf(const ::testing::TestParamInfo<Where>& info) {
  return absl::StrCat(info.param.in_kernel ? "Kernel" : "Native",
                      info.param.is_v4 ? "4" : "6");
}

INSTANTIATE_TEST_SUITE_P(On, LbPacketTest,
                         ::testing::Values(Where{false, true},
                                           Where{false, false},
                                           Where{true, true},
                                           Where{true, false}),
                         NameOf);

}  // namespace
}  // namespace ciliumcore::testing
