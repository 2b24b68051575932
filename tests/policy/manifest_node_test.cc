// SPDX-License-Identifier: Apache-2.0

// Node and CiliumNode, and what policies make of them.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "ciliumcore/policy/named_end.h"
#include "tests/policy/manifest_text.h"

namespace ciliumcore {
namespace {

constexpr char kNode[] = R"(---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {role: edge}}
spec: {podCIDR: 10.1.0.0/24, podCIDRs: [10.1.0.0/24, "fd00:1::/64"]}
status:
  addresses:
  - {type: Hostname, address: n1}
  - {type: InternalIP, address: 192.168.0.1}
  - {type: ExternalIP, address: 203.0.113.1}
)";

constexpr char kCiliumNode[] = R"(---
apiVersion: cilium.io/v2
kind: CiliumNode
metadata: {name: n1, labels: {role: edge, zone: a}}
spec:
  addresses:
  - {type: InternalIP, ip: 192.168.0.1}
  - {type: CiliumInternalIP, ip: 10.1.0.7}
  health: {ipv4: 10.1.0.8, ipv6: "fd00:1::8"}
  ingress: {ipv4: 10.1.0.9}
  ipam: {podCIDRs: [10.1.0.0/24, 10.1.1.0/24]}
)";

std::vector<IpAddress> Addresses(const std::vector<std::string>& texts) {
  std::vector<IpAddress> addresses;
  for (const std::string& text : texts) {
    addresses.push_back(*IpAddress::Parse(text));
  }
  return addresses;
}

TEST(ManifestNodeTest, ReadsANode) {
  const Cluster cluster = Load(kNode);
  ASSERT_EQ(cluster.nodes.size(), 1u);
  const Node& node = cluster.nodes.at("n1");
  EXPECT_EQ(node.name, "n1");
  EXPECT_EQ(node.labels, (Labels{{"role", "edge"}}));
  EXPECT_EQ(node.addresses, Addresses({"192.168.0.1", "203.0.113.1"}));
  EXPECT_TRUE(cluster.ignored.empty());
  EXPECT_TRUE(cluster.namespaces.empty());
}

TEST(ManifestNodeTest, ANodeAndACiliumNodeOfOneNameAreOne) {
  for (const std::string& text :
       {absl::StrCat(kNode, kCiliumNode), absl::StrCat(kCiliumNode, kNode)}) {
    const Cluster cluster = Load(text);
    ASSERT_EQ(cluster.nodes.size(), 1u);
    const Node& node = cluster.nodes.at("n1");
    EXPECT_EQ(node.labels, (Labels{{"role", "edge"}, {"zone", "a"}}));
    EXPECT_EQ(node.addresses,
              Addresses({"10.1.0.7", "192.168.0.1", "203.0.113.1"}));
    EXPECT_EQ(node.health_addresses, Addresses({"10.1.0.8", "fd00:1::8"}));
    EXPECT_EQ(node.ingress_addresses, Addresses({"10.1.0.9"}));
  }
}

std::string NodeText(const std::string& name, const std::string& rest) {
  return absl::StrCat("apiVersion: v1\nkind: Node\nmetadata: {name: ", name,
                      "}\n", rest, "\n---\n");
}

