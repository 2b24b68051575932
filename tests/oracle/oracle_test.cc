// SPDX-License-Identifier: Apache-2.0

// The oracle against what people have written down: if it were wrong, so would
// be everything that is compared with it.

#include "tests/oracle/oracle.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/oracle/policy_cases.h"

namespace ciliumcore::testing {
namespace {

Judgement Ask(const PolicyInput& town, const AskedFlow& asked) {
  const Oracle oracle(town);
  const Flow& flow = asked.flow;
  return asked.direction == Direction::kIngress
             ? oracle.Ingress(flow.source, flow.destination,
                              flow.target.protocol, flow.target.port)
             : oracle.Egress(flow.source, flow.destination,
                             flow.target.protocol, flow.target.port);
}

class OracleTest : public ::testing::TestWithParam<PolicyCase> {};

TEST_P(OracleTest, JudgesAsTheSentenceSays) {
  const PolicyCase& one = GetParam();
  const absl::StatusOr<PolicyInput> town = TownWith(one.manifests);
  ASSERT_TRUE(town.ok()) << town.status() << "\n" << one.manifests;
  ASSERT_FALSE(one.asked.empty());
  for (const Asked& asked : one.asked) {
    const absl::StatusOr<AskedFlow> flow = ParseFlow(*town, asked.flow);
    ASSERT_TRUE(flow.ok()) << asked.flow << ": " << flow.status();
    const Judgement judgement = Ask(*town, *flow);
    EXPECT_EQ(Brief(judgement), asked.answer)
        << one.sentence << ": " << asked.flow << "\n"
        << one.manifests;
    EXPECT_EQ(judgement.allowed, judgement.verdict != Verdict::kDeny);
    if (judgement.why.has_value()) {
      EXPECT_EQ(judgement.why->direction, flow->direction);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(NetworkPolicy, OracleTest,
                         ::testing::ValuesIn(NetworkPolicyCases()));
INSTANTIATE_TEST_SUITE_P(CiliumDefault, OracleTest,
                         ::testing::ValuesIn(CiliumDefaultCases()));
INSTANTIATE_TEST_SUITE_P(CiliumSubject, OracleTest,
                         ::testing::ValuesIn(CiliumSubjectCases()));
INSTANTIATE_TEST_SUITE_P(CiliumDemand, OracleTest,
                         ::testing::ValuesIn(CiliumDemandCases()));
INSTANTIATE_TEST_SUITE_P(CiliumPort, OracleTest,
                         ::testing::ValuesIn(CiliumPortCases()));
INSTANTIATE_TEST_SUITE_P(CiliumEndpoint, OracleTest,
                         ::testing::ValuesIn(CiliumEndpointCases()));
INSTANTIATE_TEST_SUITE_P(CiliumEntity, OracleTest,
                         ::testing::ValuesIn(CiliumEntityCases()));
INSTANTIATE_TEST_SUITE_P(CiliumAddress, OracleTest,
                         ::testing::ValuesIn(CiliumAddressCases()));
INSTANTIATE_TEST_SUITE_P(ClusterTier, OracleTest,
                         ::testing::ValuesIn(ClusterTierCases()));
INSTANTIATE_TEST_SUITE_P(ClusterMatch, OracleTest,
                         ::testing::ValuesIn(ClusterMatchCases()));
INSTANTIATE_TEST_SUITE_P(Known, OracleTest, ::testing::ValuesIn(KnownCases()));

// What explains a verdict names kinds and namespaces, which the sentences leave
// out.
TEST(OracleExplanationTest, NamesRulesAndPoliciesInFull) {
  const PolicyInput town = *TownWith(
      Network("n", "podSelector: {}, ingress: [{}]") +
      CiliumRules("p", "ingress: [{fromEntities: [cluster]}]") +
      Clusterwide("w",
                  "endpointSelector: {}, ingress: [{fromEntities: [cluster]}], "
                  "egressDeny: [{toEntities: [all]}]") +
      Admin("c", 1, "egress: [{action: Accept, to: [{nodes: {}}]}]"));
  const auto why = [&](const std::string& flow) {
    return *Ask(town, *ParseFlow(town, flow)).why;
  };
  const std::vector<RuleRef> allowing = {
      {"CiliumClusterwideNetworkPolicy", "", "w", Direction::kIngress},
      {"CiliumNetworkPolicy", "shop", "p", Direction::kIngress},
      {"NetworkPolicy", "shop", "n", Direction::kIngress}};
  EXPECT_EQ(
      why("db < web 80/TCP"),
      (RuleSet{RuleSet::Kind::kRules, Direction::kIngress, allowing, {}}));
  EXPECT_EQ(why("db > web 80/TCP"),
            (RuleSet{RuleSet::Kind::kDenied,
                     Direction::kEgress,
                     {{"CiliumClusterwideNetworkPolicy", "", "w",
                       Direction::kEgress, 0, 0, true}},
                     {}}));
  EXPECT_EQ(why("db > node 80/TCP"),
            (RuleSet{RuleSet::Kind::kRules,
                     Direction::kEgress,
                     {{"ClusterNetworkPolicy", "", "c", Direction::kEgress}},
                     {}}));
  EXPECT_EQ(why("bank < world 80/TCP"),
            (RuleSet{RuleSet::Kind::kDefaultDeny,
                     Direction::kIngress,
                     {},
                     {{"CiliumClusterwideNetworkPolicy", "", "w"}}}));
}

// What no manifest can say, but values can.
TEST(OracleValueTest, EmptyListsMatchNothing) {
  PolicyInput town = *TownWith("");
  CiliumSpec spec;
  spec.endpoint_selector.emplace();
  spec.ingress = {{.ports = {CiliumPortRule()}}};
  town.cilium_policies = {{.ns = "shop", .name = "p", .specs = {spec}}};
  const AskedFlow flow = *ParseFlow(town, "db < web 80/TCP");
  EXPECT_EQ(Brief(Ask(town, flow)), "deny: default deny of p");

  town.cilium_policies.clear();
  ClusterPolicy policy = {.name = "c"};
  policy.ingress = {{.action = ClusterRule::Action::kDeny},
                    {.action = ClusterRule::Action::kDeny,
                     .peers = {NamespacedPods()},
                     .ports = std::vector<ClusterPort>()}};
  town.cluster_policies = {policy};
  EXPECT_EQ(Brief(Ask(town, flow)), "allow: not isolated");
}

// A pod may not claim another namespace by a label of its own.
TEST(OracleValueTest, PodsCannotPoseAsOfAnotherNamespace) {
  PolicyInput town = *TownWith(CiliumRules(
      "p",
      "ingress: [{fromEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: "
      "shop}}, {matchLabels: {io.cilium.k8s.namespace.labels.team: one}}]}]"));
  const AskedFlow flow = *ParseFlow(town, "db < bank 80/TCP");
  PolicyEndpoint& bank = town.endpoints[flow.flow.source.endpoint];
  bank.labels.Set(kNamespaceKey, "shop");
  bank.labels.Set("io.cilium.k8s.namespace.labels.team", "one");
  EXPECT_EQ(Brief(Ask(town, flow)), "deny: default deny of p");
}

}  // namespace
}  // namespace ciliumcore::testing
