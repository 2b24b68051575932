// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/policy_edit.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/policy/policy_town.h"

namespace ciliumcore {
namespace {

using testing::Block;
using ::testing::HasSubstr;
using testing::Ingress;
using testing::On;
using testing::OnNamed;
using testing::OnRange;
using testing::Pods;
using testing::PodsIn;
using testing::Replica;
using testing::Select;
using Kind = PolicyEdit::Kind;

// One policy "town/p" with a rule that has both, and one that has neither.
Cluster MakeCluster() {
  Cluster cluster;
  cluster.namespaces["town"] = MakeNamespace("town", {{"team", "one"}});
  cluster.pods = {Replica("web", "web-0"), Replica("web", "web-1")};
  NetworkPolicy policy = Ingress({{{Pods({})}, {On("80/TCP")}}, {}});
  policy.name = "p";
  cluster.policies.push_back(policy);
  return cluster;
}

RuleRef Rule(uint32_t index) {
  return {"NetworkPolicy", "town", "p", Direction::kIngress, index};
}

PolicyEdit Label(Kind kind, const std::string& key, const std::string& value) {
  PolicyEdit edit = {.kind = kind, .ns = "town"};
  if (kind == Kind::kAddPodLabel) {
    edit.owner_kind = "Deployment";
    edit.owner_name = "web";
  }
  edit.key = key;
  edit.value = value;
  return edit;
}

TEST(PolicyEditTest, AddsWhatItSaysAndNothingElse) {
  const PeerRule peer = Block("192.0.2.0/24");
  Cluster expected = MakeCluster();
  expected.policies[0].ingress[0].ports.push_back(On("53/UDP"));
  expected.policies[0].ingress[0].peers.push_back(peer);
  expected.policies[0].ingress.push_back({{peer}, {}});
  expected.policies[0].egress.push_back({});
  for (Pod& pod : expected.pods) pod.labels.Set("tier", "front");
  expected.namespaces["town"].labels.Set("zone", "a");

  RuleRef egress = Rule(0);
  egress.section = Direction::kEgress;
  const absl::StatusOr<Cluster> edited =
      Apply(MakeCluster(), {{Kind::kAddPort, Rule(0), {{}, {On("53/UDP")}}},
                            {Kind::kAddPeer, Rule(0), {{peer}, {}}},
                            {Kind::kAddRule, Rule(2), {{peer}, {}}},
                            {Kind::kAddRule, egress, {}},
                            Label(Kind::kAddPodLabel, "tier", "front"),
                            Label(Kind::kAddNamespaceLabel, "zone", "a")});
  ASSERT_TRUE(edited.ok()) << edited.status();
  EXPECT_TRUE(*edited == expected);
}

TEST(PolicyEditTest, ALabelThatIsThereAlreadyIsNoChange) {
  const absl::StatusOr<Cluster> edited =
      Apply(MakeCluster(), {Label(Kind::kAddPodLabel, "app", "web")});
  ASSERT_TRUE(edited.ok()) << edited.status();
  EXPECT_TRUE(*edited == MakeCluster());
}

TEST(PolicyEditTest, RefusesWhatDoesNotFit) {
  RuleRef other = Rule(0);
  other.name = "q";
  RuleRef dialect = Rule(0);
  dialect.kind = "OtherPolicy";
  PolicyEdit nobody = Label(Kind::kAddPodLabel, "tier", "front");
  nobody.owner_name = "none";
  PolicyEdit nowhere = Label(Kind::kAddNamespaceLabel, "zone", "a");
  nowhere.ns = "none";
  const NetworkPolicyRule port = {{}, {On("53/UDP")}};
  const NetworkPolicyRule peer = {{Pods({})}, {}};
  const struct {
    PolicyEdit edit;
    absl::StatusCode code;
    const char* message;
  } cases[] = {
      {{Kind::kAddPort, other, port},
       absl::StatusCode::kNotFound,
       "NetworkPolicy town/q"},
      {{Kind::kAddPort, dialect, port},
       absl::StatusCode::kNotFound,
       "OtherPolicy town/p"},
      {{Kind::kAddPort, Rule(2), port},
       absl::StatusCode::kNotFound,
       "ingress[2]"},
      {{Kind::kAddPort, Rule(1), port},
       absl::StatusCode::kFailedPrecondition,
       "found one without, which allows all"},
      {{Kind::kAddPeer, Rule(1), peer},
       absl::StatusCode::kFailedPrecondition,
       "expected a rule with peers"},
      {{Kind::kAddPort, Rule(0), peer},
       absl::StatusCode::kInvalidArgument,
       "expected one port to add, found 0 ports and 1 peers"},
      {{Kind::kAddPeer, Rule(0), {}},
       absl::StatusCode::kInvalidArgument,
       "expected one peer"},
      {{Kind::kAddRule, Rule(3), port},
       absl::StatusCode::kInvalidArgument,
       "expected the next index, 2, found 3"},
      {Label(Kind::kAddPodLabel, "app", "db"), absl::StatusCode::kAlreadyExists,
       "pod town/web-0: label app: expected none, found \"web\""},
      {Label(Kind::kAddNamespaceLabel, "team", "two"),
       absl::StatusCode::kAlreadyExists, "namespace town: label team"},
      {nobody, absl::StatusCode::kNotFound, "town/none[Deployment]"},
      {nowhere, absl::StatusCode::kNotFound, "namespace none"},
  };
  for (const auto& c : cases) {
    const absl::Status status = Apply(MakeCluster(), {c.edit}).status();
    EXPECT_EQ(status.code(), c.code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
}

TEST(PolicyEditTest, ReadsAsAManifestDoes) {
  LabelSelector expressions = testing::Expression(
      "tier", LabelSelector::Operator::kIn, {"front", "true"});
  const struct {
    PolicyEdit edit;
    const char* yaml;
  } cases[] = {
      {{Kind::kAddPort, Rule(0), {{}, {On("53/UDP")}}},
       "{protocol: UDP, port: 53}"},
      {{Kind::kAddPort, Rule(0), {{}, {OnRange("80/TCP", 90)}}},
       "{protocol: TCP, port: 80, endPort: 90}"},
      {{Kind::kAddPort, Rule(0), {{}, {OnNamed("http")}}},
       "{protocol: TCP, port: \"http\"}"},
      {{Kind::kAddPeer, Rule(0), {{Pods(expressions)}, {}}},
       "{podSelector: {matchExpressions: [{key: \"tier\", operator: In, "
       "values: [\"front\", \"true\"]}]}}"},
      {{Kind::kAddPeer,
        Rule(0),
        {{PodsIn(Select({{"team", "no"}}), Select({{"app", "1"}}))}, {}}},
       "{namespaceSelector: {matchLabels: {\"team\": \"no\"}}, podSelector: "
       "{matchLabels: {\"app\": \"1\"}}}"},
      {{Kind::kAddPeer, Rule(0), {{Block("10.0.0.0/8", {"10.1.0.0/16"})}, {}}},
       "{ipBlock: {cidr: \"10.0.0.0/8\", except: [\"10.1.0.0/16\"]}}"},
      {{Kind::kAddRule, Rule(2), {{Pods({})}, {On("80/TCP")}}},
       "{from: [{podSelector: {}}], ports: [{protocol: TCP, port: 80}]}"},
      {Label(Kind::kAddPodLabel, "tier", "yes"), "\"tier\": \"yes\""},
  };
  for (const auto& c : cases) EXPECT_EQ(c.edit.Yaml(), c.yaml);
}

}  // namespace
}  // namespace ciliumcore
