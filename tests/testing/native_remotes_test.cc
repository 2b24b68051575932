// SPDX-License-Identifier: Apache-2.0

// Pods elsewhere come, go, move and are labelled anew under a policy that tells
// them apart; the programs judge by the maps that each change left.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ciliumcore/abi/event.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/testing/native_datapath.h"
#include "ciliumcore/testing/packet.h"

namespace ciliumcore::testing {
namespace {

constexpr uint32_t kAddresses = 200;

IpAddress AddressOf(uint32_t i) { return IpAddress::FromV4(0x0a010000 + i); }

NetworkPolicy Policy(uint16_t port) {
  NetworkPolicy policy;
  policy.ns = "default";
  policy.name = "db";
  policy.pod_selector.match_labels = {{"app", "db"}};
  NetworkPolicyRule& pods = policy.ingress.emplace_back();
  pods.peers.emplace_back().pod_selector.emplace().match_labels = {
      {"role", "0"}};
  pods.ports.emplace_back().port = port;
  // Some of the addresses, whoever has them.
  NetworkPolicyRule& block = policy.ingress.emplace_back();
  block.peers.emplace_back().ip_block.emplace().cidr =
      *IpPrefix::Parse("10.1.0.0/27");
  block.ports.emplace_back().port = 8080;
  return policy;
}

class NativeRemotesTest : public ::testing::Test {
 protected:
  NativeRemotesTest() : node_(*NativeDatapath::Open()) {
    Transaction change = node_.Begin();
    change.AttachEndpoint({.interface = "db",
                           .addresses = {*IpAddress::Parse("10.0.0.2")},
                           .identity = identities_.Allocate({{"app", "db"}})});
    change.SetPolicies({Policy(port_)});
    EXPECT_EQ(change.Commit(), absl::OkStatus());
  }

  // A pod of one of three roles, with one address or two neighbours.
  void Upsert(uint32_t at, Transaction& change) {
    const std::string role = std::to_string(random_() % 3);
    RemoteOptions remote = {.addresses = {AddressOf(at)},
                            .identity = identities_.Allocate({{"role", role}})};
    if (random_() % 3 == 0) remote.addresses.push_back(AddressOf(at + 1));
    if (random_() % 2 == 0) remote.next_hop = NextHop{"eth0", {}};
    roles_[at] = {role, remote.addresses.size()};
    change.UpsertRemote(std::move(remote));
  }

  // One change of a few pods, of which each has the even address of a pair.
  void ChangeSome() {
    Transaction change = node_.Begin();
    for (uint32_t i = 1 + random_() % 4; i > 0; --i) {
      const uint32_t at = random_() % kAddresses & ~1u;
      if (roles_.contains(at) && random_() % 2 == 0) {
        change.RemoveRemote(AddressOf(at));
        roles_.erase(at);
      } else {
        Upsert(at, change);
      }
    }
    if (random_() % 8 == 0) {
      port_ = port_ == 80 ? 81 : 80;
      change.SetPolicies({Policy(port_)});
    }
    ASSERT_EQ(change.Commit(), absl::OkStatus());
  }

  bool Passes(uint32_t from, uint16_t port) {
    const auto outcome = node_.Receive(
        "db", PacketBuilder()
                  .Ethernet({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2})
                  .Ip(AddressOf(from), *IpAddress::Parse("10.0.0.2"), {})
                  .Tcp(next_port_++, port, kTcpSyn)
                  .Build());
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_THAT(outcome->trace.disagreement, ::testing::IsEmpty()) << *outcome;
    return outcome->to == PacketOutcome::To::kEndpoint;
  }

  PacketOutcome SendTo(uint32_t to) {
    const auto outcome = node_.Send(
        "db", PacketBuilder()
                  .Ethernet({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2})
                  .Ip(*IpAddress::Parse("10.0.0.2"), AddressOf(to), {})
                  .Tcp(next_port_++, 443, kTcpSyn)
                  .Build());
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_THAT(outcome->trace.disagreement, ::testing::IsEmpty()) << *outcome;
    return *outcome;
  }

