// SPDX-License-Identifier: Apache-2.0

// NetworkPolicy as manifests write it.

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/policy/manifest_text.h"

namespace ciliumcore {
namespace {

using Operator = LabelSelector::Operator;

// A policy with this spec, each line of which is indented by two; it begins at
// line 5.
std::string PolicyText(const std::string& spec) {
  return absl::StrCat(
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
      "metadata: {name: p, namespace: shop}\nspec:\n",
      spec);
}

NetworkPolicy Read(const std::string& spec) {
  const Cluster cluster = Load(PolicyText(spec));
  EXPECT_EQ(cluster.policies.size(), 1u);
  return cluster.policies.empty() ? NetworkPolicy() : cluster.policies[0];
}

// What is wrong, without the object.
std::string WrongSpec(const std::string& spec) {
  return Without("NetworkPolicy shop/p: ", Wrong(PolicyText(spec)));
}

TEST(ManifestPolicyTest, ReadsEveryField) {
  const NetworkPolicy policy = Read(R"(
  podSelector:
    matchLabels: {app: db}
    matchExpressions:
    - {key: tier, operator: In, values: [a, b]}
    - {key: old, operator: DoesNotExist}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: web}}
      namespaceSelector: {matchExpressions: [{key: env, operator: Exists}]}
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16]}
    ports:
    - {protocol: UDP, port: 53}
    - {port: 8000, endPort: 8080}
    - {protocol: SCTP, port: http}
    - {protocol: TCP}
  egress:
  - to:
    - podSelector: {}
)");
  EXPECT_EQ(policy.ns, "shop");
  EXPECT_EQ(policy.name, "p");
  EXPECT_TRUE(policy.isolates_ingress);
  EXPECT_TRUE(policy.isolates_egress);
  EXPECT_EQ(policy.pod_selector.ToString(), "app=db, tier in (a, b), !old");
  ASSERT_EQ(policy.ingress.size(), 1u);
  const NetworkPolicyRule& rule = policy.ingress[0];
  ASSERT_EQ(rule.peers.size(), 2u);
  EXPECT_EQ(rule.peers[0].pod_selector->ToString(), "app=web");
  EXPECT_EQ(rule.peers[0].namespace_selector->ToString(), "env");
  EXPECT_FALSE(rule.peers[0].ip_block.has_value());
  EXPECT_EQ(rule.peers[1].ip_block->cidr, *IpPrefix::Parse("10.0.0.0/8"));
  EXPECT_EQ(rule.peers[1].ip_block->except.size(), 2u);
  const std::vector<PortRule> ports = {
      {Protocol::kUdp, 53, {}, ""},
      {Protocol::kTcp, 8000, 8080, ""},
      {Protocol::kSctp, {}, {}, "http"},
      {Protocol::kTcp, {}, {}, ""},
  };
  EXPECT_EQ(rule.ports, ports);
  ASSERT_EQ(policy.egress.size(), 1u);
  EXPECT_TRUE(policy.egress[0].peers[0].pod_selector->matches_everything());
  EXPECT_TRUE(policy.egress[0].ports.empty());
}

TEST(ManifestPolicyTest, IsolatesIngressByDefault) {
  for (const char* spec :
       {"  podSelector: {}\n", "  podSelector: {}\n  ingress: []\n",
        "  podSelector: {}\n  policyTypes: []\n",
        "  podSelector: {}\n  policyTypes:\n",
        "  podSelector: {}\n  egress:\n"}) {
    const NetworkPolicy policy = Read(spec);
    EXPECT_TRUE(policy.isolates_ingress) << spec;
    EXPECT_FALSE(policy.isolates_egress) << spec;
    EXPECT_TRUE(policy.ingress.empty());
  }
}

TEST(ManifestPolicyTest, IsolatesEgressByDefaultIfThereAreEgressRules) {
  const NetworkPolicy policy = Read("  egress: [{}]\n");
  EXPECT_TRUE(policy.isolates_ingress);
  EXPECT_TRUE(policy.isolates_egress);
  // As the API server fills it in: an empty list has no rules.
  EXPECT_FALSE(Read("  egress: []\n").isolates_egress);
}

TEST(ManifestPolicyTest, PolicyTypesDecideAlone) {
  const NetworkPolicy egress =
      Read("  policyTypes: [Egress]\n  ingress: [{}]\n");
  EXPECT_FALSE(egress.isolates_ingress);
  EXPECT_TRUE(egress.isolates_egress);
  EXPECT_EQ(egress.ingress.size(), 1u);
  const NetworkPolicy ingress =
      Read("  policyTypes: [Ingress]\n  egress: [{}]\n");
  EXPECT_TRUE(ingress.isolates_ingress);
  EXPECT_FALSE(ingress.isolates_egress);
}

