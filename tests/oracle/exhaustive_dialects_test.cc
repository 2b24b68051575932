// SPDX-License-Identifier: Apache-2.0

// The compiler against the oracle on every small set of policies of Cilium and
// of the whole cluster.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/oracle/compiled_judgement.h"
#include "tests/oracle/reproduction.h"
#include "tests/oracle/village.h"

namespace ciliumcore::testing {
namespace {

using Action = ClusterRule::Action;
using Tier = ClusterPolicy::Tier;

class ExhaustiveDialectsTest : public ::testing::Test {
 protected:
  ExhaustiveDialectsTest() : input_(Village()), flows_(FlowsOf(input_)) {}

  // False if the compiler is wrong about `input_`.
  bool Agrees() {
    const absl::StatusOr<CompiledPolicy> compiled =
        Compile(input_, peers_, rule_sets_);
    EXPECT_TRUE(compiled.ok()) << compiled.status();
    if (!compiled.ok()) return false;
    const Oracle oracle(input_);
    for (const Flow& flow : flows_) {
      if (Difference(oracle, *compiled, flow).empty()) continue;
      ADD_FAILURE() << Reproduce(input_, flow, CompileAndCompare);
      return false;
    }
    return true;
  }

  PolicyInput input_;
  const std::vector<Flow> flows_;
  PeerRegistry peers_;
  RuleSetTable rule_sets_;
};

// A rule and the section it is in.
struct Placed {
  CiliumRule rule;
  bool is_denial = false;
};

std::vector<std::optional<CiliumPeers>> SmallCiliumPeers() {
  CiliumPeers nobody, pods, same, world, block;
  pods.endpoints.emplace_back();
  same.endpoints.push_back(Only("app", "a"));
  same.endpoints.back().match_expressions.push_back(
      {"io.kubernetes.pod.namespace", LabelSelector::Operator::kExists, {}});
  world.entities = {CiliumEntity::kWorld};
  block.cidrs = {{.cidr = *IpPrefix::Parse("10.0.0.0/24"),
                  .except = {*IpPrefix::Parse("10.0.0.16/28")}}};
  return {std::nullopt, nobody, pods, same, world, block};
}

std::vector<std::vector<CiliumPortRule>> SmallCiliumPorts(bool is_denial) {
  CiliumPortRule number, name, requests;
  number.ports = {{Protocol::kAny, 80, {}, ""}};
  name.ports = {{Protocol::kTcp, {}, {}, "http"}};
  requests.ports = {{Protocol::kTcp, 80, 81, ""}};
  if (is_denial) return {{}, {number}, {name}, {requests}};
  requests.http.emplace_back();
  return {{}, {number}, {name}, {requests}};
}

std::vector<Placed> SmallCiliumRules() {
  std::vector<Placed> rules;
  for (bool is_denial : {false, true}) {
    for (const auto& peers : SmallCiliumPeers()) {
      for (const auto& ports : SmallCiliumPorts(is_denial)) {
        rules.push_back({{.peers = peers, .ports = ports}, is_denial});
      }
    }
  }
  rules.push_back({{.peers = SmallCiliumPeers()[2],
                    .authentication = CiliumAuthentication::kRequired},
                   false});
  rules.push_back({{.icmps = {{false, 0}}}, false});
  return rules;
}

CiliumSpec SpecOf(Direction direction, const std::vector<Placed>& rules,
                  std::optional<bool> denies_by_default) {
  const bool ingress = direction == Direction::kIngress;
  CiliumSpec spec;
  spec.endpoint_selector.emplace();
  (ingress ? spec.default_deny_ingress : spec.default_deny_egress) =
      denies_by_default;
  for (const auto& [rule, is_denial] : rules) {
    auto& section = ingress ? (is_denial ? spec.ingress_deny : spec.ingress)
                            : (is_denial ? spec.egress_deny : spec.egress);
    section.push_back(rule);
  }
  return spec;
}

TEST_F(ExhaustiveDialectsTest, EveryCiliumSpecOfUpToTwoRules) {
  const std::vector<Placed> rules = SmallCiliumRules();
  for (Direction direction : {Direction::kIngress, Direction::kEgress}) {
    for (std::optional<bool> denies :
         {std::optional<bool>(), std::optional<bool>(false)}) {
      const auto agrees = [&](const std::vector<Placed>& chosen) {
        input_.cilium_policies = {
            {.ns = "x",
             .name = "p",
             .specs = {SpecOf(direction, chosen, denies)}}};
        return Agrees();
      };
      ASSERT_TRUE(agrees({}));
      for (size_t i = 0; i < rules.size(); ++i) {
        ASSERT_TRUE(agrees({rules[i]}));
        for (size_t j = 0; j <= i; ++j) {
          ASSERT_TRUE(agrees({rules[i], rules[j]}));
        }
      }
    }
  }
}

// One isolates, the other, which is clusterwide, does not.
TEST_F(ExhaustiveDialectsTest, EveryTwoCiliumPoliciesOfOneRule) {
  const std::vector<Placed> rules = SmallCiliumRules();
  for (Direction direction : {Direction::kIngress, Direction::kEgress}) {
    for (const Placed& isolating : rules) {
      for (const Placed& other : rules) {
        input_.cilium_policies = {
            {.ns = "x",
             .name = "p",
             .specs = {SpecOf(direction, {isolating}, std::nullopt)}},
            {.name = "p", .specs = {SpecOf(direction, {other}, false)}}};
        ASSERT_TRUE(Agrees());
      }
    }
  }
}

// The first of a policy of its own for each rule, in this order.
std::vector<ClusterRule> SmallClusterRules(bool of_some) {
  NamespacedPods everybody, some;
  some.pod_selector = Only("app", "a");
  const std::vector<ClusterPort> port = {{.port = 80}};
  std::vector<ClusterRule> rules;
  for (Action action : {Action::kAccept, Action::kDeny, Action::kPass}) {
    rules.push_back({.action = action, .peers = {everybody}});
    rules.push_back({.action = action, .peers = {everybody}, .ports = port});
    if (!of_some) continue;
    rules.push_back({.action = action, .peers = {some}});
    rules.push_back({.action = action, .peers = {some}, .ports = port});
  }
  return rules;
}

class ExhaustiveTiersTest : public ExhaustiveDialectsTest {
 protected:
  ExhaustiveTiersTest() {
    NetworkPolicy isolating;
    isolating.ns = "x";
    isolating.name = "n";
    isolating.ingress.emplace_back().ports.push_back(
        {Protocol::kTcp, 80, {}, ""});
    CiliumSpec denying;
    denying.endpoint_selector.emplace();
    denying.default_deny_ingress = false;
    CiliumRule denial;
    denial.peers.emplace().endpoints.push_back(Only("app", "a"));
    denying.ingress_deny.push_back(denial);
    PolicyInput with_network = input_, with_cilium = input_;
    with_network.policies = {isolating};
    with_cilium.cilium_policies = {
        {.ns = "x", .name = "p", .specs = {denying}}};
    beside_ = {input_, with_network, with_cilium};
  }

