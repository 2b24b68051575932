// SPDX-License-Identifier: Apache-2.0

// The load balancer between namespaces: real clients, and backends that take
// the packets out and answer by themselves.

#include "ciliumcore/datapath/load_balancer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/reason.h"
#include "tests/datapath/decap.skel.h"
#include "tests/support/require_bpf.h"
#include "tests/support/test_node.h"

namespace ciliumcore {
namespace {

using testing::RequireBpf;
using testing::RunInNetns;
using testing::TestNode;
using testing::TestSocket;

constexpr int kBackends = 3;

IpAddress Ip(const std::string& text) { return *IpAddress::Parse(text); }

void Shell(const std::string& commands) {
  ASSERT_EQ(std::system(("set -e; " + commands).c_str()), 0) << commands;
}

void SetFeature(const char* device, uint32_t command, bool on) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ethtool_value value = {.cmd = command, .data = on};
  ifreq request = {};
  std::strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  EXPECT_EQ(ioctl(fd, SIOCETHTOOL, &request), 0) << std::strerror(errno);
  close(fd);
}

// A veth as if there were a wire: packets have their checksums, and what an XDP
// program sends back arrives.
void LikeAWire(const char* device) {
  SetFeature(device, ETHTOOL_STXCSUM, false);
  SetFeature(device, ETHTOOL_SGRO, true);
}

LoadBalancerOptions Options() {
  return {.source_v4 = *IpPrefix::Parse("172.16.0.0/16"),
          .source_v6 = *IpPrefix::Parse("fd00:16::/96"),
          .tcp_silence = absl::Seconds(60),
          .udp_silence = absl::Seconds(60),
          .seed = 5,
          .capacity = {.services = 256, .backends = 1024, .flows = 1 << 16}};
}

struct Kind {
  const char* name;
  XdpChoice choice;
  bool is_v4;
};

// A client, the balancer's node, and backends; each is a namespace.
class LoadBalancerTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    RequireBpf();
    if (IsSkipped() || HasFatalFailure()) return;
    decap_.reset(decap__open_and_load());
    ASSERT_NE(decap_, nullptr);
    node_ = std::make_unique<TestNode>();
    Shell(
        "sysctl -qw net.ipv4.conf.all.rp_filter=0 "
        "net.ipv4.conf.default.rp_filter=0");
    Add("client", 9);
    for (int i = 1; i <= kBackends; ++i) {
      Add(NameOf(i), i);
      RunInNetns(node_->netns(NameOf(i)), [&] {
        Shell(
            "sysctl -qw net.ipv4.conf.all.rp_filter=0 "
            "net.ipv4.conf.eth0.rp_filter=0; ip address add 10.96.0.1/32 "
            "dev lo; ip address add fd00:96::1/128 dev lo nodad");
        Decapsulate();
        LikeAWire("eth0");
      });
    }
    RunInNetns(node_->netns("client"), [&] {
      // A veth is woken for what XDP sends back only if it has a program.
      Decapsulate();
      LikeAWire("eth0");
    });
    auto balancer = LoadBalancer::Open(Options());
    ASSERT_TRUE(balancer.ok()) << balancer.status();
    balancer_.emplace(*std::move(balancer));
    const auto attached = balancer_->Attach("up-client", GetParam().choice);
    ASSERT_TRUE(attached.ok()) << attached.status();
    ASSERT_EQ(attached->mode, GetParam().choice == XdpChoice::kGeneric
                                  ? XdpMode::kGeneric
                                  : XdpMode::kNative);
  }

  void Decapsulate() {
    ASSERT_EQ(bpf_xdp_attach(static_cast<int>(if_nametoindex("eth0")),
                             bpf_program__fd(decap_->progs.cc_test_decap),
                             XDP_FLAGS_DRV_MODE, nullptr),
              0);
  }

  static std::string NameOf(int i) { return absl::StrCat("b", i); }
  bool is_v4() const { return GetParam().is_v4; }
  IpAddress Host(int i) const {
    return Ip(absl::StrCat(is_v4() ? "10.0.0." : "fd00:0:0:1::", i));
  }
  IpAddress Vip() const { return Ip(is_v4() ? "10.96.0.1" : "fd00:96::1"); }

  void Add(const std::string& name, int i) {
    node_->AddOutside(name, absl::StrCat("10.0.0.", i), "10.0.0.254");
    const std::string v6 = absl::StrCat("fd00:0:0:1::", i);
    const std::string gateway = "fd00:0:0:1::fe";
    Shell(absl::StrCat("ip -6 address add ", gateway, "/128 dev up-", name,
                       " nodad; ip -6 route add ", v6, "/128 dev up-", name));
    RunInNetns(node_->netns(name), [&] {
      Shell(absl::StrCat("ip -6 address add ", v6,
                         "/128 dev eth0 nodad; ip -6 route add ", gateway,
                         "/128 dev eth0; ip -6 route add default via ", gateway,
                         " dev eth0"));
    });
  }

  BalancedService ServiceOf(Protocol protocol, std::vector<int> backends) {
    BalancedService service = {
        .name = "shop/cart",
        .frontend = {.address = Vip(),
                     .port = {.protocol = protocol, .port = 80}}};
    for (const int i : backends)
      service.backends.push_back({.address = Host(i)});
    return service;
  }

  void Publish(const BalancedService& service) {
    LoadBalancerChange change = balancer_->Begin();
    change.Upsert(service);
    const absl::Status done = change.Commit();
    ASSERT_TRUE(done.ok()) << done;
  }

  std::unique_ptr<decap, decltype(&decap::destroy)> decap_ = {nullptr,
                                                              &decap::destroy};
  std::unique_ptr<TestNode> node_;
  std::optional<LoadBalancer> balancer_;
};

