// SPDX-License-Identifier: Apache-2.0

// The datapath end to end: real packets between real namespaces.

#include "ciliumcore/datapath/datapath.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/icmp6.h>
#include <sys/socket.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "ciliumcore/abi/reason.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/identity/allocator.h"
#include "tests/support/require_bpf.h"
#include "tests/support/test_node.h"

namespace ciliumcore {
namespace {

using testing::TestNode;
using testing::TestSocket;

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }

constexpr PortProtocol kDbPort = {.protocol = Protocol::kTcp, .port = 5432};
constexpr PortProtocol kDnsPort = {.protocol = Protocol::kUdp, .port = 53};

LabelSelector App(const char* name) {
  return {.match_labels = {{"app", name}}, .match_expressions = {}};
}

// Lets `from` reach `to` on TCP 5432 and UDP 53, and nobody else reach it.
NetworkPolicy AllowOnly(const char* to, const char* from) {
  NetworkPolicy policy;
  policy.ns = "default";
  policy.name = std::string("allow-") + from;
  policy.pod_selector = App(to);
  NetworkPolicyRule rule;
  rule.peers.push_back(
      {.pod_selector = App(from), .namespace_selector = {}, .ip_block = {}});
  rule.ports.push_back(
      {.protocol = Protocol::kTcp, .port = 5432, .end_port = {}, .name = ""});
  rule.ports.push_back(
      {.protocol = Protocol::kUdp, .port = 53, .end_port = {}, .name = ""});
  policy.ingress.push_back(rule);
  return policy;
}

class DatapathTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::RequireBpf();
    if (IsSkipped()) return;
    node_.emplace();
    node_->AddPod("web", "10.0.1.1", "fd00:1::1");
    node_->AddPod("db", "10.0.1.2", "fd00:1::2");
    node_->AddPod("evil", "10.0.1.3", "fd00:1::3");
    auto datapath = Datapath::Open(
        {.name = "test",
         .capacity = {
             .connections = 4096, .addresses = 1024, .prefixes = 1024}});
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    datapath_.emplace(*std::move(datapath));
    Transaction change = datapath_->Begin();
    for (const char* name : {"web", "db", "evil"})
      change.AttachEndpoint(Endpoint(name));
    const absl::Status done = change.Commit();
    ASSERT_TRUE(done.ok()) << done;
    db_ = TestSocket::Listen(node_->netns("db"), Ip("10.0.1.2"), kDbPort);
    db6_ = TestSocket::Listen(node_->netns("db"), Ip("fd00:1::2"), kDbPort);
  }

  EndpointOptions Endpoint(const std::string& name) {
    const std::string last = name == "web" ? "1" : name == "db" ? "2" : "3";
    EndpointOptions endpoint;
    endpoint.interface = "veth-" + name;
    endpoint.addresses = {Ip(("10.0.1." + last).c_str()),
                          Ip(("fd00:1::" + last).c_str())};
    endpoint.identity = identities_.Allocate({{"app", name}});
    return endpoint;
  }

  void SetPolicies(std::vector<NetworkPolicy> policies) {
    Transaction change = datapath_->Begin();
    change.SetPolicies(std::move(policies));
    const absl::Status done = change.Commit();
    ASSERT_TRUE(done.ok()) << done;
  }

  TestSocket Connect(const char* from, const char* address,
                     const char* to = "10.0.1.2") {
    return TestSocket::Connect(node_->netns(from), Ip(address), Ip(to),
                               kDbPort);
  }

  // The next flow with that verdict.
  std::optional<Flow> FindFlow(Flow::Verdict verdict) {
    while (auto flow = datapath_->flows().Next(absl::Seconds(1))) {
      if (flow->verdict == verdict) return flow;
    }
    return std::nullopt;
  }

  std::optional<TestNode> node_;
  IdentityAllocator identities_;
  std::optional<Datapath> datapath_;
  TestSocket db_, db6_;
};

TEST_F(DatapathTest, ConnectsEndpointsWithoutPolicies) {
  EXPECT_TRUE(Connect("web", "10.0.1.1").connected());
  EXPECT_TRUE(Connect("web", "fd00:1::1", "fd00:1::2").connected());
}

