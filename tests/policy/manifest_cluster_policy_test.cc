// SPDX-License-Identifier: Apache-2.0

// ClusterNetworkPolicy as manifests write it.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/policy/cluster_policy_text.h"

namespace ciliumcore {
namespace {

using Action = ClusterRule::Action;
using Kind = ClusterPolicy::Kind;
using Tier = ClusterPolicy::Tier;

// What is wrong with an element of `protocols`.
std::string WrongProtocol(const std::string& element) {
  return WrongEgress(
      "action: Deny, to: [{pods: {podSelector: {}}}], "
      "protocols: [" +
      element + "]");
}

std::string Times(size_t count, const std::string& element) {
  std::string list;
  for (size_t i = 0; i < count; ++i) absl::StrAppend(&list, element, ", ");
  return list;
}

TEST(ManifestClusterPolicyTest, ReadsEveryField) {
  const ClusterPolicy policy = Read(R"(
  tier: Baseline
  priority: 7
  subject:
    pods:
      namespaceSelector: {matchLabels: {env: prod}}
      podSelector: {matchExpressions: [{key: app, operator: Exists}]}
  ingress:
  - name: from-shops
    action: Accept
    from:
    - namespaces: {matchLabels: {team: shop}}
    - pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}
    protocols:
    - tcp: {destinationPort: {number: 80}}
    - udp: {destinationPort: {range: {start: 1000, end: 2000}}}
    - sctp: {destinationPort: {number: 65535}}
    - destinationNamedPort: http
  - {action: Deny, from: [{namespaces: {}}]}
  egress:
  - name: to-nodes
    action: Pass
    to:
    - nodes: {matchLabels: {role: edge}}
    - networks: [10.0.0.0/8, "fd00::/8"]
status: {conditions: []}
)");
  EXPECT_EQ(policy.kind, Kind::kClusterNetworkPolicy);
  EXPECT_EQ(policy.name, "p");
  EXPECT_EQ(policy.tier, Tier::kBaseline);
  EXPECT_EQ(policy.priority, 7);
  EXPECT_EQ(policy.subject.namespace_selector.ToString(), "env=prod");
  EXPECT_EQ(policy.subject.pod_selector.ToString(), "app");

  ASSERT_EQ(policy.ingress.size(), 2u);
  const ClusterRule& first = policy.ingress[0];
  EXPECT_EQ(first.name, "from-shops");
  EXPECT_EQ(first.action, Action::kAccept);
  const std::vector<ClusterPeer> sources = {
      NamespacedPods{*LabelSelector::Parse("team=shop"), {}},
      NamespacedPods{{}, *LabelSelector::Parse("app=web")}};
  EXPECT_EQ(first.peers, sources);
  const std::vector<ClusterPort> ports = {
      {.protocol = Protocol::kTcp, .port = 80},
      {.protocol = Protocol::kUdp, .port = 1000, .end_port = 2000},
      {.protocol = Protocol::kSctp, .port = 65535},
      {.protocol = Protocol::kAny, .name = "http"}};
  EXPECT_EQ(first.ports, ports);
  const ClusterRule second = {.action = Action::kDeny,
                              .peers = {NamespacedPods()}};
  EXPECT_EQ(policy.ingress[1], second);