TEST(ManifestNodeTest, RefusesWhatCannotBe) {
  EXPECT_EQ(Wrong(NodeText("a",
                           "status: {addresses: [{type: InternalIp, "
                           "address: 10.0.0.1}]}")),
            "m.yaml:4:29: Node a: status.addresses[0].type: expected "
            "InternalIP, ExternalIP, Hostname, InternalDNS or ExternalDNS, "
            "found InternalIp");
  EXPECT_EQ(Wrong(NodeText("a", "status: {addresses: [{type: InternalIP}]}")),
            "m.yaml:4:22: Node a: status.addresses[0].address: expected an IP "
            "address, found nothing");
  EXPECT_EQ(Wrong(NodeText("a",
                           "spec: {podCIDR: 10.2.0.0/24, podCIDRs: "
                           "[10.1.0.0/24]}")),
            "m.yaml:4:17: Node a: spec.podCIDR: expected 10.1.0.0/24, as in "
            "podCIDRs, found 10.2.0.0/24");
  EXPECT_EQ(Wrong(NodeText("a", "spec: {podCidrs: []}")),
            "m.yaml:4:8: Node a: spec.podCidrs: expected podCIDR, found an "
            "unknown field");
  const std::string addresses =
      "status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}";
  EXPECT_EQ(Wrong(NodeText("a", addresses) + NodeText("b", addresses)),
            "m.yaml:6:1: Node b: expected an address of its own, found "
            "10.0.0.1 of node a");
  const std::string other = "apiVersion: cilium.io/v2\nkind: CiliumNode\n";
  EXPECT_EQ(
      Wrong(absl::StrCat(other, "metadata: {name: n1, labels: {role: db}}\n",
                         kNode)),
      "m.yaml:7:37: Node n1: metadata.labels.role: expected db, as in the "
      "other object of this node, found edge");
  // It is not built into the server.
  EXPECT_EQ(Wrong(other + "metadata: {name: a}\nspec: {addresses: null}\n"),
            "m.yaml:4:19: CiliumNode a: spec.addresses: expected a value, or "
            "no such field, found null");
  EXPECT_EQ(Wrong(NodeText("a", "spec: {taints: null}")), "");
  EXPECT_EQ(Wrong(absl::StrCat(other,
                               "metadata: {name: a}\nspec: {health: {ipv4: "
                               "'::1'}}\n")),
            "m.yaml:4:23: CiliumNode a: spec.health.ipv4: expected an IPv4 "
            "address, found \"::1\"");
  EXPECT_EQ(Wrong(absl::StrCat(
                other, "metadata: {name: a}\nspec: {health: {ipv4: 10.0.0.1}}",
                "\n---\n", NodeText("b", addresses))),
            "m.yaml:6:1: Node b: expected an address of its own, found "
            "10.0.0.1 of node a");
}

TEST(ManifestNodeTest, AStatusMayHaveFieldsOfLaterServers) {
  const Cluster cluster = Load(NodeText(
      "a",
      "status: {novelties: [1], addresses: [{type: InternalIP, address: "
      "10.0.0.1, scope: all}]}"));
  EXPECT_EQ(cluster.nodes.at("a").addresses, Addresses({"10.0.0.1"}));
  EXPECT_EQ(Wrong(NodeText("a", "status: [1]")),
            "m.yaml:4:9: Node a: status: expected a mapping, found a list");
}

// Whether a pod's flows to an address pass, by its policies.
bool Reaches(const CompiledCluster& cluster, const std::string& address) {
  const auto from = FindNamedEnds(cluster, "default/web");
  const auto to = FindNamedEnds(cluster, address);
  EXPECT_TRUE(from.ok() && to.ok());
  return from.ok() && to.ok() &&
         cluster.policy
             .DecidePair(from->at(0).party, to->at(0).party, Protocol::kTcp, 80)
             .allowed();
}

CompiledCluster Compiled(const std::string& rule, const std::string& more) {
  auto compiled = CompileCluster(Load(absl::StrCat(
      "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: "
      "p}\nspec: {endpointSelector: {}, egress: [",
      rule,
      "]}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: "
      "{}\nstatus: {podIP: 10.1.0.20}\n",
      kNode, kCiliumNode,
      "---\napiVersion: v1\nkind: Node\nmetadata: {name: n2}\nstatus: "
      "{addresses: [{type: InternalIP, address: 192.168.0.2}]}\n---\n",
      more)));
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  return compiled.ok() ? *std::move(compiled) : CompiledCluster();
}

TEST(ManifestNodeTest, PoliciesMayNameNodes) {
  const CompiledCluster edge =
      Compiled("{toNodes: [{matchLabels: {role: edge, zone: a}}]}", "");
  for (const char* address : {"192.168.0.1", "203.0.113.1", "10.1.0.7"}) {
    EXPECT_TRUE(Reaches(edge, address)) << address;
  }
  EXPECT_FALSE(Reaches(edge, "192.168.0.2"));
  EXPECT_FALSE(Reaches(edge, "192.168.0.3"));
  const CompiledCluster nodes = Compiled("{toEntities: [remote-node]}", "");
  EXPECT_TRUE(Reaches(nodes, "192.168.0.1"));
  EXPECT_TRUE(Reaches(nodes, "192.168.0.2"));
  EXPECT_FALSE(Reaches(nodes, "192.168.0.3"));
  // They are not of the world.
  const CompiledCluster world = Compiled("{toEntities: [world]}", "");
  EXPECT_FALSE(Reaches(world, "192.168.0.1"));
  EXPECT_TRUE(Reaches(world, "192.168.0.3"));
}

