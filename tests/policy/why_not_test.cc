// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/why_not.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/policy/policy_town.h"

namespace ciliumcore {
namespace {

using testing::Block;
using testing::Egress;
using ::testing::ElementsAre;
using testing::Every;
using testing::Expression;
using ::testing::HasSubstr;
using testing::Ingress;
using ::testing::IsEmpty;
using testing::Namespaces;
using testing::On;
using testing::OnNamed;
using testing::OnRange;
using testing::Pods;
using testing::PodsIn;
using testing::Replica;
using testing::Select;
using Operator = LabelSelector::Operator;

// web (two replicas), api and db in "town", and "far/probe".
class WhyNotTest : public ::testing::Test {
 protected:
  WhyNotTest() {
    cluster_.namespaces["town"] = MakeNamespace("town");
    cluster_.namespaces["far"] = MakeNamespace("far", {{"team", "two"}});
    AddPod("town", "web", "web-0", "10.0.0.1");
    AddPod("town", "web", "web-1", "10.0.0.2");
    AddPod("town", "api", "api-0", "10.0.0.3");
    AddPod("town", "db", "db-0", "10.0.0.4").ports = {
        {"sql", *PortProtocol::Parse("5432/TCP")}};
    AddPod("far", "probe", "probe-0", "10.0.1.1");
  }

  Pod& AddPod(const std::string& ns, const std::string& owner,
              const std::string& name, const std::string& address) {
    return cluster_.pods.emplace_back(Replica(owner, name, {address}, ns));
  }

  void Add(NetworkPolicy policy, const LabelSelector& subject) {
    policy.name = absl::StrCat("p", cluster_.policies.size());
    policy.pod_selector = subject;
    cluster_.policies.push_back(std::move(policy));
  }
  void ForDb(std::vector<NetworkPolicyRule> rules) {
    Add(Ingress(std::move(rules)), Select({{"app", "db"}}));
  }

  CompiledCluster Compiled() const {
    absl::StatusOr<CompiledCluster> compiled = CompileCluster(cluster_);
    EXPECT_TRUE(compiled.ok()) << compiled.status();
    return *std::move(compiled);
  }

  static NamedEnd End(const CompiledCluster& cluster, const std::string& name) {
    return FindNamedEnds(cluster, name)->front();
  }

  absl::StatusOr<WhyNot> Explain(const std::string& from, const std::string& to,
                                 const std::string& port) const {
    const CompiledCluster cluster = Compiled();
    return ExplainDenial(cluster, End(cluster, from), End(cluster, to),
                         *PortProtocol::Parse(port));
  }

  // What fails of the nearest rule of the only side that denies.
  std::vector<std::string> Failed(const std::string& from,
                                  const std::string& port) const {
    const absl::StatusOr<WhyNot> why = Explain(from, "town/db-0", port);
    EXPECT_TRUE(why.ok()) << why.status();
    EXPECT_EQ(why->sides.size(), 1u);
    std::vector<std::string> failed;
    for (const FailedCondition& condition :
         why->sides.front().rules.front().failed) {
      failed.push_back(condition.ToString());
    }
    return failed;
  }

  AllowingChange Change(const std::string& from, const std::string& to,
                        const std::string& port) const {
    const CompiledCluster cluster = Compiled();
    absl::StatusOr<AllowingChange> change =
        FindAllowingChange(cluster, End(cluster, from), End(cluster, to),
                           *PortProtocol::Parse(port));
    EXPECT_TRUE(change.ok()) << change.status();
    return change.ok() ? *std::move(change) : AllowingChange();
  }

  std::vector<std::string> Edits(const std::string& from, const std::string& to,
                                 const std::string& port) const {
    std::vector<std::string> texts;
    for (const PolicyEdit& edit : Change(from, to, port).edits) {
      texts.push_back(edit.ToString());
    }
    return texts;
  }

