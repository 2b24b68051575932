// SPDX-License-Identifier: Apache-2.0

// Who is meant by a rule of Cilium's policies.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/policy/cilium_text.h"

namespace ciliumcore {
namespace {

CiliumPeers Peers(const std::string& section, const std::string& rule) {
  const CiliumRule read = ReadRule(section, rule);
  EXPECT_TRUE(read.peers.has_value()) << rule;
  return read.peers.value_or(CiliumPeers());
}

IpPrefix Prefix(const std::string& text) { return *IpPrefix::Parse(text); }

// Of every list, with the direction's prefix.
TEST(ManifestCiliumPeersTest, ReadsEveryKindInEverySection) {
  for (const char* section :
       {"ingress", "ingressDeny", "egress", "egressDeny"}) {
    const std::string to = section[0] == 'i' ? "{from" : "{to";
    CiliumPeers expected;
    expected.endpoints.resize(2);
    expected.endpoints[0].match_labels.emplace_back("any:app", "web");
    EXPECT_EQ(Peers(section, to + "Endpoints: [{matchLabels: {'any:app': web}},"
                                  " {}]}"),
              expected);
    expected = {};
    expected.nodes.resize(1);
    expected.nodes[0].match_labels.emplace_back("zone", "a");
    EXPECT_EQ(Peers(section, to + "Nodes: [{matchLabels: {zone: a}}]}"),
              expected);
    expected = {};
    expected.cidrs = {{.cidr = Prefix("10.0.0.0/8")},
                      {.cidr = Prefix("192.0.2.1/32")},
                      {.cidr = Prefix("2001:db8::/32")}};
    EXPECT_EQ(
        Peers(section, to + "CIDR: [10.1.2.3/8, 192.0.2.1, '2001:db8::/32']}"),
        expected);
    expected = {};
    expected.groups = {{.labels = {{"team", "net"}},
                        .security_group_ids = {"sg-1", "sg-2"},
                        .security_group_names = {"db"},
                        .region = "eu-west-1"}};
    EXPECT_EQ(Peers(section, to + "Groups: [{aws: {labels: {team: net}, "
                                  "securityGroupsIds: [sg-1, sg-2], "
                                  "securityGroupsNames: [db], region: "
                                  "eu-west-1}}]}"),
              expected);
  }
}

TEST(ManifestCiliumPeersTest, ReadsCidrSets) {
  const CiliumPeers peers = Peers("egress", R"({toCIDRSet: [
    {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.3.4/32]},
    {cidr: '::/0'},
    {cidr: 192.0.2.0/24, except: [192.0.2.0/24]},
    {cidrGroupRef: offices, except: [203.0.113.0/28]},
    {cidrGroupSelector: {matchLabels: {team: net}, matchExpressions: [
      {key: 'cidrgroup:old', operator: DoesNotExist}]}}]})");
  LabelSelector team;
  team.match_labels.emplace_back("team", "net");
  team.match_expressions.push_back(
      {"cidrgroup:old", LabelSelector::Operator::kDoesNotExist, {}});
  const std::vector<CiliumCidrRule> expected = {
      {.cidr = Prefix("10.0.0.0/8"),
       .except = {Prefix("10.1.0.0/16"), Prefix("10.2.3.4/32")}},
      {.cidr = Prefix("::/0")},
      {.cidr = Prefix("192.0.2.0/24"), .except = {Prefix("192.0.2.0/24")}},
      {.group = "offices", .except = {Prefix("203.0.113.0/28")}},
      {.group_selector = team},
  };
  EXPECT_EQ(peers.cidrs, expected);
}

TEST(ManifestCiliumPeersTest, ReadsEveryEntity) {
  const CiliumPeers peers = Peers(
      "ingress",
      "{fromEntities: [all, world, world-ipv4, world-ipv6, cluster, host, "
      "remote-node, kube-apiserver, ingress, init, health, unmanaged, none]}");
  const std::vector<CiliumEntity> expected = {
      CiliumEntity::kAll,        CiliumEntity::kWorld,
      CiliumEntity::kWorldIpv4,  CiliumEntity::kWorldIpv6,
      CiliumEntity::kCluster,    CiliumEntity::kHost,
      CiliumEntity::kRemoteNode, CiliumEntity::kKubeApiServer,
      CiliumEntity::kIngress,    CiliumEntity::kInit,
      CiliumEntity::kHealth,     CiliumEntity::kUnmanaged,
      CiliumEntity::kNone,
  };
  EXPECT_EQ(peers.entities, expected);
}