// Both ends of a connection.
struct Connection {
  TestSocket client, server;
  int backend;
};

TEST_P(LoadBalancerTest, ConnectionsReachBackendsAndOutliveChanges) {
  if (IsSkipped()) return;
  std::map<int, TestSocket> listeners;
  for (int i = 1; i <= kBackends; ++i) {
    listeners.emplace(i, TestSocket::Listen(node_->netns(NameOf(i)), Vip(),
                                            {Protocol::kTcp, 80}));
  }
  std::vector<Connection> connections;
  const auto connect = [&](int count) {
    for (int k = 0; k < count; ++k) {
      TestSocket client = TestSocket::Connect(
          node_->netns("client"), Host(9), Vip(), {Protocol::kTcp, 80}, 3000);
      ASSERT_TRUE(client.connected()) << k;
      int accepted = 0;
      for (auto& [i, listener] : listeners) {
        TestSocket server = listener.Accept(accepted == 0 ? 1 : 0);
        if (!server.connected()) continue;
        ++accepted;
        connections.push_back({std::move(client), std::move(server), i});
      }
      ASSERT_EQ(accepted, 1) << k;
    }
  };
  const auto all_speak = [&](int gone) {
    for (Connection& c : connections) {
      if (c.backend == gone) continue;
      ASSERT_TRUE(c.client.Reaches(c.server, "to the backend"));
      ASSERT_TRUE(c.server.Reaches(c.client, "and back"));
    }
  };

  Publish(ServiceOf(Protocol::kTcp, {1, 2}));
  ASSERT_NO_FATAL_FAILURE(connect(60));
  ASSERT_NO_FATAL_FAILURE(all_speak(0));
  // One comes: it gets new connections, and nobody's old ones.
  Publish(ServiceOf(Protocol::kTcp, {1, 2, 3}));
  ASSERT_NO_FATAL_FAILURE(all_speak(0));
  const size_t before = connections.size();
  ASSERT_NO_FATAL_FAILURE(connect(90));
  std::map<int, int> fresh;
  for (size_t k = before; k < connections.size(); ++k)
    ++fresh[connections[k].backend];
  EXPECT_GT(fresh[3], 10);
  ASSERT_NO_FATAL_FAILURE(all_speak(0));
  // One goes: only its connections break.
  Publish(ServiceOf(Protocol::kTcp, {1, 3}));
  ASSERT_NO_FATAL_FAILURE(all_speak(2));
  const auto traffic = balancer_->Traffic();
  ASSERT_TRUE(traffic.ok()) << traffic.status();
  ASSERT_EQ(traffic->size(), 1u);
  EXPECT_GT(traffic->front().packets, 600u);
  EXPECT_GT(traffic->front().moving, 0u);
}

TEST_P(LoadBalancerTest, LargeTransfersGoThroughWhole) {
  if (IsSkipped()) return;
  TestSocket listener =
      TestSocket::Listen(node_->netns("b1"), Vip(), {Protocol::kTcp, 80});
  Publish(ServiceOf(Protocol::kTcp, {1}));
  TestSocket client = TestSocket::Connect(node_->netns("client"), Host(9),
                                          Vip(), {Protocol::kTcp, 80}, 3000);
  ASSERT_TRUE(client.connected());
  TestSocket server = listener.Accept();
  ASSERT_TRUE(server.connected());
  // Full segments do not fit with a header around them, until the client is
  // told so.
  const std::string sent(200000, 'x');
  size_t got = 0, given = 0;
  std::array<char, 65536> room;
  for (int idle = 0; got < sent.size() && idle < 3000;) {
    const ssize_t out = send(client.fd(), sent.data() + given,
                             sent.size() - given, MSG_NOSIGNAL);
    if (out > 0) given += static_cast<size_t>(out);
    const ssize_t in = recv(server.fd(), room.data(), room.size(), 0);
    if (in > 0) {
      got += static_cast<size_t>(in);
    } else {
      ++idle;
      usleep(1000);
    }
  }
  EXPECT_EQ(got, sent.size());
  const auto drops = balancer_->Drops();
  ASSERT_TRUE(drops.ok()) << drops.status();
  ASSERT_EQ(drops->size(), 1u);
  EXPECT_EQ(drops->front().reason, CC_REASON_PACKET_TOO_BIG);
}

