// SPDX-License-Identifier: Apache-2.0

// The real programs, behind the library's own publisher, against the oracle:
// each flow is a packet, and the verdict is what becomes of it.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/oracle/packet_judgement.h"
#include "tests/oracle/published_node.h"
#include "tests/oracle/random_cluster.h"
#include "tests/oracle/reproduction.h"
#include "tests/oracle/rounds.h"
#include "tests/support/private_netns.h"
#include "tests/support/require_bpf.h"

namespace ciliumcore::testing {
namespace {

// All clusters on one node, one after the other.
void CompareWithOracle(PublishedNode& node, const Rounds& rounds,
                       uint32_t flows_per_cluster, Dialects dialects) {
  uint64_t published = 0, refused = 0, compared = 0, redirected = 0;
  PeerRegistry peers;
  RuleSetTable rule_sets;
  CompiledPolicy compiled;
  for (uint64_t seed = rounds.first; seed < rounds.end; ++seed) {
    SCOPED_TRACE(::testing::Message() << "CC_SEED=" << seed);
    RandomCluster random(seed, dialects);
    const PolicyInput input = random.Make();
    auto next = Publish(input, random.pods(), node, peers, rule_sets);
    if (IsRefused(next.status())) {
      ++refused;
      continue;
    }
    ASSERT_TRUE(next.ok()) << next.status();
    ++published;
    compiled = *std::move(next);
    ASSERT_TRUE(node.Forget().ok());
    const Oracle oracle(input);
    const std::vector<FlowEnd> ends = RandomCluster::EndsOf(input);
    const std::vector<PortProtocol> targets = RandomCluster::TargetsOf(input);
    uint16_t port = 50000;  // beyond those that rules mention
    uint32_t tries = 0;
    for (uint32_t sent = 0; sent < flows_per_cluster && tries < 100000;
         ++tries) {
      Flow flow = random.FlowOf(input, ends, targets);
      flow.target = SentTo(flow.target);
      const auto crossing = node.CrossingOf(flow);
      if (!crossing.has_value()) continue;
      if (HasNoPorts(flow.target.protocol)) {
        ASSERT_TRUE(node.Forget().ok());
      }
      const Expected expected = ExpectedOf(oracle, *crossing, flow);
      const std::string difference =
          Difference(expected, compiled, node, {flow, port++});
      ASSERT_EQ(difference, "") << Describe(input, flow) << "\n"
                                << Reproduce(input, flow, PublishAndCompare);
      if (expected.needs_proxy()) ++redirected;
      ++sent;
      ++compared;
    }
  }
  ::testing::Test::RecordProperty("refused", std::to_string(refused));
  ::testing::Test::RecordProperty("compared", std::to_string(compared));
  ::testing::Test::RecordProperty("redirected", std::to_string(redirected));
  if (rounds.are_few()) return;
  EXPECT_LE(refused * 10, rounds.count());
  EXPECT_GE(compared * 10, published * flows_per_cluster * 9);
  if (dialects == Dialects::kAll) {
    EXPECT_GT(redirected * 2000, compared);
  } else {
    EXPECT_EQ(refused, 0u);
    EXPECT_EQ(redirected, 0u);
  }
}

// A pod in the way of everything that `rule` does not allow in, and a flow to
// it.
std::string DifferenceOfIngress(const NetworkPolicyRule& rule,
                                const std::string& source,
                                PortProtocol target) {
  PolicyInput input;
  PolicyEndpoint pod;
  pod.identity = static_cast<Identity>(1000);
  pod.ns = "blue";
  pod.addresses = {*IpAddress::Parse("10.0.0.1")};
  input.endpoints = {pod};
  NetworkPolicy policy;
  policy.ns = "blue";
  policy.name = "p";
  policy.ingress = {rule};
  input.policies = {policy};
  return PublishAndCompare(input, {{kNoEndpoint, *IpAddress::Parse(source)},
                                   {0, pod.addresses[0]},
                                   target});
}

TEST(OracleDatapathTest, AnIpv6BlockCoversNoIpv4Address) {
  for (const char* block : {"::/0", "::/64", "::/80"}) {
    NetworkPolicyRule rule;
    rule.peers.emplace_back().ip_block.emplace().cidr = *IpPrefix::Parse(block);
    EXPECT_EQ(DifferenceOfIngress(rule, "203.0.113.9", {Protocol::kTcp, 80}),
              "")
        << block;
  }
}

TEST(OracleDatapathTest, ARuleMayHaveManyPortsApart) {
  NetworkPolicyRule rule;
  for (uint16_t port = 80; port < 110; port += 3) {
    for (Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
      PortRule& added = rule.ports.emplace_back();
      added.protocol = protocol;
      added.port = port;
    }
  }
  for (uint16_t port : {79, 80, 81, 107, 108}) {
    for (Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kSctp,
                              static_cast<Protocol>(47)}) {
      EXPECT_EQ(DifferenceOfIngress(rule, "203.0.113.9", {protocol, port}), "")
          << PortProtocol{protocol, port}.ToString();
    }
  }
}

TEST(OracleDatapathTest, NativeProgramsAgree) {
  auto node = PublishedNode::Native();
  ASSERT_TRUE(node.ok()) << node.status();
  CompareWithOracle(**node, RoundsOr(220), 1000, Dialects::kNetworkPolicy);
}

TEST(OracleDatapathTest, NativeProgramsAgreeOnPoliciesOfEveryDialect) {
  auto node = PublishedNode::Native();
  ASSERT_TRUE(node.ok()) << node.status();
  CompareWithOracle(**node, RoundsOr(100), 1000, Dialects::kAll);
}

class OracleKernelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    RequireBpf();
    if (IsSkipped()) return;
    netns_.emplace();
    for (uint32_t i = 0; i < PublishedNode::kInterfaces; ++i) {
      netns_->AddVeth(absl::StrCat("v", i), PublishedNode::kFirstIfindex + i);
    }
    auto node = PublishedNode::InKernel();
    ASSERT_TRUE(node.ok()) << node.status();
    node_ = *std::move(node);
  }

  std::optional<PrivateNetns> netns_;
  std::unique_ptr<PublishedNode> node_;
};

TEST_F(OracleKernelTest, ProgramsInTheKernelAgree) {
  CompareWithOracle(*node_, RoundsOr(50), 500, Dialects::kNetworkPolicy);
}

TEST_F(OracleKernelTest, ProgramsInTheKernelAgreeOnPoliciesOfEveryDialect) {
  CompareWithOracle(*node_, RoundsOr(50), 500, Dialects::kAll);
}

}  // namespace
}  // namespace ciliumcore::testing