  const ClusterRule egress = {
      .name = "to-nodes",
      .action = Action::kPass,
      .peers = {NodePeers{*LabelSelector::Parse("role=edge")},
                NetworkPeers{{*IpPrefix::Parse("10.0.0.0/8"),
                              *IpPrefix::Parse("fd00::/8")}}}};
  ASSERT_EQ(policy.egress.size(), 1u);
  EXPECT_EQ(policy.egress[0], egress);
}

// What an administrator might have: guard rails, what teams may change, and a
// default.
TEST(ManifestClusterPolicyTest, ReadsTheDocumentsOfACluster) {
  const Cluster cluster = Load(R"(
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata:
  name: guard
  annotations: {owner: security}
spec:
  tier: Admin
  priority: 10
  subject:
    namespaces:
      matchExpressions:
      - {key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}
  ingress:
  - name: monitoring-always
    action: Accept
    from:
    - namespaces:
        matchLabels: {kubernetes.io/metadata.name: monitoring}
    protocols:
    - destinationNamedPort: metrics
  egress:
  - name: dns-always
    action: Accept
    to:
    - pods:
        namespaceSelector:
          matchLabels: {kubernetes.io/metadata.name: kube-system}
        podSelector:
          matchLabels: {k8s-app: kube-dns}
    protocols:
    - udp: {destinationPort: {number: 53}}
    - tcp: {destinationPort: {number: 53}}
  - name: no-metadata-server
    action: Deny
    to:
    - networks: [169.254.169.254/32]
  - name: teams-decide-on-pods
    action: Pass
    to:
    - namespaces: {}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: default-deny}
spec:
  tier: Baseline
  priority: 1000
  subject: {namespaces: {}}
  ingress:
  - action: Deny
    from: [{namespaces: {}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {}}
)");
  ASSERT_EQ(cluster.cluster_policies.size(), 2u);
  EXPECT_EQ(cluster.policies.size(), 1u);
  const ClusterPolicy& guard = cluster.cluster_policies[0];
  const ClusterPolicy& deny = cluster.cluster_policies[1];
  EXPECT_TRUE(EvaluatedBefore(guard, deny));
  ASSERT_EQ(guard.egress.size(), 3u);
  EXPECT_EQ(guard.egress[0].name, "dns-always");
  EXPECT_EQ(guard.egress[0].ports->size(), 2u);
  EXPECT_EQ(guard.egress[1].action, Action::kDeny);
  EXPECT_EQ(guard.egress[2].action, Action::kPass);
  ASSERT_EQ(guard.ingress.size(), 1u);
  EXPECT_EQ(guard.ingress[0].ports->at(0).name, "metrics");
  const ClusterRule rule = {.action = Action::kDeny,
                            .peers = {NamespacedPods()}};
  EXPECT_EQ(deny.ingress, std::vector<ClusterRule>{rule});
  EXPECT_TRUE(deny.egress.empty());
}

TEST(ManifestClusterPolicyTest, NamespacesAreAllOfTheirPods) {
  const ClusterPolicy policy = Read(
      "  {tier: Admin, priority: 0, subject: {namespaces: {matchLabels: {a: "
      "b}}}}\n");
  EXPECT_EQ(policy.subject.namespace_selector.ToString(), "a=b");
  EXPECT_TRUE(policy.subject.pod_selector.matches_everything());
  EXPECT_TRUE(policy.ingress.empty());
  EXPECT_TRUE(policy.egress.empty());
}

TEST(ManifestClusterPolicyTest, MissingProtocolsAreAllAndNoneAreRefused) {
  const std::string rule = "action: Deny, to: [{namespaces: {}}]";
  EXPECT_FALSE(ReadEgress(rule).ports.has_value());
  EXPECT_EQ(WrongEgress(rule + ", protocols: null"),
            "6:63: spec.egress[0].protocols: expected a value, or no such "
            "field, found null");
  EXPECT_EQ(WrongEgress(rule + ", protocols: []"),
            "6:63: spec.egress[0].protocols: expected 1 to 25 protocols, found "
            "0");
}

TEST(ManifestClusterPolicyTest, AProtocolIsExactlyOneThing) {
  const std::string path = "spec.egress[0].protocols[0]";
  const std::string union_of =
      ": expected exactly one of tcp, udp, sctp, destinationNamedPort, found ";
  EXPECT_EQ(WrongProtocol("{}"), "6:73: " + path + union_of + "none of them");
  EXPECT_EQ(WrongProtocol("{tcp: {destinationPort: {number: 1}}, udp: {}}"),
            "6:73: " + path + union_of + "tcp and udp");
  EXPECT_EQ(
      WrongProtocol("{protocol: TCP}"),
      "6:74: " + path +
          ".protocol: expected one of tcp, udp, sctp, destinationNamedPort, "
          "found an unknown field");
  EXPECT_EQ(WrongProtocol("{tcp: {}}"),
            "6:79: " + path +
                ".tcp.destinationPort: expected a number or a range, found "
                "nothing");
  EXPECT_EQ(WrongProtocol("{udp: {sourcePort: {number: 1}}}"),
            "6:80: " + path +
                ".udp.sourcePort: expected one of destinationPort, found an "
                "unknown field");
  EXPECT_EQ(
      WrongProtocol("{tcp: {destinationPort: 80}}"),
      "6:97: " + path + ".tcp.destinationPort: expected a mapping, found 80");
}

TEST(ManifestClusterPolicyTest, RefusesPortsThatCannotBe) {
  const std::string path = "spec.egress[0].protocols[0].sctp.destinationPort";
  const auto port = [](const std::string& form) {
    return WrongProtocol("{sctp: {destinationPort: " + form + "}}");
  };
  EXPECT_EQ(port("{}"), "6:98: " + path +
                            ": expected exactly one of number, range, found "
                            "none of them");
  EXPECT_EQ(port("{number: 1, range: {start: 1, end: 2}}"),
            "6:98: " + path +
                ": expected exactly one of number, range, found number and "
                "range");
  EXPECT_EQ(port("{number: 0}"),
            "6:107: " + path + ".number: expected a port in 1..65535, found 0");
  EXPECT_EQ(
      port("{number: http}"),
      "6:107: " + path + ".number: expected a port in 1..65535, found http");
  EXPECT_EQ(port("{range: {start: 1, end: 65536}}"),
            "6:122: " + path +
                ".range.end: expected a port in 1..65535, found 65536");
  EXPECT_EQ(port("{range: {end: 2}}"),
            "6:106: " + path +
                ".range.start: expected a port in 1..65535, found nothing");
  for (const std::string end : {"80", "79"}) {
    EXPECT_EQ(port("{range: {start: 80, end: " + end + "}}"),
              "6:123: " + path +
                  ".range.end: expected a port above the start, 80, found " +
                  end);
  }
}

TEST(ManifestClusterPolicyTest, APortsNameIsOneThatContainersMayGive) {
  for (const std::string name : {"''", "Http", "a--b", "80a-", "'80'"}) {
    EXPECT_NE(WrongProtocol("{destinationNamedPort: " + name + "}")
                  .find("protocols[0].destinationNamedPort: expected at most "
                        "15 of a-z, 0-9 and single '-'"),
              std::string::npos)
        << name;
  }
}

TEST(ManifestClusterPolicyTest, AddressesNameNoPorts) {
  for (const std::string peer :
       {"nodes: {}", "networks: [10.0.0.0/8]", "domainNames: [a.com]"}) {
    EXPECT_NE(WrongEgress("action: Accept, to: [{namespaces: {}}, {" + peer +
                          "}], protocols: [{destinationNamedPort: http}]")
                  .find("spec.egress[0].protocols[0]: expected no named port "
                        "where peers are nodes, networks or domain names, "
                        "found \"http\""),
              std::string::npos)
        << peer;
  }
}

TEST(ManifestClusterPolicyTest, ListsHaveLimits) {
  const std::string rule = "{action: Deny, to: [{nodes: {}}]}";
  const auto rules = [&](size_t count) {
    return absl::StrCat(kHead, "   egress: [", Times(count, rule), "]}\n");
  };
  EXPECT_EQ(Read(rules(25)).egress.size(), 25u);
  EXPECT_EQ(WrongSpec(rules(26)),
            "6:12: spec.egress: expected at most 25 rules, found 26");
  EXPECT_TRUE(Read(rules(0)).egress.empty());

  const auto peers = [](size_t count) {
    return "action: Deny, to: [" + Times(count, "{nodes: {}}") + "]";
  };
  EXPECT_EQ(ReadEgress(peers(25)).peers.size(), 25u);
  EXPECT_EQ(WrongEgress(peers(26)),
            "6:32: spec.egress[0].to: expected 1 to 25 peers, found 26");
  EXPECT_EQ(WrongEgress(peers(0)),
            "6:32: spec.egress[0].to: expected 1 to 25 peers, found 0");
  EXPECT_EQ(WrongEgress("action: Deny"),
            "6:13: spec.egress[0].to: expected 1 to 25 peers, found nothing");
  EXPECT_EQ(WrongEgress("action: Deny, to: {}"),
            "6:32: spec.egress[0].to: expected a list, found a mapping");

  const auto ports = [](size_t count) {
    return "action: Deny, to: [{namespaces: {}}], protocols: [" +
           Times(count, "{tcp: {destinationPort: {number: 80}}}") + "]";
  };
  EXPECT_EQ(ReadEgress(ports(25)).ports->size(), 25u);
  EXPECT_EQ(WrongEgress(ports(26)),
            "6:63: spec.egress[0].protocols: expected 1 to 25 protocols, found "
            "26");

  const auto networks = [](int count) {
    std::string list;
    for (int i = 0; i < count; ++i) absl::StrAppend(&list, i, ".0.0.0/8, ");
    return "{networks: [" + list + "]}";
  };
  const ClusterRule full =
      ReadEgress("action: Deny, to: [" + networks(25) + "]");
  EXPECT_EQ(std::get<NetworkPeers>(full.peers[0]).cidrs.size(), 25u);
  EXPECT_EQ(WrongPeer(networks(26)),
            "6:46: spec.egress[0].to[0].networks: expected 1 to 25 networks, "
            "found 26");
  EXPECT_EQ(WrongPeer("{networks: []}"),
            "6:46: spec.egress[0].to[0].networks: expected 1 to 25 networks, "
            "found 0");
  EXPECT_EQ(WrongPeer("{domainNames: []}"),
            "6:49: spec.egress[0].to[0].domainNames: expected 1 to 25 domain "
            "names, found 0");
}

TEST(ManifestClusterPolicyTest, RulesHaveNamesOfAHundredCharacters) {
  std::string hundred;
  for (int i = 0; i < 100; ++i) hundred += "\u00e9";
  const std::string rule = "action: Deny, to: [{nodes: {}}], name: ";
  EXPECT_EQ(ReadEgress(rule + hundred).name, hundred);
  EXPECT_EQ(WrongEgress(rule + hundred + "a"),
            "6:53: spec.egress[0].name: expected at most 100 characters, found "
            "101");
}

TEST(ManifestClusterPolicyTest, RefusesActionsThatItDoesNotHave) {
  for (const std::string action : {"Allow", "accept", "Drop"}) {
    EXPECT_EQ(WrongEgress("action: " + action + ", to: [{nodes: {}}]"),
              "6:22: spec.egress[0].action: expected Accept, Deny or Pass, "
              "found " +
                  action);
  }
  EXPECT_EQ(WrongEgress("to: [{nodes: {}}]"),
            "6:13: spec.egress[0].action: expected Accept, Deny or Pass, found "
            "nothing");
  EXPECT_EQ(WrongEgress("action: Deny, to: [{nodes: {}}], ports: []"),
            "6:47: spec.egress[0].ports: expected one of name, action, to, "
            "protocols, found an unknown field");
}

TEST(ManifestClusterPolicyTest, NeedsTierPriorityAndSubject) {
  EXPECT_EQ(WrongSpec("  {subject: {namespaces: {}}}\n"),
            "5:3: spec.tier: expected Admin or Baseline, found nothing\n"
            "5:3: spec.priority: expected a priority in 0..1000, found "
            "nothing");
  EXPECT_EQ(WrongSpec("  {tier: Admin, priority: 1}\n"),
            "5:3: spec.subject: expected namespaces or pods, found nothing");
  EXPECT_EQ(WrongSpec("  {tier: Admin, priority: 1, subject: {}}\n"),
            "5:39: spec.subject: expected exactly one of namespaces, pods, "
            "found none of them");
  EXPECT_EQ(WrongSpec("  {tier: Admin, priority: 1, subject: {namespaces: {}, "
                      "pods: {podSelector: {}}}}\n"),
            "5:39: spec.subject: expected exactly one of namespaces, pods, "
            "found namespaces and pods");
  EXPECT_EQ(WrongSpec(""),
            "4:6: spec: expected a value, or no such field, found null\n"
            "4:6: spec: expected a mapping with a subject, found null");
  for (const std::string tier : {"admin", "NetworkPolicy"}) {
    EXPECT_EQ(WrongSpec("  {tier: " + tier +
                        ", priority: 1, subject: {namespaces: {}}}\n"),
              "5:10: spec.tier: expected Admin or Baseline, found " + tier);
  }
  for (const std::string priority : {"-1", "1001", "1.0", "'1'"}) {
    EXPECT_NE(WrongSpec("  {tier: Admin, priority: " + priority +
                        ", subject: {namespaces: {}}}\n")
                  .find("5:27: spec.priority: expected a priority in 0..1000, "
                        "found "),
              std::string::npos)
        << priority;
  }
  for (const int priority : {0, 1000}) {
    EXPECT_EQ(Read(absl::StrCat("  {tier: Admin, priority: ", priority,
                                ", subject: {namespaces: {}}}\n"))
                  .priority,
              priority);
  }
}

}  // namespace
}  // namespace ciliumcore