TEST(ManifestPolicyTest, MissingOrEmptyPeersAndPortsAreAll) {
  for (const char* rule :
       {"{}", "{from: [], ports: []}", "{from: , ports: }", "{from: null}"}) {
    const NetworkPolicy policy =
        Read(absl::StrCat("  ingress:\n  - ", rule, "\n"));
    ASSERT_EQ(policy.ingress.size(), 1u);
    EXPECT_TRUE(policy.ingress[0].peers.empty()) << rule;
    EXPECT_TRUE(policy.ingress[0].ports.empty()) << rule;
  }
}

TEST(ManifestPolicyTest, AnEmptySelectorIsThereAndAMissingOneIsNot) {
  const NetworkPolicy policy = Read(
      "  ingress:\n  - from: [{namespaceSelector: {}}, {podSelector: {}}]\n");
  const std::vector<PeerRule>& peers = policy.ingress[0].peers;
  EXPECT_TRUE(peers[0].namespace_selector->matches_everything());
  EXPECT_FALSE(peers[0].pod_selector.has_value());
  EXPECT_TRUE(peers[1].pod_selector->matches_everything());
  EXPECT_FALSE(peers[1].namespace_selector.has_value());
}

TEST(ManifestPolicyTest, SelectsEveryPodWithoutASelector) {
  EXPECT_TRUE(Read("  ingress: []\n").pod_selector.matches_everything());
  EXPECT_TRUE(Read("  podSelector:\n").pod_selector.matches_everything());
}

TEST(ManifestPolicyTest, ClearsHostBitsOfPrefixesAsKubernetesDoes) {
  const NetworkPolicy policy = Read(
      "  ingress:\n  - from: [{ipBlock: {cidr: 10.1.2.3/8}}, {ipBlock: {cidr: "
      "'2001:db8::1/64', except: ['2001:db8::/96']}}]\n");
  EXPECT_EQ(policy.ingress[0].peers[0].ip_block->cidr.ToString(), "10.0.0.0/8");
  EXPECT_EQ(policy.ingress[0].peers[1].ip_block->cidr.ToString(),
            "2001:db8::/64");
}

TEST(ManifestPolicyTest, IsInTheDefaultNamespaceUnlessItSaysOtherwise) {
  const std::string text =
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
      "metadata: {name: p}\nspec: {}\n";
  EXPECT_EQ(Load(text).policies[0].ns, "default");
  EXPECT_EQ(Load(text, {.default_namespace = "shop"}).policies[0].ns, "shop");
}

constexpr char kBadLabelKey[] =
    "expected a label key, [DNS subdomain/]name with at most 63 of A-Z, a-z, "
    "0-9, '-', '_' and '.' in the name and a letter or digit at both its ends";
constexpr char kBadPort[] =
    "expected a port in 1..65535, or a name of at most 15 of a-z, 0-9 and "
    "single '-', with a letter in it and a letter or digit at both ends";

TEST(ManifestPolicyTest, RefusesPortsThatCannotBe) {
  const auto port = [](const std::string& fields) {
    return WrongSpec("  ingress:\n  - ports:\n    - {" + fields + "}\n");
  };
  EXPECT_EQ(port("port: 70000"),
            "m.yaml:7:14: spec.ingress[0].ports[0].port: expected a port in "
            "1..65535, found 70000");
  EXPECT_EQ(port("port: 0"),
            "m.yaml:7:14: spec.ingress[0].ports[0].port: expected a port in "
            "1..65535, found 0");
  EXPECT_EQ(port("port: -1"),
            "m.yaml:7:14: spec.ingress[0].ports[0].port: expected a port in "
            "1..65535, found -1");
  EXPECT_EQ(port("port: 8.5"),
            "m.yaml:7:14: spec.ingress[0].ports[0].port: expected a port in "
            "1..65535, found 8.5");
  EXPECT_EQ(port("port: 99999999999999999999"),
            "m.yaml:7:14: spec.ingress[0].ports[0].port: expected a port in "
            "1..65535, found 99999999999999999999");
  EXPECT_EQ(port("port: 010"),
            "m.yaml:7:14: spec.ingress[0].ports[0].port: expected a port in "
            "1..65535, found 010, which may be read as octal");
  EXPECT_EQ(port("port: 0o10"),
            "m.yaml:7:14: spec.ingress[0].ports[0].port: expected a port in "
            "1..65535, found 0o10, which may be read as octal");
  EXPECT_EQ(port("port: 0x50"),
            "m.yaml:7:14: spec.ingress[0].ports[0].port: expected a port in "
            "1..65535, found 0x50");
  // A string is a name, and a name has a letter.
  EXPECT_EQ(port("port: \"80\""),
            absl::StrCat("m.yaml:7:14: spec.ingress[0].ports[0].port: ",
                         kBadPort, ", found \"80\""));
  EXPECT_EQ(port("port: Http"),
            absl::StrCat("m.yaml:7:14: spec.ingress[0].ports[0].port: ",
                         kBadPort, ", found Http"));
  EXPECT_EQ(port("port: a-name-of-16-abc"),
            absl::StrCat("m.yaml:7:14: spec.ingress[0].ports[0].port: ",
                         kBadPort, ", found a-name-of-16-abc"));
  EXPECT_EQ(port("port: true"),
            "m.yaml:7:14: spec.ingress[0].ports[0].port: expected a string, "
            "found true, a boolean without quotes");
  EXPECT_EQ(port("protocol: tcp"),
            "m.yaml:7:18: spec.ingress[0].ports[0].protocol: expected TCP, UDP "
            "or SCTP, found tcp");
  EXPECT_EQ(port("protocol: 6"),
            "m.yaml:7:18: spec.ingress[0].ports[0].protocol: expected a "
            "string, found the number 6");
}