TEST_P(LoadBalancerTest, DatagramsReachABackend) {
  if (IsSkipped()) return;
  std::vector<TestSocket> servers;
  for (int i = 1; i <= kBackends; ++i) {
    servers.push_back(TestSocket::Listen(node_->netns(NameOf(i)), Vip(),
                                         {Protocol::kUdp, 80}));
  }
  Publish(ServiceOf(Protocol::kUdp, {1, 2, 3}));
  for (int k = 0; k < 30; ++k) {
    TestSocket client = TestSocket::Connect(node_->netns("client"), Host(9),
                                            Vip(), {Protocol::kUdp, 80});
    ASSERT_EQ(send(client.fd(), "hello", 5, 0), 5);
    int got = 0;
    for (int wait = 0; got == 0 && wait < 3000; ++wait) {
      for (TestSocket& server : servers) got += server.Receives("hello", 1);
    }
    EXPECT_EQ(got, 1) << k;
  }
}

INSTANTIATE_TEST_SUITE_P(
    On, LoadBalancerTest,
    ::testing::Values(Kind{"Native4", XdpChoice::kNativeOrGeneric, true},
                      Kind{"Native6", XdpChoice::kNative, false},
                      Kind{"Generic4", XdpChoice::kGeneric, true},
                      Kind{"Generic6", XdpChoice::kGeneric, false}),
    [](const auto& info) { return info.param.name; });

// What needs no namespaces of others.
class LoadBalancerOptionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    RequireBpf();
    if (IsSkipped() || HasFatalFailure()) return;
    node_ = std::make_unique<TestNode>();
    auto balancer = LoadBalancer::Open(Options());
    ASSERT_TRUE(balancer.ok()) << balancer.status();
    balancer_.emplace(*std::move(balancer));
  }

  static BalancedService Service() {
    return {.name = "shop/cart",
            .frontend = {.address = Ip("10.96.0.1"),
                         .port = {.protocol = Protocol::kTcp, .port = 80}},
            .backends = {{.address = Ip("10.0.0.1")}}};
  }

  void ExpectRefused(const BalancedService& service,
                     const std::string& because) {
    const absl::Status refused = balancer_->SetServices({service});
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(refused.message().find(because), absl::string_view::npos)
        << refused;
    EXPECT_NE(refused.message().find("shop/cart"), absl::string_view::npos);
  }

  std::unique_ptr<TestNode> node_;
  std::optional<LoadBalancer> balancer_;
};

