// SPDX-License-Identifier: Apache-2.0

// Whatever can turn an allowed connection into a denied one is seen by its next
// packet. One test for each kind, each with an open connection.

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/policy/cilium_policy.h"
#include "ciliumcore/policy/name_cache.h"
#include "tests/support/require_bpf.h"
#include "tests/support/test_node.h"

namespace ciliumcore {
namespace {

using testing::TestNode;
using testing::TestSocket;

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }

constexpr PortProtocol kPort = {.protocol = Protocol::kTcp, .port = 5432};

NetworkPolicy IsolateDb() {
  NetworkPolicy policy;
  policy.ns = "default";
  policy.name = "db";
  policy.pod_selector.match_labels = {{"app", "db"}};
  return policy;
}

NetworkPolicyRule FromApp(const char* app) {
  LabelSelector selector;
  selector.match_labels = {{"app", app}};
  NetworkPolicyRule rule;
  rule.peers.push_back(
      {.pod_selector = selector, .namespace_selector = {}, .ip_block = {}});
  return rule;
}

NetworkPolicyRule FromBlock(const char* cidr,
                            std::vector<IpPrefix> except = {}) {
  NetworkPolicyRule rule;
  rule.peers.push_back({.pod_selector = {},
                        .namespace_selector = {},
                        .ip_block = IpBlock{.cidr = *IpPrefix::Parse(cidr),
                                            .except = std::move(except)}});
  return rule;
}

class RevocationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::RequireBpf();
    if (IsSkipped()) return;
    node_.emplace();
    node_->AddPod("web", "10.0.1.1");
    node_->AddPod("db", "10.0.1.2");
    node_->AddOutside("world", "192.0.2.10", "192.0.2.1");
    auto datapath = Datapath::Open(
        {.name = "test",
         .capacity = {
             .connections = 4096, .addresses = 1024, .prefixes = 1024}});
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    datapath_.emplace(*std::move(datapath));
    Commit(datapath_->Begin()
               .AttachEndpoint(Endpoint("web", "10.0.1.1", "web"))
               .AttachEndpoint(Endpoint("db", "10.0.1.2", "db")));
    listener_ = TestSocket::Listen(node_->netns("db"), Ip("10.0.1.2"), kPort);
  }

  EndpointOptions Endpoint(const std::string& pod, const char* address,
                           const char* app) {
    EndpointOptions endpoint;
    endpoint.interface = "veth-" + pod;
    endpoint.addresses = {Ip(address)};
    endpoint.identity = identities_.Allocate({{"app", app}});
    return endpoint;
  }

  void Commit(Transaction& change) {
    const absl::Status done = change.Commit();
    ASSERT_TRUE(done.ok()) << done;
  }

  void SetRules(std::vector<NetworkPolicyRule> rules) {
    NetworkPolicy policy = IsolateDb();
    policy.ingress = std::move(rules);
    Commit(datapath_->Begin().SetPolicies({policy}));
  }

  // Opens a connection to db that works.
  void Open(const char* pod, const char* address) {
    client_ = TestSocket::Connect(node_->netns(pod), Ip(address),
                                  Ip("10.0.1.2"), kPort);
    ASSERT_TRUE(client_.connected());
    server_ = listener_.Accept();
    ASSERT_TRUE(client_.Reaches(server_, "before"));
    ASSERT_TRUE(server_.Reaches(client_, "reply"));
  }

  // Neither direction of it works any more.
  void ExpectCut() {
    EXPECT_FALSE(client_.Reaches(server_, "after"));
    EXPECT_FALSE(server_.Reaches(client_, "late reply"));
  }

  std::optional<TestNode> node_;
  IdentityAllocator identities_;
  std::optional<Datapath> datapath_;
  TestSocket listener_, client_, server_;
};

TEST_F(RevocationTest, ARuleGoes) {
  SetRules({FromApp("web")});
  Open("web", "10.0.1.1");
  SetRules({});
  ExpectCut();
}

TEST_F(RevocationTest, LabelsOfTheSenderChange) {
  SetRules({FromApp("web")});
  Open("web", "10.0.1.1");
  Commit(
      datapath_->Begin().AttachEndpoint(Endpoint("web", "10.0.1.1", "legacy")));
  ExpectCut();
}

TEST_F(RevocationTest, LabelsOfTheReceiverChange) {
  SetRules({FromApp("nobody")});
  // not isolated at first: it is not called db
  Commit(datapath_->Begin().AttachEndpoint(Endpoint("db", "10.0.1.2", "open")));
  Open("web", "10.0.1.1");
  Commit(datapath_->Begin().AttachEndpoint(Endpoint("db", "10.0.1.2", "db")));
  ExpectCut();
}