TEST(ManifestPolicyTest, RefusesRangesThatCannotBe) {
  const auto port = [](const std::string& fields) {
    return WrongSpec("  egress:\n  - ports:\n    - {" + fields + "}\n");
  };
  EXPECT_EQ(port("port: 80, endPort: 79"),
            "m.yaml:7:27: spec.egress[0].ports[0].endPort: expected a port in "
            "80..65535, found 79");
  EXPECT_EQ(port("endPort: 80"),
            "m.yaml:7:17: spec.egress[0].ports[0].endPort: expected a port "
            "with a number, if there is an endPort, found no port");
  EXPECT_EQ(port("port: http, endPort: 80"),
            "m.yaml:7:29: spec.egress[0].ports[0].endPort: expected a port "
            "with a number, if there is an endPort, found one with a name");
  EXPECT_EQ(port("port: 80, endPort: 65536"),
            "m.yaml:7:27: spec.egress[0].ports[0].endPort: expected a port in "
            "1..65535, found 65536");
  EXPECT_TRUE(
      TryLoad(PolicyText("  egress:\n  - ports: [{port: 80, endPort: 80}]\n"))
          .ok());
}

TEST(ManifestPolicyTest, RefusesPeersThatCannotBe) {
  const auto peer = [](const std::string& fields) {
    return WrongSpec("  ingress:\n  - from:\n    - {" + fields + "}\n");
  };
  EXPECT_EQ(peer(""),
            "m.yaml:7:7: spec.ingress[0].from[0]: expected a podSelector, a "
            "namespaceSelector or an ipBlock, found none of them");
  EXPECT_EQ(peer("podSelector: "),
            "m.yaml:7:7: spec.ingress[0].from[0]: expected a podSelector, a "
            "namespaceSelector or an ipBlock, found none of them");
  EXPECT_EQ(peer("podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}"),
            "m.yaml:7:34: spec.ingress[0].from[0].ipBlock: expected either "
            "ipBlock or selectors, found both");
  EXPECT_EQ(peer("ipBlock: {}"),
            "m.yaml:7:17: spec.ingress[0].from[0].ipBlock.cidr: expected an IP "
            "prefix, found nothing");
  EXPECT_EQ(peer("ipBlock: {cidr: 10.0.0.1}"),
            "m.yaml:7:24: spec.ingress[0].from[0].ipBlock.cidr: expected an IP "
            "prefix such as 10.0.0.0/8, found 10.0.0.1");
  EXPECT_EQ(peer("ipBlock: {cidr: 10.0.0.0/33}"),
            "m.yaml:7:24: spec.ingress[0].from[0].ipBlock.cidr: expected an IP "
            "prefix such as 10.0.0.0/8, found 10.0.0.0/33");
  EXPECT_EQ(peer("ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}"),
            "m.yaml:7:45: spec.ingress[0].from[0].ipBlock.except[0]: expected "
            "a prefix inside 10.0.0.0/8 and not all of it, found 11.0.0.0/16");
  EXPECT_EQ(peer("ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/8]}"),
            "m.yaml:7:45: spec.ingress[0].from[0].ipBlock.except[0]: expected "
            "a prefix inside 10.0.0.0/8 and not all of it, found 10.1.0.0/8");
  EXPECT_EQ(peer("ipBlock: {cidr: 10.0.0.0/8, except: ['::/0']}"),
            "m.yaml:7:45: spec.ingress[0].from[0].ipBlock.except[0]: expected "
            "a prefix inside 10.0.0.0/8 and not all of it, found \"::/0\"");
  EXPECT_EQ(peer("ipBlock: {cidr: 10.0.0.0/8, except: 10.1.0.0/16}"),
            "m.yaml:7:44: spec.ingress[0].from[0].ipBlock.except: expected a "
            "list, found 10.1.0.0/16");
}