TEST(ManifestCiliumPeersTest, ReadsServicesAndNames) {
  LabelSelector staging;
  staging.match_labels.emplace_back("env", "staging");
  for (const char* section : {"egress", "egressDeny"}) {
    const std::vector<CiliumServiceRef> expected = {
        {.ns = "shop", .name = "cart"},
        {.name = "anywhere"},
        {.ns = "pay", .selector = staging},
        {.selector = LabelSelector()},
    };
    EXPECT_EQ(Peers(section, R"({toServices: [
      {k8sService: {serviceName: cart, namespace: shop}},
      {k8sService: {serviceName: anywhere}},
      {k8sServiceSelector: {selector: {matchLabels: {env: staging}},
                            namespace: pay}},
      {k8sServiceSelector: {selector: {}}}],
      toPorts: [{ports: [{port: "80"}]}]})")
                  .services,
              expected);
  }
  const std::vector<DnsMatch> names = {{.name = "api.Example.com."},
                                       {.name = "_srv.a-b"},
                                       {.pattern = "*.example.com"},
                                       {.pattern = "**.db*.example"},
                                       {.pattern = "*"}};
  EXPECT_EQ(Peers("egress", R"({toFQDNs: [{matchName: api.Example.com.},
      {matchName: _srv.a-b}, {matchPattern: "*.example.com"},
      {matchPattern: "**.db*.example"}, {matchPattern: "*"}]})")
                .fqdns,
            names);
}

TEST(ManifestCiliumPeersTest, NobodyDiffersFromNoPeers) {
  for (const char* rule :
       {"{fromEndpoints: []}", "{fromCIDR: []}", "{fromCIDRSet: []}",
        "{fromEntities: []}", "{fromNodes: []}"}) {
    const CiliumRule read = ReadRule("ingress", rule);
    ASSERT_TRUE(read.peers.has_value()) << rule;
    EXPECT_EQ(*read.peers, CiliumPeers()) << rule;
  }
  EXPECT_FALSE(ReadRule("ingress", "{}").peers.has_value());
  EXPECT_FALSE(ReadRule("egress", "{toPorts: []}").peers.has_value());
  EXPECT_NE(*ReadRule("ingress", "{fromEntities: [none]}").peers,
            CiliumPeers());
}