TEST_F(RevocationTest, AnAddressMovesToAnotherIdentity) {
  RemoteOptions remote;
  remote.addresses = {Ip("192.0.2.10")};
  remote.identity = identities_.Allocate({{"app", "web"}});
  Commit(datapath_->Begin().UpsertRemote(remote));
  SetRules({FromApp("web")});
  Open("world", "192.0.2.10");
  remote.identity = identities_.Allocate({{"app", "evil"}});
  Commit(datapath_->Begin().UpsertRemote(remote));
  ExpectCut();
}

TEST_F(RevocationTest, ARemoteAddressIsForgotten) {
  RemoteOptions remote;
  remote.addresses = {Ip("192.0.2.10")};
  remote.identity = identities_.Allocate({{"app", "web"}});
  Commit(datapath_->Begin().UpsertRemote(remote));
  SetRules({FromApp("web")});
  Open("world", "192.0.2.10");
  Commit(datapath_->Begin().RemoveRemote(Ip("192.0.2.10")));
  ExpectCut();
}

TEST_F(RevocationTest, ACidrTakesOverAddresses) {
  SetRules({FromBlock("192.0.2.0/24")});
  Open("world", "192.0.2.10");
  SetRules({FromBlock("192.0.2.0/24", {*IpPrefix::Parse("192.0.2.8/29")})});
  ExpectCut();
}

TEST_F(RevocationTest, ACidrGoes) {
  SetRules({FromBlock("192.0.2.0/24"), FromApp("web")});
  Open("world", "192.0.2.10");
  SetRules({FromApp("web")});
  ExpectCut();
}

TEST_F(RevocationTest, ANameLosesItsAddress) {
  CiliumPolicy policy;
  policy.ns = "default";
  policy.name = "api";
  CiliumSpec& spec = policy.specs.emplace_back();
  spec.endpoint_selector.emplace().match_labels = {{"app", "web"}};
  spec.egress.emplace_back().peers.emplace().fqdns = {
      {.name = "api.example.com", .pattern = ""}};
  Commit(datapath_->Begin().SetPolicies(Policies{.cilium_policies = {policy}}));
  listener_ =
      TestSocket::Listen(node_->netns("world"), Ip("192.0.2.10"), kPort);
  const auto connect = [this] {
    return TestSocket::Connect(node_->netns("web"), Ip("10.0.1.1"),
                               Ip("192.0.2.10"), kPort);
  };
  EXPECT_FALSE(connect().connected());

  NameCache names;
  const absl::Time start = absl::UnixEpoch();
  ASSERT_EQ(names.Learn("api.example.com", {Ip("192.0.2.10")},
                        absl::Seconds(60), start),
            absl::OkStatus());
  Commit(datapath_->Begin().ChangeNames(names.TakeChanges()));
  client_ = connect();
  ASSERT_TRUE(client_.connected());
  server_ = listener_.Accept();
  ASSERT_TRUE(client_.Reaches(server_, "before"));

  // The answer has expired, but not for a connection that is open.
  names.Expire(start + absl::Seconds(61),
               [](const IpAddress&) { return true; });
  EXPECT_TRUE(names.TakeChanges().empty());
  names.Expire(start + absl::Seconds(62),
               [](const IpAddress&) { return false; });
  Commit(datapath_->Begin().ChangeNames(names.TakeChanges()));
  ExpectCut();
}

TEST_F(RevocationTest, AnEndpointGoesAndItsAddressIsNobodys) {
  SetRules({FromApp("web")});
  Open("web", "10.0.1.1");
  // web's traffic comes through the node's stack now, from an unknown address
  Commit(datapath_->Begin().DetachEndpoint("veth-web"));
  ExpectCut();
}

TEST_F(RevocationTest, AnEndpointThatClosesIsSilent) {
  EndpointOptions web = Endpoint("web", "10.0.1.1", "web");
  web.on_detach = OnDetach::kClosed;
  Commit(datapath_->Begin().AttachEndpoint(web));
  Open("web", "10.0.1.1");
  Commit(datapath_->Begin().DetachEndpoint("veth-web"));
  ExpectCut();
}

TEST_F(RevocationTest, AnEndpointThatComesBackIsJudgedAnew) {
  SetRules({FromApp("web")});
  Open("web", "10.0.1.1");
  Commit(datapath_->Begin().DetachEndpoint("veth-web"));
  Commit(
      datapath_->Begin().AttachEndpoint(Endpoint("web", "10.0.1.1", "legacy")));
  ExpectCut();
}

TEST_F(RevocationTest, WhatIsNotRevokedGoesOn) {
  SetRules({FromApp("web")});
  Open("web", "10.0.1.1");
  SetRules({FromApp("web"), FromApp("other")});
  EXPECT_TRUE(client_.Reaches(server_, "after"));
  EXPECT_TRUE(server_.Reaches(client_, "reply"));
}

}  // namespace
}  // namespace ciliumcore