TEST_F(LoadBalancerOptionsTest, ADriverThatRefusesIsNamedAndDoneWithout) {
  if (IsSkipped()) return;
  const auto native = balancer_->Attach("lo", XdpChoice::kNative);
  EXPECT_EQ(native.status().code(), absl::StatusCode::kUnimplemented)
      << native.status();
  const auto attached = balancer_->Attach("lo");
  ASSERT_TRUE(attached.ok()) << attached.status();
  EXPECT_EQ(attached->mode, XdpMode::kGeneric);
  EXPECT_NE(attached->why_not_native, "");
  EXPECT_EQ(balancer_->Attach("lo").status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(balancer_->attachments().size(), 1u);
  EXPECT_TRUE(balancer_->Detach("lo").ok());
  EXPECT_EQ(balancer_->Detach("lo").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(balancer_->Attach("nobody").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(LoadBalancerOptionsTest, ADeviceThatComesBackIsAnotherOne) {
  if (IsSkipped()) return;
  Shell("ip link add cc0 type veth peer name cc1");
  const auto first = balancer_->Attach("cc0");
  ASSERT_TRUE(first.ok()) << first.status();
  Shell("ip link delete cc0");
  EXPECT_TRUE(balancer_->attachments().empty());
  Shell("ip link add cc0 type veth peer name cc1");
  const auto second = balancer_->Attach("cc0");
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE(first->ifindex, second->ifindex);
  ASSERT_EQ(balancer_->attachments().size(), 1u);
  EXPECT_EQ(balancer_->attachments()[0].ifindex, second->ifindex);
}

TEST_F(LoadBalancerOptionsTest, ASourceOfTheNodesOwnNeedsAGateway) {
  if (IsSkipped()) return;
  Shell("ip address add 172.16.3.4/32 dev lo");
  const auto refused = balancer_->Attach("lo");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(refused.status().message().find("172.16.3.4"),
            absl::string_view::npos)
      << refused.status();
  LoadBalancerOptions options = Options();
  options.gateway = MacAddress{2, 0, 0, 0, 0, 9};
  auto with_gateway = LoadBalancer::Open(options);
  ASSERT_TRUE(with_gateway.ok()) << with_gateway.status();
  EXPECT_TRUE(with_gateway->Attach("lo").ok());
}

TEST_F(LoadBalancerOptionsTest, AChangeThatFailedMayBeCommittedAgain) {
  if (IsSkipped()) return;
  LoadBalancerChange change = balancer_->Begin();
  BalancedService other = Service();
  other.frontend.port.port = 81;
  change.Upsert(other);
  change.Remove(Service().frontend);
  EXPECT_EQ(change.Commit().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(balancer_->Traffic()->empty());
  ASSERT_TRUE(balancer_->SetServices({Service()}).ok());
  EXPECT_TRUE(change.Commit().ok());
  ASSERT_EQ(balancer_->Traffic()->size(), 1u);
  EXPECT_EQ(balancer_->Traffic()->front().frontend, other.frontend);
  EXPECT_TRUE(change.Commit().ok());  // it is empty
}

TEST_F(LoadBalancerOptionsTest, WrongServicesAreRefusedByName) {
  if (IsSkipped()) return;
  BalancedService service = Service();
  service.frontend.port.port = 0;
  ExpectRefused(service, "found 0");
  service = Service();
  service.frontend.port.protocol = Protocol::kSctp;
  ExpectRefused(service, "found SCTP");
  service = Service();
  service.backends.push_back({.address = Ip("fd00::1")});
  ExpectRefused(service, "found fd00::1");
  service = Service();
  service.backends.push_back(service.backends[0]);
  ExpectRefused(service, "10.0.0.1 twice");
  service = Service();
  service.backends[0].weight = 65536;
  ExpectRefused(service, "found 65536");
  service = Service();
  service.backends.resize(40000);
  ExpectRefused(service, "found 40000");
  EXPECT_EQ(balancer_->SetServices({Service(), Service()}).code(),
            absl::StatusCode::kInvalidArgument);
  LoadBalancerChange change = balancer_->Begin();
  change.Remove(Service().frontend);
  EXPECT_EQ(change.Commit().code(), absl::StatusCode::kNotFound);
}

TEST_F(LoadBalancerOptionsTest, WhatDoesNotFitChangesNothing) {
  if (IsSkipped()) return;
  ASSERT_TRUE(balancer_->SetServices({Service()}).ok());
  const uint32_t generation = balancer_->generation();
  std::vector<BalancedService> many;
  for (uint32_t i = 0; i < 3000; ++i) {
    many.push_back(Service());
    many.back().frontend.address = IpAddress::FromV4(0x0a610000 + i);
  }
  const absl::Status full = balancer_->SetServices(many);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(full.message().find("map cc_lb_"), absl::string_view::npos) << full;
  EXPECT_EQ(balancer_->generation(), generation);
  EXPECT_EQ(balancer_->Traffic()->size(), 1u);
  EXPECT_EQ(balancer_->Traffic()->front().frontend, Service().frontend);
  // And goes on.
  many.resize(100);
  EXPECT_TRUE(balancer_->SetServices(many).ok());
  EXPECT_EQ(balancer_->Traffic()->size(), 100u);
}

TEST_F(LoadBalancerOptionsTest, OptionsOutOfRangeAreRefused) {
  if (IsSkipped()) return;
  const auto refused = [](LoadBalancerOptions options) {
    return LoadBalancer::Open(options).status().code() ==
           absl::StatusCode::kInvalidArgument;
  };
  LoadBalancerOptions options = Options();
  options.mtu = 1319;  // no room for the least of IPv6
  EXPECT_TRUE(refused(options));
  options.mtu = 1320;
  EXPECT_TRUE(LoadBalancer::Open(options).ok());
  options.source_v6.reset();
  options.mtu = 1279;
  EXPECT_TRUE(refused(options));
  options.mtu = 1280;
  EXPECT_TRUE(LoadBalancer::Open(options).ok());
  options = Options();
  options.capacity.services = 0xffffffff;
  EXPECT_TRUE(refused(options));
  options = Options();
  options.capacity.backends = (1 << 21) + 1;
  EXPECT_TRUE(refused(options));
  options = Options();
  options.tcp_silence = absl::Hours(2);
  EXPECT_TRUE(refused(options));
  options = Options();
  options.source_v6 = options.source_v4;
  EXPECT_TRUE(refused(options));
}

}  // namespace
}  // namespace ciliumcore
