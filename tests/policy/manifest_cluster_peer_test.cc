// SPDX-License-Identifier: Apache-2.0

// The peers of a ClusterNetworkPolicy as manifests write them.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/policy/cluster_policy_text.h"

namespace ciliumcore {
namespace {

TEST(ManifestClusterPeerTest, PodsWithoutNamespacesAreThoseOfAll) {
  const ClusterRule rule =
      ReadEgress("action: Deny, to: [{pods: {podSelector: {}}}]");
  ASSERT_EQ(rule.peers.size(), 1u);
  EXPECT_EQ(rule.peers[0], ClusterPeer(NamespacedPods()));
}

TEST(ManifestClusterPeerTest, ReadsDomainNamesInOneForm) {
  const ClusterRule rule = ReadEgress(
      "action: Accept, to: [{domainNames: [Example.COM., '*.example.com', "
      "_sip.a-b.example.com]}]");
  ASSERT_EQ(rule.peers.size(), 1u);
  EXPECT_EQ(rule.peers[0],
            ClusterPeer(DomainPeers{
                {"example.com", "*.example.com", "_sip.a-b.example.com"}}));
}

TEST(ManifestClusterPeerTest, RefusesWhatIsNoDomainName) {
  const std::string label(64, 'a');
  std::string name = "com";
  while (name.size() <= 253) name = "abcdefghi." + name;
  for (const std::string& domain : std::vector<std::string>{
           "''", "com", "'*'", "'*.com'", "com.", "'**.example.com'", "a.*.com",
           "'*example.com'", "a..com", ".example.com", "-a.example.com",
           "a-.example.com", "a_.example.com", "'[a.example.com'",
           "exa mple.com", "'example.com..'", "10.0.0.0/8", label + ".com",
           name}) {
    EXPECT_NE(WrongPeer("{domainNames: [" + domain + "]}")
                  .find("spec.egress[0].to[0].domainNames[0]: expected a "
                        "domain name such as example.com, or *.example.com for "
                        "all below it, found"),
              std::string::npos)
        << domain;
  }
}

TEST(ManifestClusterPeerTest, DomainNamesAreOnlyAcceptedByTheAdminTier) {
  for (const std::string action : {"Deny", "Pass"}) {
    EXPECT_EQ(
        WrongEgress("action: " + action + ", to: [{domainNames: [a.com]}]"),
        "6:47: spec.egress[0].to[0].domainNames: expected domain names only "
        "with the action Accept, found " +
            action);
  }
  EXPECT_EQ(
      WrongSpec("  {tier: Baseline, priority: 5, subject: {namespaces: {}},\n"
                "   egress: [{action: Accept, to: [{domainNames: [a.com]}]}]}"
                "\n"),
      "6:49: spec.egress[0].to[0].domainNames: expected domain names only in "
      "the tier Admin, found Baseline");
}

TEST(ManifestClusterPeerTest, OnlyPodsAreASource) {
  for (const std::string kind : {"nodes", "networks", "domainNames"}) {
    EXPECT_EQ(WrongSpec(absl::StrCat(kHead,
                                     "   ingress: [{action: Deny, from: ", "[{",
                                     kind, ": x}]}]}\n")),
              absl::StrCat(
                  "6:", 39 + kind.size(), ": spec.ingress[0].from[0].", kind,
                  ": expected namespaces or pods as a source, found ", kind));
  }
}

TEST(ManifestClusterPeerTest, APeerIsExactlyOneThing) {
  const std::string expected =
      "spec.egress[0].to[0]: expected exactly one of namespaces, pods, nodes, "
      "networks, domainNames, found ";
  EXPECT_EQ(WrongPeer("{}"), "6:35: " + expected + "none of them");
  EXPECT_EQ(WrongPeer("{pods: null}"),
            "6:42: spec.egress[0].to[0].pods: expected a value, or no such "
            "field, found null");
  EXPECT_EQ(WrongPeer("{nodes: {}, namespaces: {}}"),
            "6:35: " + expected + "namespaces and nodes");
  EXPECT_EQ(WrongPeer("web"),
            "6:35: spec.egress[0].to[0]: expected a mapping, found web");
  EXPECT_EQ(WrongPeer("{ipBlock: {}}"),
            "6:36: spec.egress[0].to[0].ipBlock: expected one of namespaces, "
            "pods, nodes, networks, domainNames, found an unknown field");
}

TEST(ManifestClusterPeerTest, PodsNeedAPodSelector) {
  EXPECT_EQ(WrongPeer("{pods: {namespaceSelector: {}}}"),
            "6:42: spec.egress[0].to[0].pods.podSelector: expected a selector; "
            "{} selects all pods, found nothing");
  EXPECT_EQ(WrongPeer("{pods: {selector: {}}}"),
            "6:43: spec.egress[0].to[0].pods.selector: expected one of "
            "namespaceSelector, podSelector, found an unknown field");
  EXPECT_EQ(WrongPeer("{pods: {podSelector: {matchLabels: {a: 1}}}}"),
            "6:74: spec.egress[0].to[0].pods.podSelector.matchLabels.a: "
            "expected a string, found the number 1");
  EXPECT_EQ(WrongPeer("{nodes: {app: web}}"),
            "6:44: spec.egress[0].to[0].nodes.app: expected one of "
            "matchLabels, matchExpressions, found an unknown field");
}

TEST(ManifestClusterPeerTest, RefusesNetworksThatAreNone) {
  const std::string path = "6:47: spec.egress[0].to[0].networks[0]: ";
  const auto network = [](const std::string& text) {
    return WrongPeer("{networks: [" + text + "]}");
  };
  EXPECT_EQ(network("10.0.0.1"),
            path + "expected an IP prefix such as 10.0.0.0/8, found 10.0.0.1");
  EXPECT_EQ(
      network("10.0.0.0/33"),
      path + "expected an IP prefix such as 10.0.0.0/8, found 10.0.0.0/33");
  EXPECT_EQ(network("'::ffff:10.0.0.0/104'"),
            path +
                "expected an IPv4 prefix as such: 10.0.0.0/8, found "
                "\"::ffff:10.0.0.0/104\"");
  EXPECT_EQ(network("'1111:2222:3333:4444:5555:6666:255.255.255.255/128'"),
            path + "expected at most 43 characters, found 49");
  EXPECT_EQ(network("10.0.0.0/8, 10.0.0.0/8"),
            "6:59: spec.egress[0].to[0].networks[1]: expected each one once, "
            "found 10.0.0.0/8");
  EXPECT_EQ(
      WrongPeer("{domainNames: [a.com, b.com, a.com]}"),
      "6:64: spec.egress[0].to[0].domainNames[2]: expected each one once, "
      "found a.com");
}

TEST(ManifestClusterPeerTest, NetworksMayHaveBitsBeyondTheirLength) {
  const ClusterRule rule =
      ReadEgress("action: Deny, to: [{networks: [10.1.2.3/8]}]");
  EXPECT_EQ(rule.peers[0],
            ClusterPeer(NetworkPeers{{*IpPrefix::Parse("10.0.0.0/8")}}));
}

}  // namespace
}  // namespace ciliumcore