  // The first `admin` rules are of the Admin tier.
  bool Agrees(const std::vector<ClusterRule>& rules, size_t admin) {
    for (const PolicyInput& beside : beside_) {
      input_ = beside;
      for (size_t i = 0; i < rules.size(); ++i) {
        ClusterPolicy policy;
        policy.name = std::string(1, static_cast<char>('a' + i));
        policy.tier = i < admin ? Tier::kAdmin : Tier::kBaseline;
        policy.ingress = {rules[i]};
        input_.cluster_policies.push_back(std::move(policy));
      }
      if (!ExhaustiveDialectsTest::Agrees()) return false;
    }
    return true;
  }

  std::vector<PolicyInput> beside_;
};

TEST_F(ExhaustiveTiersTest, EveryUpToThreeClusterRules) {
  const std::vector<ClusterRule> rules = SmallClusterRules(true);
  const std::vector<ClusterRule> last = SmallClusterRules(false);
  for (const ClusterRule& first : rules) {
    for (size_t admin : {0, 1}) ASSERT_TRUE(Agrees({first}, admin));
    for (const ClusterRule& second : rules) {
      for (size_t admin : {0, 1, 2}) {
        ASSERT_TRUE(Agrees({first, second}, admin));
      }
      for (const ClusterRule& third : last) {
        for (size_t admin : {0, 1, 2, 3}) {
          ASSERT_TRUE(Agrees({first, second, third}, admin));
        }
      }
    }
  }
}

}  // namespace
}  // namespace ciliumcore::testing
