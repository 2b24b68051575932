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
#include "tests/oracle/small_policies.h"
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

void Place(const Placed& placed, std::vector<CiliumRule>& allowing,
           std::vector<CiliumRule>& denying) {
  (placed.is_denial ? denying : allowing).push_back(placed.rule);
}

// For both directions: each judges flows of its own. For egress the rules stand
// in the opposite order, so that one is not taken for the other.
CiliumSpec SpecOf(const std::vector<Placed>& rules,
                  std::optional<bool> denies_by_default) {
  CiliumSpec spec;
  spec.endpoint_selector.emplace();
  spec.default_deny_ingress = spec.default_deny_egress = denies_by_default;
  for (size_t i = 0; i < rules.size(); ++i) {
    Place(rules[i], spec.ingress, spec.ingress_deny);
    Place(rules[rules.size() - 1 - i], spec.egress, spec.egress_deny);
  }
  return spec;
}

TEST_F(ExhaustiveDialectsTest, EveryCiliumSpecOfUpToTwoRules) {
  const std::vector<Placed> rules = SmallCiliumRules();
  for (std::optional<bool> denies :
       {std::optional<bool>(), std::optional<bool>(false)}) {
    const auto agrees = [&](const std::vector<Placed>& chosen) {
      input_.cilium_policies = {
          {.ns = "x", .name = "p", .specs = {SpecOf(chosen, denies)}}};
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

// One isolates, the other, which is clusterwide, does not.
TEST_F(ExhaustiveDialectsTest, EveryTwoCiliumPoliciesOfOneRule) {
  const std::vector<Placed> rules = SmallCiliumRules();
  for (const Placed& isolating : rules) {
    for (const Placed& other : rules) {
      input_.cilium_policies = {
          {.ns = "x",
           .name = "p",
           .specs = {SpecOf({isolating}, std::nullopt)}},
          {.name = "p", .specs = {SpecOf({other}, false)}}};
      ASSERT_TRUE(Agrees());
    }
  }
}

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

// Beside no other policy, beside a NetworkPolicy that allows a port, and beside
// a denial of Cilium that leaves the rest.
class ExhaustiveTiersTest : public ExhaustiveDialectsTest {
 protected:
  ExhaustiveTiersTest() {
    NetworkPolicyRule allowing;
    allowing.ports.push_back({Protocol::kTcp, 80, {}, ""});
    NetworkPolicy isolating = PolicyOf({}, Direction::kIngress, {allowing});
    isolating.name = "n";
    isolating.isolates_egress = true;
    isolating.egress = {allowing};
    CiliumRule denial;
    denial.peers.emplace().endpoints.push_back(Only("app", "a"));
    PolicyInput with_network = input_, with_cilium = input_;
    with_network.policies = {isolating};
    with_cilium.cilium_policies = {
        {.ns = "x", .name = "p", .specs = {SpecOf({{denial, true}}, false)}}};
    beside_ = {input_, with_network, with_cilium};
  }

  // Each rule of ingress is of a policy of its own, in this order; the first
  // `admin` policies are of the Admin tier. Of egress, the last comes first.
  bool AgreesApart(const std::vector<ClusterRule>& rules, size_t admin) {
    std::vector<ClusterPolicy> policies;
    for (size_t i = 0; i < rules.size(); ++i) {
      ClusterPolicy& policy = policies.emplace_back();
      policy.name = std::string(1, static_cast<char>('a' + i));
      policy.tier = i < admin ? Tier::kAdmin : Tier::kBaseline;
      policy.ingress = {rules[i]};
      policy.egress = {rules[rules.size() - 1 - i]};
    }
    return Agrees(policies);
  }

  // All rules are of one policy, those of egress in the opposite order.
  bool AgreesTogether(const std::vector<ClusterRule>& rules, Tier tier) {
    ClusterPolicy policy = {.name = "a", .tier = tier};
    policy.ingress = rules;
    policy.egress.assign(rules.rbegin(), rules.rend());
    return Agrees({policy});
  }

 private:
  bool Agrees(const std::vector<ClusterPolicy>& policies) {
    for (const PolicyInput& beside : beside_) {
      input_ = beside;
      input_.cluster_policies = policies;
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
    for (size_t admin : {0, 1}) ASSERT_TRUE(AgreesApart({first}, admin));
    for (const ClusterRule& second : rules) {
      for (size_t admin : {0, 1, 2}) {
        ASSERT_TRUE(AgreesApart({first, second}, admin));
      }
      for (const ClusterRule& third : last) {
        for (size_t admin : {0, 1, 2, 3}) {
          ASSERT_TRUE(AgreesApart({first, second, third}, admin));
        }
      }
    }
  }
}

TEST_F(ExhaustiveTiersTest, EveryPolicyOfTwoClusterRules) {
  const std::vector<ClusterRule> rules = SmallClusterRules(true);
  for (Tier tier : {Tier::kAdmin, Tier::kBaseline}) {
    for (const ClusterRule& first : rules) {
      for (const ClusterRule& second : rules) {
        ASSERT_TRUE(AgreesTogether({first, second}, tier));
      }
    }
  }
}

}  // namespace
}  // namespace ciliumcore::testing