TEST_F(DatapathTest, EnforcesAPolicyAndNamesTheRule) {
  SetPolicies({AllowOnly("db", "web")});
  EXPECT_TRUE(Connect("web", "10.0.1.1").connected());
  const auto allowed = FindFlow(Flow::Verdict::kForwarded);
  ASSERT_TRUE(allowed.has_value());
  EXPECT_EQ(allowed->source.name, "default/app=web");
  EXPECT_EQ(allowed->ingress.why,
            "allowed by NetworkPolicy default/allow-web ingress[0]")
      << allowed->ToString();

  EXPECT_FALSE(Connect("evil", "10.0.1.3").connected());
  EXPECT_FALSE(Connect("evil", "fd00:1::3", "fd00:1::2").connected());
  const auto denied = FindFlow(Flow::Verdict::kDropped);
  ASSERT_TRUE(denied.has_value());
  EXPECT_EQ(denied->reason, 133);
  EXPECT_EQ(denied->generation, datapath_->generation());
  EXPECT_NE(denied->ingress.why.find("default/allow-web"), std::string::npos)
      << denied->ToString();
}

TEST_F(DatapathTest, CutsAnOpenConnectionWhenItsRuleGoes) {
  SetPolicies({AllowOnly("db", "web")});
  TestSocket web = Connect("web", "10.0.1.1");
  ASSERT_TRUE(web.connected());
  TestSocket served = db_.Accept();
  ASSERT_TRUE(web.Reaches(served, "before"));
  SetPolicies({AllowOnly("db", "evil")});
  EXPECT_FALSE(web.Reaches(served, "after"));
  EXPECT_FALSE(served.Reaches(web, "reply"));
  SetPolicies({AllowOnly("db", "web")});
  // what TCP kept sending arrives now
  EXPECT_TRUE(served.Receives("after", 5000));
}

TEST_F(DatapathTest, DeliversUdpBothWays) {
  SetPolicies({AllowOnly("db", "web")});
  TestSocket server =
      TestSocket::Listen(node_->netns("db"), Ip("10.0.1.2"), kDnsPort);
  TestSocket web = TestSocket::Connect(node_->netns("web"), Ip("10.0.1.1"),
                                       Ip("10.0.1.2"), kDnsPort);
  EXPECT_TRUE(web.Reaches(server, "query"));
  TestSocket evil = TestSocket::Connect(node_->netns("evil"), Ip("10.0.1.3"),
                                        Ip("10.0.1.2"), kDnsPort);
  EXPECT_FALSE(evil.Reaches(server, "query"));
}

TEST_F(DatapathTest, ReachesTheOutsideThroughTheNode) {
  node_->AddOutside("world", "192.0.2.10", "192.0.2.1");
  TestSocket server =
      TestSocket::Listen(node_->netns("world"), Ip("192.0.2.10"), kDbPort);
  EXPECT_TRUE(Connect("web", "10.0.1.1", "192.0.2.10").connected());
  // and the outside reaches in, until somebody is isolated
  TestSocket in = TestSocket::Connect(node_->netns("world"), Ip("192.0.2.10"),
                                      Ip("10.0.1.2"), kDbPort);
  EXPECT_TRUE(in.connected());
  SetPolicies({AllowOnly("db", "web")});
  TestSocket out = TestSocket::Connect(node_->netns("world"), Ip("192.0.2.10"),
                                       Ip("10.0.1.2"), kDbPort);
  EXPECT_FALSE(out.connected());
}

TEST_F(DatapathTest, ARenamedInterfaceIsDetachedBeforeItIsAttached) {
  SetPolicies({AllowOnly("db", "web")});
  ASSERT_EQ(std::system("ip link set veth-web down; "
                        "ip link set veth-web name veth-new; "
                        "ip link set veth-new up; "
                        "ip route replace 10.0.1.1/32 dev veth-new"),
            0);
  EndpointOptions endpoint = Endpoint("web");
  endpoint.interface = "veth-new";
  Transaction both = datapath_->Begin();
  both.DetachEndpoint("veth-web").AttachEndpoint(endpoint);
  EXPECT_EQ(both.Commit(),
            absl::FailedPreconditionError(
                "endpoint veth-new: its interface is attached as veth-web; "
                "detach that in a change before this"));
  Transaction detach = datapath_->Begin();
  detach.DetachEndpoint("veth-web");
  ASSERT_TRUE(detach.Commit().ok());
  Transaction attach = datapath_->Begin();
  attach.AttachEndpoint(endpoint);
  ASSERT_TRUE(attach.Commit().ok());
  EXPECT_TRUE(Connect("web", "10.0.1.1").connected());
}

