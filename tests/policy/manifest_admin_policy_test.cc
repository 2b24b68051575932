// SPDX-License-Identifier: Apache-2.0

// AdminNetworkPolicy and BaselineAdminNetworkPolicy as manifests write them,
// and what all policies of the cluster share as objects.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "tests/policy/manifest_text.h"

namespace ciliumcore {
namespace {

using Action = ClusterRule::Action;
using Kind = ClusterPolicy::Kind;
using Tier = ClusterPolicy::Tier;

// With this spec, which begins at line 5.
std::string AdminText(const std::string& spec,
                      const std::string& kind = "AdminNetworkPolicy",
                      const std::string& name = "p") {
  return absl::StrCat("apiVersion: policy.networking.k8s.io/v1alpha1\nkind: ",
                      kind, "\nmetadata: {name: ", name, "}\nspec:\n", spec);
}

std::string BaselineText(const std::string& spec,
                         const std::string& name = "default") {
  return AdminText(spec, "BaselineAdminNetworkPolicy", name);
}

// An egress rule of these fields; they begin at column 14 of line 6.
std::string AdminRule(const std::string& fields) {
  return AdminText("  {priority: 1, subject: {namespaces: {}},\n   egress: [{" +
                   fields + "}]}\n");
}

std::string BaselineRule(const std::string& fields) {
  return BaselineText("  {subject: {namespaces: {}},\n   egress: [{" + fields +
                      "}]}\n");
}

ClusterPolicy Read(const std::string& text) {
  const Cluster cluster = Load(text);
  EXPECT_EQ(cluster.cluster_policies.size(), 1u);
  return cluster.cluster_policies.empty() ? ClusterPolicy()
                                          : cluster.cluster_policies[0];
}

// Nothing may mean more than null was meant to.
TEST(ManifestAdminPolicyTest, NullIsRefusedWhereverItStands) {
  const std::string problem = "expected a value, or no such field, found null";
  struct {
    const char* rule;
    const char* path;
  } cases[] = {
      {"action: Deny, to: [{namespaces: {}}], ports: null", "ports"},
      {"action: Deny, to: [{namespaces: {}}], name: ", "name"},
      {"action: Deny, to: [{namespaces: {matchLabels: {a: }}}]",
       "to[0].namespaces.matchLabels.a"},
      {"action: Deny, to: [{pods: {podSelector: {}, namespaceSelector: ~}}]",
       "to[0].pods.namespaceSelector"},
      {"action: Deny, to: [{namespaces: {}}], ports: [{portNumber: {port: 1, "
       "protocol: null}}]",
       "ports[0].portNumber.protocol"},
  };
  for (const auto& c : cases) {
    for (const std::string& text : {AdminRule(c.rule), BaselineRule(c.rule)}) {
      EXPECT_NE(Wrong(text).find(
                    absl::StrCat("spec.egress[0].", c.path, ": ", problem)),
                std::string::npos)
          << Wrong(text);
    }
  }
}

// Metadata are the server's own, which writes such itself.
TEST(ManifestAdminPolicyTest, NullIsNothingInMetadata) {
  EXPECT_TRUE(TryLoad("apiVersion: policy.networking.k8s.io/v1alpha1\n"
                      "kind: AdminNetworkPolicy\n"
                      "metadata: {name: p, creationTimestamp: null}\n"
                      "spec: {priority: 1, subject: {namespaces: {}}}\n")
                  .ok());
}

TEST(ManifestAdminPolicyTest, ReadsEveryField) {
  const ClusterPolicy policy = Read(AdminText(R"(
  priority: 30
  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {a: b}}}}
  ingress:
  - name: in
    action: Allow
    from:
    - namespaces: {}
    - pods: {namespaceSelector: {}, podSelector: {}}
    ports:
    - portNumber: {protocol: UDP, port: 53}
    - portNumber: {port: 80}
    - portRange: {protocol: SCTP, start: 1, end: 65535}
    - portRange: {start: 8000, end: 8080}
    - namedPort: dns
  - {action: Pass, from: [{namespaces: {}}]}
  egress:
  - action: Deny
    to: [{nodes: {}}, {networks: [0.0.0.0/0]}]
  - {action: Allow, to: [{domainNames: [a.com]}]}
)"));
  EXPECT_EQ(policy.ToString(), "AdminNetworkPolicy p");
  EXPECT_EQ(policy.tier, Tier::kAdmin);
  EXPECT_EQ(policy.priority, 30);
  EXPECT_EQ(policy.subject.pod_selector.ToString(), "a=b");
  const std::vector<ClusterRule> ingress = {
      {.name = "in",
       .action = Action::kAccept,
       .peers = {NamespacedPods(), NamespacedPods()},
       .ports = {{{.protocol = Protocol::kUdp, .port = 53},
                  {.protocol = Protocol::kTcp, .port = 80},
                  {.protocol = Protocol::kSctp, .port = 1, .end_port = 65535},
                  {.protocol = Protocol::kTcp, .port = 8000, .end_port = 8080},
                  {.protocol = Protocol::kAny, .name = "dns"}}}},
      {.action = Action::kPass, .peers = {NamespacedPods()}}};
  EXPECT_EQ(policy.ingress, ingress);
  const std::vector<ClusterRule> egress = {
      {.action = Action::kDeny,
       .peers = {NodePeers(), NetworkPeers{{*IpPrefix::Parse("0.0.0.0/0")}}}},
      {.action = Action::kAccept, .peers = {DomainPeers{{"a.com"}}}}};
  EXPECT_EQ(policy.egress, egress);
}