TEST(ManifestCiliumPeersTest, RefusesPeersThatCannotBe) {
  constexpr char kEntity[] =
      "expected an entity, one of all, world, world-ipv4, world-ipv6, cluster, "
      "host, remote-node, kube-apiserver, ingress, init, health, unmanaged, "
      "none, found ";
  constexpr char kName[] =
      "expected a DNS name, at most 255 of A-Z, a-z, 0-9, '-', '_' and single "
      "'.', found ";
  constexpr char kPattern[] =
      "expected a pattern of DNS names, at most 255 of A-Z, a-z, 0-9, '-', "
      "'_', '*' and single '.', found ";
  struct {
    const char* section;
    std::string rule;
    std::string problem;
  } cases[] = {
      // One kind of peers.
      {"ingress", "{fromEndpoints: [{}], fromEntities: [host]}",
       ".fromEntities: expected one kind of peers in a rule, if only an empty "
       "one, found fromEntities beside fromEndpoints"},
      {"egressDeny", "{toCIDR: [], toCIDRSet: []}",
       ".toCIDRSet: expected one kind of peers in a rule, if only an empty "
       "one, found toCIDRSet beside toCIDR"},
      {"egress",
       "{toServices: [{k8sService: {serviceName: a}}], toFQDNs: "
       "[{matchName: a.b}]}",
       ".toFQDNs: expected one kind of peers in a rule, if only an empty one, "
       "found toFQDNs beside toServices"},
      // Where nothing and null differ.
      {"ingress", "{fromEndpoints: }",
       ".fromEndpoints: expected a value, or no such field, found null"},
      {"egress", "{toPorts: null}",
       ".toPorts: expected a value, or no such field, found null"},
      // The other direction's, and what is no longer.
      {"ingress", "{toEndpoints: [{}]}",
       ".toEndpoints: expected a field of Cilium, found an unknown field"},
      {"egress", "{fromEndpoints: [{}]}",
       ".fromEndpoints: expected a field of Cilium, found an unknown field"},
      {"ingress", "{fromRequires: [{}]}",
       ".fromRequires: expected no fromRequires, which Cilium 1.19 removed: "
       "each peer says itself what it must be, found a list"},
      {"egressDeny", "{toRequires: []}",
       ".toRequires: expected no toRequires, which Cilium 1.19 removed: each "
       "peer says itself what it must be, found a list"},
      {"ingress", "{fromFQDNs: [{matchName: a.b}]}",
       ".fromFQDNs: expected no DNS names at ingress, where an address is all "
       "that is known, found a list"},
      {"ingressDeny", "{toFQDNs: [{matchName: a.b}]}",
       ".toFQDNs: expected no DNS names at ingress, where an address is all "
       "that is known, found a list"},
      {"egressDeny", "{toFQDNs: [{matchName: a.b}]}",
       ".toFQDNs: expected no DNS names in a denial, which an address escapes "
       "as long as its name is not known, found a list"},
      {"ingressDeny", "{authentication: {mode: required}}",
       ".authentication: expected no authentication in a denial, which nobody "
       "passes, found a mapping"},
      // What Cilium takes for all.
      {"egress", "{toFQDNs: []}",
       ".toFQDNs: expected a name, since Cilium takes none for all peers, "
       "found an empty list"},
      {"egress", "{toServices: []}",
       ".toServices: expected a service, since Cilium takes none for all "
       "peers, found an empty list"},
      {"ingress", "{fromGroups: []}",
       ".fromGroups: expected a group, since Cilium takes none for all peers, "
       "found an empty list"},
      // Entities.
      {"ingress", "{fromEntities: [moon]}",
       absl::StrCat(".fromEntities[0]: ", kEntity, "moon")},
      {"ingress", "{fromEntities: [World]}",
       absl::StrCat(".fromEntities[0]: ", kEntity, "World")},
      {"egress", "{toEntities: [on]}",
       ".toEntities[0]: expected a string, found on, a boolean without quotes"},
      {"egress", "{toEntities: all}",
       ".toEntities: expected a list, found all"},
      // Addresses.
      {"ingress", "{fromCIDR: [10.0.0.0/33]}",
       ".fromCIDR[0]: expected an IP address, or a prefix such as 10.0.0.0/8, "
       "found 10.0.0.0/33"},
      {"ingress", "{fromCIDR: ['']}",
       ".fromCIDR[0]: expected an IP address, or a prefix such as 10.0.0.0/8, "
       "found \"\""},
      {"ingress", "{fromCIDRSet: [{cidr: 10.0.0.1}]}",
       ".fromCIDRSet[0].cidr: expected an IP prefix such as 10.0.0.0/8, found "
       "10.0.0.1"},
      {"ingress", "{fromCIDRSet: [{}]}",
       ".fromCIDRSet[0]: expected one of cidr, cidrGroupRef and "
       "cidrGroupSelector, found none of them"},
      {"egress", "{toCIDRSet: [{cidr: 10.0.0.0/8, cidrGroupRef: a}]}",
       ".toCIDRSet[0]: expected one of cidr, cidrGroupRef and "
       "cidrGroupSelector, found more than one"},
      {"egress", "{toCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]}",
       ".toCIDRSet[0].except[0]: expected a prefix inside 10.0.0.0/8, found "
       "11.0.0.0/16"},
      {"egress", "{toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.0.0.0/7]}]}",
       ".toCIDRSet[0].except[0]: expected a prefix inside 10.0.0.0/8, found "
       "10.0.0.0/7"},
      {"egress", "{toCIDRSet: [{cidr: 0.0.0.0/0, except: ['::/0']}]}",
       ".toCIDRSet[0].except[0]: expected a prefix inside 0.0.0.0/0, found "
       "\"::/0\""},
      {"egress", "{toCIDRSet: [{cidrGroupRef: a, except: [10.0.0.1]}]}",
       ".toCIDRSet[0].except[0]: expected an IP prefix such as 10.0.0.0/8, "
       "found 10.0.0.1"},
      {"egress", "{toCIDRSet: [{cidrGroupRef: A_b}]}",
       ".toCIDRSet[0].cidrGroupRef: expected at most 253 of a-z, 0-9, '-' and "
       "'.', with letters or digits at both ends and around each '.', found "
       "A_b"},
      {"egress",
       "{toCIDRSet: [{cidrGroupSelector: {matchLabels: {'k8s:a': "
       "b}}}]}",
       ".toCIDRSet[0].cidrGroupSelector: expected keys without a source other "
       "than cidrgroup, which all labels of groups have, found \"k8s:a\""},
      // Services.
      {"egress", "{toServices: [{}]}",
       ".toServices[0]: expected either a k8sService or a k8sServiceSelector, "
       "found neither"},
      {"egress",
       "{toServices: [{k8sService: {serviceName: a}, "
       "k8sServiceSelector: {selector: {}}}]}",
       ".toServices[0]: expected either a k8sService or a k8sServiceSelector, "
       "found both"},
      {"egress", "{toServices: [{k8sService: {namespace: a}}]}",
       ".toServices[0].k8sService.serviceName: expected the name of a service, "
       "found nothing"},
      {"egress", "{toServices: [{k8sService: {serviceName: a_b}}]}",
       ".toServices[0].k8sService.serviceName: expected at most 63 of a-z, "
       "0-9 and '-', with a letter or digit at both ends, found a_b"},
      {"egress", "{toServices: [{k8sServiceSelector: {namespace: A}}]}",
       ".toServices[0].k8sServiceSelector.namespace: expected at most 63 of "
       "a-z, 0-9 and '-', with a letter or digit at both ends, found A\n"
       ".toServices[0].k8sServiceSelector.selector: expected a selector of "
       "services, found nothing"},
      // Names.
      {"egress", "{toFQDNs: [{}]}",
       ".toFQDNs[0]: expected either a matchName or a matchPattern, found "
       "neither"},
      {"egress", "{toFQDNs: [{matchName: a, matchPattern: b}]}",
       ".toFQDNs[0]: expected either a matchName or a matchPattern, found "
       "both"},
      {"egress", "{toFQDNs: [{matchName: '*.a'}]}",
       absl::StrCat(".toFQDNs[0].matchName: ", kName, "\"*.a\"")},
      {"egress", "{toFQDNs: [{matchName: a..b}]}",
       absl::StrCat(".toFQDNs[0].matchName: ", kName, "a..b")},
      {"egress", "{toFQDNs: [{matchName: .a}]}",
       absl::StrCat(".toFQDNs[0].matchName: ", kName, ".a")},
      {"egress", "{toFQDNs: [{matchName: ''}]}",
       absl::StrCat(".toFQDNs[0].matchName: ", kName, "\"\"")},
      {"egress", "{toFQDNs: [{matchPattern: 'a/*'}]}",
       absl::StrCat(".toFQDNs[0].matchPattern: ", kPattern, "\"a/*\"")},
      {"egress",
       absl::StrCat("{toFQDNs: [{matchPattern: ", std::string(256, 'a'), "}]}"),
       absl::StrCat(".toFQDNs[0].matchPattern: ", kPattern,
                    std::string(80, 'a'), "...")},
      // Groups.
      {"egress", "{toGroups: [{}]}",
       ".toGroups[0].aws: expected a group of AWS, found nothing"},
      {"egress", "{toGroups: [{aws: {region: a}}]}",
       ".toGroups[0].aws: expected labels, securityGroupsIds or "
       "securityGroupsNames, found nothing to select by"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(WrongRule(c.section, c.rule), c.problem) << c.rule;
  }
}

TEST(ManifestCiliumPeersTest, NamesThePlace) {
  EXPECT_EQ(Wrong(CiliumText(RuleText("ingress", "{fromEntities: [moon]}")))
                .substr(0, 82),
            "m.yaml:7:21: CiliumNetworkPolicy shop/p: "
            "spec.ingress[0].fromEntities[0]: expected");
}

}  // namespace
}  // namespace ciliumcore
