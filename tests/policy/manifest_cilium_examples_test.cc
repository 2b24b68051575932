// SPDX-License-Identifier: Apache-2.0

// Policies as people write them for Cilium.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/policy/cilium_text.h"

namespace ciliumcore {
namespace {

TEST(ManifestCiliumExamplesTest, AShopThatResolvesAndReachesItsPayments) {
  const CiliumSpec spec = OnlySpec(R"(
apiVersion: "cilium.io/v2"
kind: CiliumNetworkPolicy
metadata:
  name: "payments"
  namespace: shop
  annotations: {owner: "team-pay"}
spec:
  description: "carts ask the cluster's DNS, and pay by name"
  endpointSelector:
    matchLabels:
      app: cart
  egress:
  - toEndpoints:
    - matchLabels:
        "k8s:io.kubernetes.pod.namespace": kube-system
        "k8s:k8s-app": kube-dns
    toPorts:
    - ports:
      - port: "53"
        protocol: ANY
      rules:
        dns:
        - matchPattern: "*.payments.example"
        - matchName: "status.example"
  - toFQDNs:
    - matchPattern: "*.payments.example"
    toPorts:
    - ports:
      - port: "443"
        protocol: TCP
)");
  ASSERT_EQ(spec.egress.size(), 2u);
  const CiliumRule& dns = spec.egress[0];
  EXPECT_EQ(dns.peers->endpoints[0].ToString(),
            "k8s:io.kubernetes.pod.namespace=kube-system, "
            "k8s:k8s-app=kube-dns");
  EXPECT_EQ(dns.ports[0].ports,
            (std::vector<PortRule>{{Protocol::kAny, 53, {}, ""}}));
  EXPECT_EQ(dns.ports[0].dns.size(), 2u);
  EXPECT_EQ(spec.egress[1].peers->fqdns,
            (std::vector<DnsMatch>{{.pattern = "*.payments.example"}}));
  EXPECT_FALSE(spec.egress[1].ports[0].needs_proxy());
}

TEST(ManifestCiliumExamplesTest, ANamespaceOnItsOwn) {
  const Cluster cluster = Load(R"(
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: only-us, namespace: shop}
spec:
  endpointSelector: {}
  ingress:
  - fromEndpoints:
    - {}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: nothing-out, namespace: shop}
spec:
  endpointSelector: {}
  egress:
  - {}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: from-team, namespace: shop}
spec:
  endpointSelector:
    matchExpressions:
    - {key: app, operator: In, values: [cart, search]}
  ingress:
  - fromEndpoints:
    - matchLabels:
        k8s:io.cilium.k8s.namespace.labels.team: web
        io.cilium.k8s.policy.serviceaccount: front
    authentication: {mode: required}
)");
  ASSERT_EQ(cluster.cilium_policies.size(), 3u);
  const CiliumSpec& us = cluster.cilium_policies[0].specs[0];
  EXPECT_TRUE(us.endpoint_selector->matches_everything());
  EXPECT_TRUE(us.ingress[0].peers->endpoints[0].matches_everything());
  EXPECT_TRUE(us.ingress[0].ports.empty());
  const CiliumSpec& out = cluster.cilium_policies[1].specs[0];
  EXPECT_EQ(out.egress, std::vector<CiliumRule>(1));
  EXPECT_TRUE(out.denies_egress_by_default());
  EXPECT_FALSE(out.denies_ingress_by_default());
  const CiliumRule& team = cluster.cilium_policies[2].specs[0].ingress[0];
  EXPECT_EQ(team.authentication, CiliumAuthentication::kRequired);
  EXPECT_TRUE(team.peers->endpoints[0].Matches(
      Labels{{"io.cilium.k8s.namespace.labels.team", "web"},
             {"io.cilium.k8s.policy.serviceaccount", "front"}}));
}

TEST(ManifestCiliumExamplesTest, NodesLockedDown) {
  const CiliumSpec spec = OnlySpec(R"(
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: nodes}
spec:
  nodeSelector:
    matchLabels: {pool: edge}
  ingress:
  - fromEntities: [remote-node, health, kube-apiserver]
  - fromCIDR: ["198.51.100.0/24"]
    toPorts:
    - ports:
      - {port: "22", protocol: TCP}
      - {port: "30000", endPort: 32767, protocol: TCP}
  - icmps:
    - fields:
      - {type: EchoRequest, family: IPv4}
      - {type: EchoRequest, family: IPv6}
  ingressDeny:
  - fromCIDRSet:
    - {cidrGroupRef: blocked}
  egress:
  - toEntities: [all]
)");
  EXPECT_TRUE(spec.node_selector.has_value());
  ASSERT_EQ(spec.ingress.size(), 3u);
  EXPECT_EQ(spec.ingress[1].ports[0].ports[1].end_port, 32767);
  EXPECT_FALSE(spec.ingress[2].peers.has_value());
  EXPECT_EQ(spec.ingress[2].icmps,
            (std::vector<CiliumIcmp>{{false, 8}, {true, 128}}));
  EXPECT_EQ(spec.ingress_deny[0].peers->cidrs[0].group, "blocked");
}

TEST(ManifestCiliumExamplesTest, AClusterThatOptsInToDenials) {
  const CiliumSpec spec = OnlySpec(R"(
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: no-metadata-service}
specs:
- endpointSelector: {}
  enableDefaultDeny: {egress: false}
  egressDeny:
  - toCIDR: [169.254.169.254]
    toPorts:
    - ports: [{port: "80", protocol: TCP}]
)");
  EXPECT_FALSE(spec.denies_egress_by_default());
  EXPECT_EQ(spec.egress_deny[0].peers->cidrs[0].cidr,
            *IpPrefix::Parse("169.254.169.254/32"));
}

TEST(ManifestCiliumExamplesTest, JsonReadsAsYamlDoes) {
  const std::string yaml = CiliumText(R"(
  endpointSelector: {matchLabels: {app: api}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: web}}]
    toPorts:
    - ports: [{port: "8080", protocol: TCP}]
      rules: {http: [{method: GET, path: /v1/.*}]}
)");
  const std::string json = R"({"apiVersion": "cilium.io/v2",
    "kind": "CiliumNetworkPolicy",
    "metadata": {"name": "p", "namespace": "shop"},
    "spec": {"endpointSelector": {"matchLabels": {"app": "api"}},
      "ingress": [{"fromEndpoints": [{"matchLabels": {"app": "web"}}],
        "toPorts": [{"ports": [{"port": "8080", "protocol": "TCP"}],
          "rules": {"http": [{"method": "GET", "path": "/v1/.*"}]}}]}]}})";
  EXPECT_EQ(Load(yaml), Load(json));
}

}  // namespace
}  // namespace ciliumcore