TEST(ManifestNodeTest, HealthEndpointsAndIngressAreEntitiesOfTheirOwn) {
  const struct {
    const char* rule;
    bool health, ingress;
  } cases[] = {
      {"{toEntities: [world]}", false, false},
      {"{toCIDR: [10.1.0.0/24]}", false, false},
      {"{toEntities: [remote-node]}", false, false},
      {"{toEntities: [health]}", true, false},
      {"{toEntities: [ingress]}", false, true},
      {"{toEntities: [cluster]}", true, true},
      {"{toEndpoints: [{}]}", false, false},
      {"{toEndpoints: [{matchLabels: {'reserved:ingress': ''}}]}", false, true},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.rule);
    const CompiledCluster cluster = Compiled(c.rule, "");
    EXPECT_EQ(Reaches(cluster, "10.1.0.8"), c.health);
    EXPECT_EQ(Reaches(cluster, "fd00:1::8"), c.health);
    EXPECT_EQ(Reaches(cluster, "10.1.0.9"), c.ingress);
  }
}

TEST(ManifestNodeTest, AnEndpointIsNotOfAnIdentityThatAddressesHave) {
  PolicyInput input;
  input.health_addresses = Addresses({"10.1.0.8"});
  input.endpoints = {{.identity = Identity::kHealth, .ns = "default"}};
  PeerRegistry peers;
  RuleSetTable rule_sets;
  EXPECT_EQ(Compile(input, peers, rule_sets).status().message(),
            "an endpoint of namespace default has the identity health: "
            "expected another, as there are addresses of nodes that have it");
  input.endpoints[0].identity = Identity::kIngress;
  EXPECT_TRUE(Compile(input, peers, rule_sets).ok());
}

TEST(ManifestNodeTest, NoPodIsGivenAnAddressOfANode) {
  const Cluster cluster = Load(absl::StrCat(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {}\n",
      kCiliumNode));
  const auto given = [&](const char* cidr) {
    absl::StatusOr<CompiledCluster> compiled =
        CompileCluster(cluster, {.pod_cidrs = {*IpPrefix::Parse(cidr)}});
    EXPECT_TRUE(compiled.ok()) << compiled.status();
    return compiled.ok() ? compiled->cluster.pods[0].addresses
                         : std::vector<IpAddress>();
  };
  EXPECT_EQ(given("10.1.0.6/31"), Addresses({"10.1.0.6"}));
  EXPECT_EQ(given("10.1.0.0/24"), Addresses({"10.1.0.1"}));
  EXPECT_EQ(given("10.1.0.8/30"), Addresses({"10.1.0.10"}));
  EXPECT_EQ(
      CompileCluster(cluster, {.pod_cidrs = {*IpPrefix::Parse("10.1.0.7/32")}})
          .status()
          .code(),
      absl::StatusCode::kResourceExhausted);
}

// In the host's network.
std::string HostPod(const std::string& name, const std::string& status) {
  return absl::StrCat("apiVersion: v1\nkind: Pod\nmetadata: {name: ", name,
                      "}\nspec: {hostNetwork: true}\nstatus: ", status,
                      "\n---\n");
}