TEST(ManifestAdminPolicyTest, ABaselineIsBehindAllOthers) {
  const ClusterPolicy policy = Read(BaselineText(R"(
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]
  egress: [{action: Allow, to: [{nodes: {}}, {networks: ["::/0"]}]}]
)"));
  EXPECT_EQ(policy.ToString(), "BaselineAdminNetworkPolicy default");
  EXPECT_EQ(policy.tier, Tier::kBaseline);
  EXPECT_EQ(policy.priority, ClusterPolicy::kNoPriority);
  ASSERT_EQ(policy.ingress.size(), 1u);
  EXPECT_EQ(policy.ingress[0].action, Action::kDeny);
  ASSERT_EQ(policy.egress.size(), 1u);
  EXPECT_EQ(policy.egress[0].action, Action::kAccept);
  EXPECT_EQ(policy.egress[0].peers.size(), 2u);
}

struct WrongCase {
  std::string text;
  std::string message;  // of the only problem, without file and object
};

TEST(ManifestAdminPolicyTest, RefusesWhatTheApiRefuses) {
  const std::string pods = "to: [{namespaces: {}}]";
  const std::string deny = "action: Deny, " + pods + ", ports: ";
  std::string many_ports;
  std::string many_peers;
  for (int i = 0; i < 101; ++i) {
    many_ports += "{namedPort: http}, ";
    many_peers += "{nodes: {}}, ";
  }
  const std::vector<WrongCase> cases = {
      // Its names are not those of ClusterNetworkPolicy.
      {AdminRule("action: Accept, " + pods),
       "6:22: spec.egress[0].action: expected Allow, Deny or Pass, found "
       "Accept"},
      {AdminRule("action: Deny, " + pods + ", protocols: []"),
       "6:52: spec.egress[0].protocols: expected one of name, action, to, "
       "ports, found an unknown field"},
      {AdminText("  {tier: Admin, priority: 1, subject: {namespaces: {}}}\n"),
       "5:4: spec.tier: expected one of priority, subject, ingress, egress, "
       "found an unknown field"},
      {AdminText("  {subject: {namespaces: {}}}\n"),
       "5:3: spec.priority: expected a priority in 0..1000, found nothing"},
      {AdminText("  {priority: 1001, subject: {namespaces: {}}}\n"),
       "5:14: spec.priority: expected a priority in 0..1000, found 1001"},
      {AdminText("  {priority: 1, subject: {pods: {podSelector: {}}}}\n"),
       "5:33: spec.subject.pods.namespaceSelector: expected a selector; {} "
       "selects all namespaces, found nothing"},
      {AdminRule(deny + "[]"),
       "6:59: spec.egress[0].ports: expected 1 to 100 ports, found 0"},
      {AdminRule(deny + "[" + many_ports + "]"),
       "6:59: spec.egress[0].ports: expected 1 to 100 ports, found 101"},
      {AdminRule("action: Deny, to: [" + many_peers + "]"),
       "6:32: spec.egress[0].to: expected 1 to 100 peers, found 101"},
      {AdminRule(deny + "[{}]"),
       "6:60: spec.egress[0].ports[0]: expected exactly one of portNumber, "
       "portRange, namedPort, found none of them"},
      {AdminRule(deny + "[{port: 80}]"),
       "6:61: spec.egress[0].ports[0].port: expected one of portNumber, "
       "portRange, namedPort, found an unknown field"},
      {AdminRule(deny + "[{portNumber: {protocol: TCP}}]"),
       "6:73: spec.egress[0].ports[0].portNumber.port: expected a port in "
       "1..65535, found nothing"},
      {AdminRule(deny + "[{portNumber: {protocol: ICMP, port: 1}}]"),
       "6:84: spec.egress[0].ports[0].portNumber.protocol: expected TCP, UDP "
       "or SCTP, found ICMP"},
      {AdminRule(deny + "[{portRange: {start: 2, end: 1}}]"),
       "6:88: spec.egress[0].ports[0].portRange.end: expected a port above the "
       "start, 2, found 1"},
      {AdminRule("action: Deny, to: [{nodes: {}}], ports: [{namedPort: web}]"),
       "6:55: spec.egress[0].ports[0]: expected no named port where peers are "
       "nodes, networks or domain names, found \"web\""},
      {AdminRule("action: Deny, to: [{domainNames: [a.com]}]"),
       "6:47: spec.egress[0].to[0].domainNames: expected domain names only "
       "with the action Allow, found Deny"},
      // Of the only one of its kind.
      {BaselineText("  {subject: {namespaces: {}}}\n", "other"),
       "3:18: metadata.name: expected default, the only one's name, found "
       "other"},
      {BaselineText("  {priority: 1, subject: {namespaces: {}}}\n"),
       "5:4: spec.priority: expected one of subject, ingress, egress, found an "
       "unknown field"},
      {BaselineRule("action: Pass, " + pods),
       "6:22: spec.egress[0].action: expected Allow or Deny, found Pass"},
      {BaselineRule("action: Allow, to: [{domainNames: [a.com]}]"),
       "6:35: spec.egress[0].to[0].domainNames: expected one of namespaces, "
       "pods, nodes, networks, found an unknown field"},
  };
  for (const WrongCase& test : cases) {
    const std::string wrong = Wrong(test.text);
    const size_t subject = wrong.find(": ");
    const size_t path = wrong.find(": ", subject + 2);
    ASSERT_NE(path, std::string::npos) << test.text << wrong;
    // "m.yaml:6:21: " and, behind the object, the rest.
    EXPECT_EQ(wrong.substr(7, subject - 5) + wrong.substr(path + 2),
              test.message)
        << test.text;
  }
}