  bool ShouldPass(uint32_t from, uint16_t port) const {
    if (port == 8080) return from < 32;
    const auto pod = roles_.find(from & ~1u);
    return port == port_ && pod != roles_.end() && pod->second.first == "0" &&
           (from & 1) < pod->second.second;
  }

  std::mt19937 random_{7};
  IdentityAllocator identities_;
  NativeDatapath node_;
  uint16_t port_ = 80, next_port_ = 1024;
  // By first address: the role, and how many addresses have it.
  std::map<uint32_t, std::pair<std::string, size_t>> roles_;
};

TEST_F(NativeRemotesTest, AreJudgedByWhoTheyAreNow) {
  uint32_t passed = 0;
  for (int i = 0; i < 1'500; ++i) {
    ASSERT_NO_FATAL_FAILURE(ChangeSome());
    for (int asked = 0; asked < 8; ++asked) {
      const uint32_t from = random_() % kAddresses;
      for (uint16_t port : {80, 81, 8080}) {
        const bool passes = Passes(from, port);
        ASSERT_EQ(passes, ShouldPass(from, port))
            << "change " << i << ", " << AddressOf(from).ToString() << " to "
            << port;
        passed += passes;
      }
    }
  }
  EXPECT_GT(passed, 1'500u);
}

TEST_F(NativeRemotesTest, ANumberIsFreeWhenItsPodHasGone) {
  const size_t before = identities_.size();
  const uint32_t at = 50;
  Transaction come = node_.Begin();
  come.UpsertRemote({.addresses = {AddressOf(at)},
                     .identity = identities_.Allocate({{"role", "late"}})});
  ASSERT_EQ(come.Commit(), absl::OkStatus());
  Passes(at, 80);  // its flow is named
  EXPECT_EQ(identities_.size(), before + 1);
  Transaction gone = node_.Begin();
  gone.RemoveRemote(AddressOf(at));
  ASSERT_EQ(gone.Commit(), absl::OkStatus());
  // The names of flows are of the last change that somebody asked about.
  Transaction other = node_.Begin();
  other.SetPolicies({Policy(443)});
  ASSERT_EQ(other.Commit(), absl::OkStatus());
  EXPECT_EQ(identities_.size(), before);
}

TEST_F(NativeRemotesTest, AnAddressIsOfOneAtATime) {
  const IdentityRef role = identities_.Allocate({{"role", "0"}});
  Transaction change = node_.Begin();
  change.UpsertRemote(
      {.addresses = {AddressOf(0), AddressOf(1)}, .identity = role});
  ASSERT_EQ(change.Commit(), absl::OkStatus());

  Transaction second = node_.Begin();
  second.UpsertRemote({.addresses = {AddressOf(1)}, .identity = role});
  EXPECT_EQ(second.Commit(),
            absl::InvalidArgumentError("address 10.1.0.1: belongs to two, one "
                                       "is remote 10.1.0.0"));
  Transaction endpoint = node_.Begin();
  endpoint.AttachEndpoint(
      {.interface = "late", .addresses = {AddressOf(1)}, .identity = role});
  EXPECT_TRUE(absl::IsInvalidArgument(endpoint.Commit()));

  // It changes hands in one change.
  Transaction hands = node_.Begin();
  hands.UpsertRemote({.addresses = {AddressOf(0)}, .identity = role});
  hands.UpsertRemote({.addresses = {AddressOf(1)}, .identity = role});
  EXPECT_EQ(hands.Commit(), absl::OkStatus());
  EXPECT_TRUE(Passes(0, 80));
  EXPECT_TRUE(Passes(1, 80));
}

TEST_F(NativeRemotesTest, ANamespaceIsWhatItsPodsSay) {
  NetworkPolicy policy = Policy(80);
  PeerRule& peer = policy.ingress[0].peers[0];
  peer.pod_selector.reset();
  peer.namespace_selector.emplace().match_labels = {{"env", "prod"}};
  const auto pod_of = [&](const char* ns, Labels labels) {
    return identities_.Allocate(
        PodIdentityLabels({{"role", "0"}}, MakeNamespace(ns, labels)));
  };
  Transaction first = node_.Begin();
  first.SetPolicies({policy});
  first.UpsertRemote({.addresses = {AddressOf(40)},
                      .identity = pod_of("shop", {{"env", "test"}})});
  ASSERT_EQ(first.Commit(), absl::OkStatus());
  EXPECT_FALSE(Passes(40, 80));

  Transaction other = node_.Begin();
  other.UpsertRemote({.addresses = {AddressOf(41)},
                      .identity = pod_of("bank", {{"env", "prod"}})});
  ASSERT_EQ(other.Commit(), absl::OkStatus());
  EXPECT_TRUE(Passes(41, 80)) << "a namespace that nobody spoke of before";

  Transaction again = node_.Begin();
  again.UpsertRemote({.addresses = {AddressOf(40)},
                      .identity = pod_of("shop", {{"env", "prod"}})});
  ASSERT_EQ(again.Commit(), absl::OkStatus());
  EXPECT_TRUE(Passes(40, 80)) << "a namespace that is labelled anew";
}

TEST_F(NativeRemotesTest, ARuleForNamesFollowsTheirAddresses) {
  CiliumPolicy policy;
  policy.ns = "default";
  policy.name = "names";
  CiliumSpec& spec = policy.specs.emplace_back();
  spec.endpoint_selector.emplace().match_labels = {{"app", "db"}};
  spec.egress.emplace_back().peers.emplace().fqdns = {
      {.name = "", .pattern = "*.example.com"}};
  Transaction first = node_.Begin();
  first.SetPolicies(Policies{.cilium_policies = {policy}});
  ASSERT_EQ(first.Commit(), absl::OkStatus());
  const auto may_reach = [&](uint32_t to) { return !SendTo(to).dropped(); };
  const auto change = [&](NameChanges names) {
    Transaction naming = node_.Begin();
    naming.ChangeNames(std::move(names));
    ASSERT_EQ(naming.Commit(), absl::OkStatus());
  };
  EXPECT_FALSE(may_reach(100));
  change({.come = {{"a.example.com", AddressOf(100)},
                   {"b.example.com", AddressOf(100)},
                   {"example.org", AddressOf(101)}}});
  EXPECT_TRUE(may_reach(100));
  EXPECT_FALSE(may_reach(101));
  change({.gone = {{"a.example.com", AddressOf(100)}}});
  EXPECT_TRUE(may_reach(100)) << "it has another name";
  EXPECT_EQ(SendTo(100).to, PacketOutcome::To::kNode);
  // While it is a pod's, it is no address outside.
  Transaction pod = node_.Begin();
  pod.UpsertRemote({.addresses = {AddressOf(100)},
                    .identity = identities_.Allocate({{"role", "0"}}),
                    .next_hop = NextHop{"eth0", {}}});
  ASSERT_EQ(pod.Commit(), absl::OkStatus());
  EXPECT_FALSE(may_reach(100));
  Transaction gone = node_.Begin();
  gone.RemoveRemote(AddressOf(100));
  ASSERT_EQ(gone.Commit(), absl::OkStatus());
  EXPECT_TRUE(may_reach(100));
  EXPECT_EQ(SendTo(100).to, PacketOutcome::To::kNode)
      << "the pod's next hop has gone with it";
  change({.gone = {{"b.example.com", AddressOf(100)},
                   {"nobody.example.com", AddressOf(7)}}});
  EXPECT_FALSE(may_reach(100));
}

}  // namespace
}  // namespace ciliumcore::testing
