// SPDX-License-Identifier: Apache-2.0

// The real programs, behind the library's own publisher, against the oracle:
// each flow is a packet, and the verdict is what becomes of it.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/event.h"
#include "ciliumcore/abi/reason.h"
#include "gtest/gtest.h"
#include "tests/oracle/published_node.h"
#include "tests/oracle/random_cluster.h"
#include "tests/oracle/reproduction.h"
#include "tests/oracle/rounds.h"
#include "tests/support/private_netns.h"
#include "tests/support/require_bpf.h"

namespace ciliumcore::testing {
namespace {

using Step = PublishedNode::Step;

// The judgement of one side that an event tells, against the expected one.
std::string DifferenceOfSide(const char* side, const CompiledPolicy& compiled,
                             uint32_t rule_set,
                             const std::optional<Judgement>& expected) {
  const RuleSet* told = compiled.FindRuleSet(rule_set);
  if (!expected.has_value()) {
    return rule_set == 0 ? ""
                         : absl::StrCat(side, ": was judged, needlessly\n");
  }
  if (told != nullptr && *told == expected->why) return "";
  return absl::StrCat(side, ": expected ", Describe(*expected), "\n", side,
                      ": the event tells ", rule_set, ", ",
                      told == nullptr ? "which is nothing" : told->ToString(),
                      "\n");
}

// How the node's treatment of a new connection differs from what the oracle
// says, in the packet's fate, in the event or in its reply's fate.
std::string Difference(const PolicyInput& input, const CompiledPolicy& compiled,
                       PublishedNode& node, const Connection& connection) {
  const Flow& flow = connection.flow;
  const auto& [protocol, port] = flow.target;
  const PublishedNode::Crossing crossing = *node.CrossingOf(flow);
  const Oracle oracle(input);
  std::optional<Judgement> egress, ingress;
  bool is_allowed = true;
  if (crossing.judges_egress) {
    egress = oracle.Egress(flow.source, flow.destination, protocol, port);
    is_allowed = egress->allowed;
  }
  if (crossing.judges_ingress && is_allowed) {
    ingress = oracle.Ingress(flow.source, flow.destination, protocol, port);
    is_allowed = ingress->allowed;
  }

  const absl::StatusOr<ProgramOutput> output =
      node.Send(connection, Step::kOpen);
  if (!output.ok()) return output.status().ToString();
  if ((output->action != Action::kDrop) != is_allowed) {
    return absl::StrCat("the packet was ", is_allowed ? "dropped" : "let pass",
                        "\n", egress ? Describe(*egress) : "", "\n",
                        ingress ? Describe(*ingress) : "", "\n");
  }
  if (output->events.size() != 1) {
    return absl::StrCat(output->events.size(), " events instead of one\n");
  }
  const cc_event& event = output->events[0];
  std::string difference;
  if (event.kind != (is_allowed ? CC_EVENT_NEW : CC_EVENT_DROP) ||
      event.reason !=
          (is_allowed ? CC_REASON_FORWARDED : CC_REASON_POLICY_DENIED)) {
    absl::StrAppend(&difference, "the event is ", event.kind, " for reason ",
                    event.reason, "\n");
  }
  difference +=
      DifferenceOfSide("egress", compiled, event.rule_set[CC_EGRESS], egress);
  difference += DifferenceOfSide("ingress", compiled,
                                 event.rule_set[CC_INGRESS], ingress);
  if (!is_allowed) return difference;

  for (Step step : {Step::kReply, Step::kContinue}) {
    const absl::StatusOr<ProgramOutput> next = node.Send(connection, step);
    if (!next.ok()) return next.status().ToString();
    if (next->action == Action::kDrop || !next->events.empty()) {
      absl::StrAppend(&difference, "the connection's ",
                      step == Step::kReply ? "reply" : "next packet",
                      " was not just let pass\n");
    }
  }
  return difference;
}

// Compiles and publishes `input`, or says what prevents it.
absl::StatusOr<CompiledPolicy> Publish(const PolicyInput& input,
                                       const std::vector<uint32_t>& pods,
                                       PublishedNode& node, PeerRegistry& peers,
                                       RuleSetTable& rule_sets) {
  absl::StatusOr<CompiledPolicy> compiled = Compile(input, peers, rule_sets);
  if (!compiled.ok()) return compiled;
  absl::Status published = node.Publish(input, pods, *compiled);
  if (!published.ok()) return published;
  return compiled;
}

// The same on a node of its own, to be asked again and again.
std::string PublishAndCompare(const PolicyInput& input, const Flow& flow) {
  PeerRegistry peers;
  RuleSetTable rule_sets;
  auto node = PublishedNode::Native();
  if (!node.ok()) return node.status().ToString();
  std::vector<uint32_t> pods;
  for (uint32_t i = 0; i < input.endpoints.size(); ++i) pods.push_back(3 * i);
  const auto compiled = Publish(input, pods, **node, peers, rule_sets);
  if (!compiled.ok()) return compiled.status().ToString();
  if (!(*node)->CrossingOf(flow).has_value()) return "";
  return Difference(input, *compiled, **node, {flow, 50000});
}

// All clusters on one node, one after the other.
void CompareWithOracle(PublishedNode& node, const Rounds& rounds,
                       uint32_t flows_per_cluster) {
  uint64_t compared = 0;
  PeerRegistry peers;
  RuleSetTable rule_sets;
  CompiledPolicy compiled;
  for (uint64_t seed = rounds.first; seed < rounds.end; ++seed) {
    SCOPED_TRACE(::testing::Message() << "CC_SEED=" << seed);
    RandomCluster random(seed);
    const PolicyInput input = random.Make();
    auto next = Publish(input, random.pods(), node, peers, rule_sets);
    ASSERT_TRUE(next.ok()) << next.status();
    compiled = *std::move(next);
    ASSERT_TRUE(node.Forget().ok());
    const std::vector<FlowEnd> ends = RandomCluster::EndsOf(input);
    const std::vector<PortProtocol> targets = RandomCluster::TargetsOf(input);
    uint16_t port = 50000;  // beyond those that rules mention
    uint32_t tries = 0;
    for (uint32_t sent = 0; sent < flows_per_cluster && tries < 100000;
         ++tries) {
      const Flow flow = {random.OneOf(ends), random.OneOf(ends),
                         random.OneOf(targets)};
      if (!node.CrossingOf(flow).has_value()) continue;
      // Without ports, the two directions are one connection.
      if (flow.target.port == 0) {
        ASSERT_TRUE(node.Forget().ok());
      }
      const std::string difference =
          Difference(input, compiled, node, {flow, port++});
      ASSERT_EQ(difference, "") << Describe(input, flow) << "\n"
                                << Reproduce(input, flow, PublishAndCompare);
      ++sent;
      ++compared;
    }
  }
  ::testing::Test::RecordProperty("compared", std::to_string(compared));
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
  CompareWithOracle(**node, RoundsOr(220), 1000);
}

TEST(OracleDatapathTest, ProgramsInTheKernelAgree) {
  RequireBpf();
  if (IsSkipped()) return;
  PrivateNetns netns;
  for (uint32_t i = 0; i < PublishedNode::kInterfaces; ++i) {
    netns.AddVeth(absl::StrCat("v", i), PublishedNode::kFirstIfindex + i);
  }
  auto node = PublishedNode::InKernel();
  ASSERT_TRUE(node.ok()) << node.status();
  CompareWithOracle(**node, RoundsOr(50), 500);
}

}  // namespace
}  // namespace ciliumcore::testing