TEST(ManifestAdminPolicyTest, TakesAHundredRules) {
  const auto rules = [](int count) {
    std::string list;
    for (int i = 0; i < count; ++i) {
      list += "{action: Deny, from: [{namespaces: {}}]}, ";
    }
    return AdminText("  {priority: 1, subject: {namespaces: {}}, ingress: [" +
                     list + "]}\n");
  };
  EXPECT_EQ(Read(rules(100)).ingress.size(), 100u);
  EXPECT_EQ(Wrong(rules(101)),
            "m.yaml:5:53: AdminNetworkPolicy p: spec.ingress: expected at most "
            "100 rules, found 101");
}

const char* const kMinimal = "  {priority: 1, subject: {namespaces: {}}}\n";

TEST(ManifestAdminPolicyTest, IsInNoNamespace) {
  EXPECT_EQ(
      Wrong("apiVersion: policy.networking.k8s.io/v1alpha1\nkind: "
            "AdminNetworkPolicy\nmetadata: {name: p, namespace: shop}\n"
            "spec:\n" +
            std::string(kMinimal)),
      "m.yaml:3:32: AdminNetworkPolicy shop/p: metadata.namespace: "
      "expected no namespace around objects of kind AdminNetworkPolicy, found "
      "shop");
}

TEST(ManifestAdminPolicyTest, HasItsNameOnceInItsKind) {
  const std::string cluster_policy =
      "---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: "
      "ClusterNetworkPolicy\nmetadata: {name: p}\nspec: {tier: Admin, "
      "priority: 1, subject: {namespaces: {}}}\n";
  const Cluster cluster = Load(AdminText(kMinimal) + cluster_policy);
  ASSERT_EQ(cluster.cluster_policies.size(), 2u);
  EXPECT_EQ(cluster.cluster_policies[0].kind, Kind::kAdminNetworkPolicy);
  EXPECT_EQ(cluster.cluster_policies[1].kind, Kind::kClusterNetworkPolicy);
  EXPECT_NE(Wrong(AdminText(kMinimal) + "---\n" + AdminText(kMinimal))
                .find("expected each object once"),
            std::string::npos);
}

TEST(ManifestAdminPolicyTest, IsReadFromListsOfItsKind) {
  const Cluster cluster = Load(
      "apiVersion: policy.networking.k8s.io/v1alpha2\n"
      "kind: ClusterNetworkPolicyList\nitems:\n"
      "- metadata: {name: a}\n"
      "  spec: {tier: Admin, priority: 1, subject: {namespaces: {}}}\n"
      "- metadata: {name: b}\n"
      "  spec: {tier: Baseline, priority: 1, subject: {namespaces: {}}}\n");
  ASSERT_EQ(cluster.cluster_policies.size(), 2u);
  EXPECT_EQ(cluster.cluster_policies[1].name, "b");
}

TEST(ManifestAdminPolicyTest, OtherVersionsAreRefusedAndOtherGroupsNamed) {
  EXPECT_EQ(Wrong("apiVersion: policy.networking.k8s.io/v1alpha1\nkind: "
                  "ClusterNetworkPolicy\nmetadata: {name: p}\n"),
            "m.yaml:1:13: ClusterNetworkPolicy p: apiVersion: expected "
            "policy.networking.k8s.io/v1alpha2, found "
            "policy.networking.k8s.io/v1alpha1");
  EXPECT_EQ(Load("apiVersion: crd.antrea.io/v1beta1\nkind: "
                 "ClusterNetworkPolicy\nmetadata: {name: p}\n")
                .ignored,
            std::vector<std::string>{"ClusterNetworkPolicy.crd.antrea.io p"});
}

}  // namespace
}  // namespace ciliumcore