TEST(ManifestNodeTest, APodWithANodesAddressIsThatNodeWhichPoliciesName) {
  const std::string pods = absl::StrCat(
      HostPod("on-n1",
              "{podIPs: [{ip: 192.168.0.1}, {ip: 'fd00::1'}], podIP: "
              "192.168.0.1}"),
      HostPod("on-n2", "{podIP: 192.168.0.2}"),
      HostPod("elsewhere", "{podIP: 192.168.0.9}"), HostPod("nowhere", "{}"));
  const auto reached = [&pods](const std::string& rule) {
    const CompiledCluster cluster = Compiled(rule, pods);
    EXPECT_EQ(PodsOfNodes(cluster.cluster), (std::vector<uint32_t>{1, 2}));
    std::vector<std::string> reached;
    for (const char* end :
         {"192.168.0.1", "fd00::1", "203.0.113.1", "192.168.0.2",
          "default/on-n2", "192.168.0.9", "default/nowhere", "192.168.0.3"}) {
      if (Reaches(cluster, end)) reached.push_back(end);
    }
    return reached;
  };
  using Ends = std::vector<std::string>;
  // Of no node that the manifests have: taken for that of the pod.
  EXPECT_EQ(reached("{toEntities: [none]}"),
            (Ends{"192.168.0.9", "default/nowhere"}));
  EXPECT_EQ(reached("{toNodes: [{matchLabels: {role: edge}}]}"),
            (Ends{"192.168.0.1", "fd00::1", "203.0.113.1", "192.168.0.9",
                  "default/nowhere"}));
  EXPECT_EQ(
      reached("{toNodes: [{matchExpressions: [{key: role, operator: "
              "DoesNotExist}]}]}"),
      (Ends{"192.168.0.2", "default/on-n2", "192.168.0.9", "default/nowhere"}));
  EXPECT_EQ(reached("{toEntities: [remote-node]}"),
            (Ends{"192.168.0.1", "fd00::1", "203.0.113.1", "192.168.0.2",
                  "default/on-n2", "192.168.0.9", "default/nowhere"}));
}

TEST(ManifestNodeTest, PoliciesOfTheClusterNameSuchNodesToo) {
  absl::StatusOr<CompiledCluster> compiled = CompileCluster(Load(absl::StrCat(
      R"(apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: to-nodes}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {}}
  egress:
  - {action: Accept, to: [{nodes: {matchLabels: {role: edge}}}]}
  - {action: Deny, to: [{nodes: {}}, {networks: [0.0.0.0/0]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {}
status: {podIP: 10.1.0.20}
)",
      kNode,
      "---\napiVersion: v1\nkind: Node\nmetadata: {name: n2}\nstatus: "
      "{addresses: [{type: InternalIP, address: 192.168.0.2}]}\n---\n",
      HostPod("on-n1", "{podIP: 192.168.0.1}"),
      HostPod("on-n2", "{podIP: 192.168.0.2}"))));
  ASSERT_TRUE(compiled.ok()) << compiled.status();
  EXPECT_TRUE(Reaches(*compiled, "192.168.0.1"));
  EXPECT_TRUE(Reaches(*compiled, "203.0.113.1"));
  EXPECT_FALSE(Reaches(*compiled, "192.168.0.2"));
  EXPECT_FALSE(Reaches(*compiled, "default/on-n2"));
  EXPECT_FALSE(Reaches(*compiled, "192.168.0.3"));
}

TEST(ManifestNodeTest, WhereANodesAddressIsThisNodesItIsAlwaysAllowed) {
  const Cluster cluster = Load(absl::StrCat(kNode, R"(---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: none}
spec: {endpointSelector: {}, egress: [{toNodes: [{matchLabels: {a: b}}]}]}
)"));
  PolicyInput input;
  static_cast<Policies&>(input) = PoliciesOf(cluster);
  static_cast<PolicyContext&>(input) = PolicyContextOf(cluster);
  input.remote_node_addresses = Addresses({"192.168.0.7", "192.168.0.8"});
  input.host_addresses = Addresses({"192.168.0.1", "192.168.0.7"});
  input.endpoints = {{.identity = Identity{1000}, .ns = "default"}};
  PeerRegistry peers;
  RuleSetTable rule_sets;
  const absl::StatusOr<CompiledPolicy> compiled =
      Compile(input, peers, rule_sets);
  ASSERT_TRUE(compiled.ok()) << compiled.status();
  const auto allows = [&](const char* address) {
    return compiled
        ->DecidePair(compiled->PartyOf(0u),
                     compiled->PartyOf(*IpAddress::Parse(address)),
                     Protocol::kTcp, 80)
        .allowed();
  };
  EXPECT_TRUE(allows("192.168.0.1"));
  EXPECT_TRUE(allows("192.168.0.7"));
  EXPECT_FALSE(allows("203.0.113.1"));
  EXPECT_FALSE(allows("192.168.0.8"));
}

}  // namespace
}  // namespace ciliumcore