  Cluster cluster_;
};

TEST_F(WhyNotTest, NamesEachKindOfConditionThatFails) {
  const struct {
    NetworkPolicyRule rule;
    const char* from;
    const char* port;
    std::vector<std::string> failed;
  } cases[] = {
      {{{}, {On("5432/TCP")}},
       "town/web-0",
       "5433/TCP",
       {"ports[0]: port: expected 5432, found 5433"}},
      {{{}, {On("1/TCP"), OnRange("80/TCP", 90)}},
       "town/web-0",
       "85/UDP",
       {"ports[1]: protocol: expected TCP, found UDP"}},
      {{{}, {OnNamed("sql")}},
       "town/web-0",
       "80/TCP",
       {"ports[0]: port: expected sql, which is 5432 at town/db-0, found 80"}},
      {{{}, {OnNamed("http")}},
       "town/web-0",
       "80/TCP",
       {"ports[0]: port: expected http, which town/db-0 does not name, found "
        "80"}},
      {{{}, {On("53/TCP")}},
       "town/web-0",
       "0/ICMP",
       {"ports[0]: protocol: expected TCP, found ICMP"}},
      {{{Pods(Select({{"app", "api"}, {"tier", "x"}}))}, {On("80/TCP")}},
       "town/web-0",
       "81/TCP",
       {"from[0].podSelector: label app: expected api, found web",
        "from[0].podSelector: label tier: expected x, found no such label",
        "ports[0]: port: expected 80, found 81"}},
      {{{Pods(Expression("app", Operator::kNotIn, {"web", "api"}))}, {}},
       "town/web-0",
       "80/TCP",
       {"from[0].podSelector: label app: expected none of (web, api), found "
        "web"}},
      {{{Pods(Expression("app", Operator::kDoesNotExist)),
         Pods(Select({{"a", "b"}, {"c", "d"}}))},
        {}},
       "town/web-0",
       "80/TCP",
       {"from[0].podSelector: label app: expected no such label, found web"}},
      {{{Pods(Expression("tier", Operator::kExists))}, {}},
       "town/web-0",
       "80/TCP",
       {"from[0].podSelector: label tier: expected any value, found no such "
        "label"}},
      {{{Pods({})}, {}},
       "far/probe-0",
       "80/TCP",
       {"from[0]: expected a pod of namespace town, found one of far"}},
      {{{Namespaces(Select({{"team", "one"}}))}, {}},
       "far/probe-0",
       "80/TCP",
       {"from[0].namespaceSelector: label team of the namespace: expected one, "
        "found two"}},
      {{{Namespaces({})}, {}},
       "192.0.2.1",
       "80/TCP",
       {"from[0]: expected a pod, found 192.0.2.1"}},
      {{{Block("192.0.3.0/24")}, {}},
       "192.0.2.1",
       "80/TCP",
       {"from[0].ipBlock: expected an address in 192.0.3.0/24, found "
        "192.0.2.1"}},
      {{{Block("192.0.2.0/24", {"192.0.2.0/28"})}, {}},
       "192.0.2.1",
       "80/TCP",
       {"from[0].ipBlock.except: expected an address outside 192.0.2.0/28, "
        "found 192.0.2.1"}},
  };
  for (const auto& c : cases) {
    cluster_.policies.clear();
    ForDb({c.rule});
    EXPECT_EQ(Failed(c.from, c.port), c.failed);
  }
}

TEST_F(WhyNotTest, APodWithoutAddressIsInNoBlock) {
  cluster_.pods[0].addresses.clear();
  ForDb({{{Block("0.0.0.0/0")}, {}}});
  EXPECT_THAT(Failed("town/web-0", "80/TCP"),
              ElementsAre("from[0].ipBlock: expected an address in 0.0.0.0/0, "
                          "found a pod without address"));
}

TEST_F(WhyNotTest, RulesComeByHowFewConditionsFail) {
  ForDb({{{Pods(Select({{"app", "api"}}))}, {On("80/TCP")}},
         {{Pods(Select({{"app", "web"}}))}, {On("81/TCP")}}});
  ForDb({{{Pods({})}, {Every(Protocol::kUdp)}}});
  const absl::StatusOr<WhyNot> why =
      Explain("town/web-0", "town/db-0", "82/TCP");
  ASSERT_TRUE(why.ok());
  ASSERT_EQ(why->sides.size(), 1u);
  const DeniedSide& side = why->sides[0];
  EXPECT_EQ(side.direction, Direction::kIngress);
  EXPECT_THAT(side.isolated_by,
              ElementsAre(PolicyRef{"NetworkPolicy", "town", "p0"},
                          PolicyRef{"NetworkPolicy", "town", "p1"}));
  std::vector<std::string> rules;
  for (const NearRule& near : side.rules) rules.push_back(near.rule.ToString());
  EXPECT_THAT(rules, ElementsAre("NetworkPolicy town/p0 ingress[1]",
                                 "NetworkPolicy town/p1 ingress[0]",
                                 "NetworkPolicy town/p0 ingress[0]"));
}

TEST_F(WhyNotTest, BothSidesMayDeny) {
  ForDb({});
  Add(Egress({}), Select({{"app", "web"}}));
  const absl::StatusOr<WhyNot> why =
      Explain("town/web-0", "town/db-0", "80/TCP");
  ASSERT_TRUE(why.ok());
  ASSERT_EQ(why->sides.size(), 2u);
  EXPECT_EQ(why->sides[0].direction, Direction::kEgress);
  EXPECT_EQ(why->sides[1].direction, Direction::kIngress);
  EXPECT_THAT(why->sides[0].rules, IsEmpty());
}

TEST_F(WhyNotTest, AnAllowedFlowHasNoSideAndNoChange) {
  ForDb({{{Pods({})}, {}}});
  const absl::StatusOr<WhyNot> why =
      Explain("town/web-0", "town/db-0", "80/TCP");
  ASSERT_TRUE(why.ok());
  EXPECT_THAT(why->sides, IsEmpty());
  EXPECT_TRUE(why->decision.allowed());
  EXPECT_THAT(Explain("town/web-0", "town/web-0", "80/TCP")->sides, IsEmpty());
  const CompiledCluster cluster = Compiled();
  EXPECT_EQ(FindAllowingChange(cluster, End(cluster, "town/web-0"),
                               End(cluster, "town/db-0"), {})
                .status()
                .code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(WhyNotTest, RefusesEndsThatCannotMeet) {
  for (const auto& [from, to] : {std::pair("192.0.2.1", "192.0.2.2"),
                                 std::pair("fd00::1", "town/db-0")}) {
    const absl::Status status = Explain(from, to, "80/TCP").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(from));
  }
}

TEST_F(WhyNotTest, AddsThePortThatARuleLacks) {
  ForDb({{{Pods(Select({{"app", "web"}}))}, {On("5432/TCP")}},
         {{Pods({})}, {On("1/TCP")}}});
  EXPECT_THAT(Edits("town/web-0", "town/db-0", "5433/TCP"),
              ElementsAre("add to the ports of NetworkPolicy town/p0 "
                          "ingress[0]: {protocol: TCP, port: 5433}"));
  const AllowingChange change = Change("town/web-0", "town/db-0", "5433/TCP");
  EXPECT_EQ(change.conditions, 1u);
  // The other replica.
  EXPECT_EQ(change.opened_beside.pairs, 1u);
  EXPECT_EQ(change.opened_beside.ports, 1u);
  EXPECT_EQ(change.closed.pairs, 0u);
}

TEST_F(WhyNotTest, PrefersTheRuleThatOpensLeast) {
  // Both need one condition: a port for everyone, or api for one port.
  AddPod("town", "ops", "ops-0", "10.0.0.5");
  ForDb({{{Pods({})}, {On("80/TCP")}},
         {{Pods(Select({{"app", "web"}}))}, {On("81/TCP")}}});
  EXPECT_THAT(Edits("town/api-0", "town/db-0", "81/TCP"),
              ElementsAre("add to the sources of NetworkPolicy town/p0 "
                          "ingress[1]: {podSelector: {matchLabels: {\"app\": "
                          "\"api\"}}}"));
  EXPECT_EQ(Change("town/api-0", "town/db-0", "81/TCP").opened_beside.ports,
            0u);
}

TEST_F(WhyNotTest, NamesAPeerOfAnotherNamespaceByBoth) {
  ForDb({{{Pods(Select({{"app", "web"}}))}, {On("81/TCP")}}});
  EXPECT_THAT(Edits("far/probe-0", "town/db-0", "81/TCP"),
              ElementsAre(HasSubstr(
                  "{namespaceSelector: {matchLabels: "
                  "{\"kubernetes.io/metadata.name\": \"far\"}}, podSelector: "
                  "{matchLabels: {\"app\": \"probe\"}}}")));
  EXPECT_THAT(Edits("192.0.2.1", "town/db-0", "81/TCP"),
              ElementsAre(HasSubstr("{ipBlock: {cidr: \"192.0.2.1/32\"}}")));
}

TEST_F(WhyNotTest, LeavesOutLabelsThatTellAPodFromNobody) {
  cluster_.pods[2].labels.Set("zone", "one");
  ForDb({{{Pods(Select({{"app", "web"}}))}, {}}});
  EXPECT_THAT(Edits("town/api-0", "town/db-0", "81/TCP"),
              ElementsAre(HasSubstr("{matchLabels: {\"app\": \"api\"}}")));
}

TEST_F(WhyNotTest, NamesTheWorkloadAndNotWhatItsControllerGivesAPod) {
  ForDb({{{Pods(Select({{"app", "web"}}))}, {}}});
  // Two replicas, each of them with a value of its own.
  AddPod("town", "api", "api-1", "10.0.0.5");
  const Cluster plain = cluster_;
  for (const char* key :
       {"apps.kubernetes.io/pod-index", "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/job-name", "controller-revision-hash",
        "controller-uid", "job-name", "pod-template-generation",
        "pod-template-hash", "statefulset.kubernetes.io/pod-name"}) {
    cluster_ = plain;
    cluster_.pods[2].labels.Set(key, "one");
    cluster_.pods.back().labels.Set(key, "two");
    // One that sorts behind, and tells it from others of "api" no better.
    for (size_t i : {size_t{2}, cluster_.pods.size() - 1}) {
      cluster_.pods[i].labels.Set("zone", "one");
    }
    EXPECT_THAT(Edits("town/api-0", "town/db-0", "81/TCP"),
                ElementsAre(HasSubstr("{matchLabels: {\"app\": \"api\"}}")))
        << key;
  }
}

TEST_F(WhyNotTest, NamesAJobByTheNameThatAllItsPodsHave) {
  ForDb({{{Pods(Select({{"app", "web"}}))}, {}}});
  Pod& job = cluster_.pods[2];
  job.owner_kind = "Job";
  job.labels = {};
  for (const char* key : {"batch.kubernetes.io/controller-uid",
                          "batch.kubernetes.io/job-name", "job-name"}) {
    job.labels.Set(key, "x");
  }
  EXPECT_THAT(Edits("town/api-0", "town/db-0", "81/TCP"),
              ElementsAre(HasSubstr(
                  "{matchLabels: {\"batch.kubernetes.io/job-name\": \"x\"}}")));
  // Nothing else to name it by.
  job.owner_kind = "CronJob";
  EXPECT_THAT(Edits("town/api-0", "town/db-0", "81/TCP"),
              ElementsAre(HasSubstr("batch.kubernetes.io/")));
}

TEST_F(WhyNotTest, AddsARuleToThePolicyOfTheFewestPods) {
  Add(Ingress({}), {});
  ForDb({});
  EXPECT_THAT(Edits("town/api-0", "town/db-0", "81/TCP"),
              ElementsAre("add NetworkPolicy town/p1 ingress[0]: {from: "
                          "[{podSelector: {matchLabels: {\"app\": \"api\"}}}], "
                          "ports: [{protocol: TCP, port: 81}]}"));
  EXPECT_EQ(Change("town/api-0", "town/db-0", "81/TCP").conditions, 2u);
}

TEST_F(WhyNotTest, AProtocolWithoutPortsGetsARuleWithoutThem) {
  ForDb({{{Pods({})}, {On("81/TCP")}}});
  EXPECT_THAT(Edits("town/api-0", "town/db-0", "8/ICMP"),
              ElementsAre("add NetworkPolicy town/p0 ingress[1]: {from: "
                          "[{podSelector: {matchLabels: {\"app\": "
                          "\"api\"}}}]}"));
  EXPECT_GT(Change("town/api-0", "town/db-0", "8/ICMP").opened_beside.ports,
            0u);
}

TEST_F(WhyNotTest, OneLabelMayServeBothSides) {
  // Of each side's rules one condition fails, and it is the same label.
  ForDb({{{Pods(Select({{"sql", "yes"}}))}, {}}});
  Add(Egress({}), Select({{"app", "api"}}));
  Add(Egress({{{Pods(Select({{"app", "db"}}))}, {}}}),
      Select({{"sql", "yes"}}));
  const AllowingChange change = Change("town/api-0", "town/db-0", "81/TCP");
  ASSERT_EQ(change.edits.size(), 1u);
  EXPECT_EQ(change.edits[0].ToString(),
            "add to the labels of the pods of town/api[Deployment]: \"sql\": "
            "\"yes\"");
  EXPECT_EQ(change.opened_beside.pairs, 0u);
}

TEST_F(WhyNotTest, ReportsWhatALabelCloses) {
  // As before, but the label isolates api on the way in, too.
  ForDb({{{Pods(Select({{"sql", "yes"}}))}, {}}});
  Add(Egress({}), Select({{"app", "api"}}));
  Add(Egress({{{Pods(Select({{"app", "db"}}))}, {}}}),
      Select({{"sql", "yes"}}));
  Add(Ingress({}), Select({{"sql", "yes"}}));
  const AllowingChange change = Change("town/api-0", "town/db-0", "81/TCP");
  ASSERT_EQ(change.edits.size(), 1u);
  EXPECT_EQ(change.edits[0].kind, PolicyEdit::Kind::kAddPodLabel);
  EXPECT_GT(change.closed.pairs, 0u);
  EXPECT_EQ(change.closed.pairs, change.diff.closed.pairs);
  EXPECT_EQ(change.closed.ports, change.diff.closed.ports);
}

TEST_F(WhyNotTest, PrefersWhatClosesNothing) {
  // A peer opens as much as a label, whose pods are fewer than the policy's.
  Add(Ingress({{{Pods(Select({{"sql", "yes"}}))}, {On("81/TCP")}}}), {});
  EXPECT_THAT(Edits("town/api-0", "town/db-0", "81/TCP"),
              ElementsAre(HasSubstr("labels of the pods of town/api")));
  // With the label, api reaches nothing outside any more.
  Add(Egress({{{Pods({})}, {}}}), Select({{"sql", "yes"}}));
  EXPECT_THAT(Edits("town/api-0", "town/db-0", "81/TCP"),
              ElementsAre(HasSubstr("add to the sources")));
}

TEST_F(WhyNotTest, ANamespaceMayGetALabel) {
  // It concerns fewer pods than the policy does.
  Add(Ingress({{{PodsIn(Select({{"sql", "yes"}}), {})}, {}}}), {});
  EXPECT_THAT(Edits("far/probe-0", "town/db-0", "81/TCP"),
              ElementsAre("add to the labels of namespace far: \"sql\": "
                          "\"yes\""));
  EXPECT_EQ(Change("far/probe-0", "town/db-0", "81/TCP").conditions, 1u);
  // A second pod there makes the label open more than the peer does.
  AddPod("far", "other", "other-0", "10.0.1.2");
  EXPECT_THAT(Edits("far/probe-0", "town/db-0", "81/TCP"),
              ElementsAre(HasSubstr("add to the sources")));
}

}  // namespace
}  // namespace ciliumcore