// The node asks from an address of its own, and is answered; to others, whom
// the node's stack would reach, an endpoint cannot advertise.
TEST_F(DatapathTest, AdvertisesItselfToTheNodeAndToNobodyElse) {
  ASSERT_EQ(std::system("ip -6 address add fd00:1::ff/128 dev veth-web nodad"),
            0);
  Transaction again = datapath_->Begin();
  again.AttachEndpoint(Endpoint("web"));  // the node's addresses are asked
  ASSERT_EQ(again.Commit(), absl::OkStatus());
  const TestSocket listener =
      TestSocket::Listen(node_->netns("web"), Ip("fd00:1::1"), kDbPort);
  const UniqueFd here(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(TestSocket::Connect(here.get(), Ip("fd00:1::ff"), Ip("fd00:1::1"),
                                  kDbPort, 2000)
                  .connected());

  const auto drops = [&] {
    uint64_t packets = 0;
    for (const Counter& counter : *datapath_->counters()) {
      if (counter.is_egress && counter.reason == CC_REASON_LINK_SCOPE)
        packets += counter.packets;
    }
    return packets;
  };
  testing::RunInNetns(node_->netns("web"), [&] {
    const UniqueFd raw(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
    const int hops = 255;
    ASSERT_EQ(setsockopt(raw.get(), IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops,
                         sizeof(hops)),
              0);
    nd_neighbor_advert advert = {};
    advert.nd_na_type = ND_NEIGHBOR_ADVERT;
    ASSERT_EQ(inet_pton(AF_INET6, "fd00:1::1", &advert.nd_na_target), 1);
    sockaddr_in6 to = {};
    to.sin6_family = AF_INET6;
    ASSERT_EQ(inet_pton(AF_INET6, "fd00:1::2", &to.sin6_addr), 1);
    const uint64_t before = drops();
    for (int i = 0; i < 10; ++i) {
      ASSERT_EQ(sendto(raw.get(), &advert, sizeof(advert), 0,
                       reinterpret_cast<const sockaddr*>(&to), sizeof(to)),
                static_cast<ssize_t>(sizeof(advert)));
    }
    EXPECT_GE(drops(), before + 10);
  });
}

TEST_F(DatapathTest, AnUnknownInterfaceChangesNothing) {
  const uint32_t before = datapath_->generation();
  Transaction change = datapath_->Begin();
  EndpointOptions endpoint = Endpoint("web");
  endpoint.interface = "veth-gone";
  endpoint.addresses = {Ip("10.0.1.9")};
  change.AttachEndpoint(endpoint).SetPolicies({AllowOnly("db", "evil")});
  const absl::Status done = change.Commit();
  EXPECT_EQ(done,
            absl::NotFoundError("endpoint: link veth-gone: No such device"));
  EXPECT_EQ(datapath_->generation(), before);
  EXPECT_TRUE(Connect("web", "10.0.1.1").connected());
}

TEST_F(DatapathTest, SaysWhyAnEndpointHasNoIdentity) {
  IdentityAllocator one({.first = 300, .last = 300});
  const IdentityRef taken = one.Allocate({{"app", "first"}});
  EndpointOptions endpoint = Endpoint("web");
  endpoint.identity = one.Allocate({{"app", "second"}});
  Transaction change = datapath_->Begin();
  change.AttachEndpoint(endpoint);
  const absl::Status done = change.Commit();
  EXPECT_EQ(done.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(done.message().rfind("endpoint veth-web: ", 0), 0u) << done;
  EXPECT_TRUE(Connect("web", "10.0.1.1").connected());
}

}  // namespace
}  // namespace ciliumcore