TEST(ManifestPolicyTest, RefusesSelectorsThatCannotBe) {
  const auto expression = [](const std::string& fields) {
    return WrongSpec("  podSelector:\n    matchExpressions:\n    - {" + fields +
                     "}\n");
  };
  const std::string path = "spec.podSelector.matchExpressions[0]";
  EXPECT_EQ(expression("key: a, operator: Is, values: [b]"),
            absl::StrCat("m.yaml:7:26: ", path,
                         ".operator: expected In, NotIn, "
                         "Exists or DoesNotExist, found Is"));
  EXPECT_EQ(expression("key: a"),
            absl::StrCat("m.yaml:7:7: ", path,
                         ".operator: expected In, NotIn, "
                         "Exists or DoesNotExist, found nothing"));
  EXPECT_EQ(expression("key: a, operator: In"),
            absl::StrCat("m.yaml:7:7: ", path,
                         ".values: expected values for In, found nothing"));
  EXPECT_EQ(expression("key: a, operator: NotIn, values: []"),
            absl::StrCat("m.yaml:7:41: ", path,
                         ".values: expected values for NotIn, found none"));
  EXPECT_EQ(expression("key: a, operator: Exists, values: [b]"),
            absl::StrCat("m.yaml:7:42: ", path,
                         ".values: expected no values for Exists, found 1"));
  EXPECT_EQ(expression("operator: Exists"),
            absl::StrCat("m.yaml:7:7: ", path,
                         ".key: expected a label key, found nothing"));
  EXPECT_EQ(expression("key: a b, operator: Exists"),
            absl::StrCat("m.yaml:7:13: ", path, ".key: ", kBadLabelKey,
                         ", found \"a b\""));
  EXPECT_EQ(WrongSpec("  podSelector: {matchLabels: {app: 1}}\n"),
            "m.yaml:5:36: spec.podSelector.matchLabels.app: expected a string, "
            "found the number 1");
  EXPECT_EQ(WrongSpec("  podSelector: {matchLabels: {app: yes}}\n"),
            "m.yaml:5:36: spec.podSelector.matchLabels.app: expected a string, "
            "found yes, a boolean without quotes");
  EXPECT_EQ(WrongSpec("  podSelector: {matchLabels: {app: a/b}}\n"),
            "m.yaml:5:36: spec.podSelector.matchLabels.app: expected a label "
            "value, at most 63 of A-Z, a-z, 0-9, '-', '_' and '.', with a "
            "letter or digit at both ends, found a/b");
}

TEST(ManifestPolicyTest, RefusesFieldsThatItDoesNotHave) {
  EXPECT_EQ(WrongSpec("  podselector: {}\n"),
            "m.yaml:5:3: spec.podselector: expected podSelector, found an "
            "unknown field");
  EXPECT_EQ(WrongSpec("  order: 1\n"),
            "m.yaml:5:3: spec.order: expected one of podSelector, policyTypes, "
            "ingress, egress, found an unknown field");
  EXPECT_EQ(WrongSpec("  ingress:\n  - to: []\n"),
            "m.yaml:6:5: spec.ingress[0].to: expected one of ports, from, "
            "found an unknown field");
  EXPECT_EQ(WrongSpec("  ingress:\n  - ports: [{endport: 80}]\n"),
            "m.yaml:6:14: spec.ingress[0].ports[0].endport: expected endPort, "
            "found an unknown field");
  EXPECT_EQ(WrongSpec("  podSelector: {app: web}\n"),
            "m.yaml:5:17: spec.podSelector.app: expected one of matchLabels, "
            "matchExpressions, found an unknown field");
}

TEST(ManifestPolicyTest, RefusesPolicyTypesThatItDoesNotKnow) {
  EXPECT_EQ(WrongSpec("  policyTypes: [ingress]\n"),
            "m.yaml:5:17: spec.policyTypes[0]: expected Ingress or Egress, "
            "found ingress");
  EXPECT_EQ(WrongSpec("  policyTypes: Ingress\n"),
            "m.yaml:5:16: spec.policyTypes: expected a list, found Ingress");
}

TEST(ManifestPolicyTest, RefusesElementsThatAreNothing) {
  EXPECT_EQ(WrongSpec("  ingress:\n  -\n"),
            "m.yaml:6:4: spec.ingress[0]: expected an element, found null");
  EXPECT_EQ(WrongSpec("  ingress: {}\n"),
            "m.yaml:5:12: spec.ingress: expected a list, found a mapping");
  EXPECT_EQ(WrongSpec("  ingress: [web]\n"),
            "m.yaml:5:13: spec.ingress[0]: expected a mapping, found web");
}

}  // namespace
}  // namespace ciliumcore
