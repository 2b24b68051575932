// SPDX-License-Identifier: Apache-2.0

// Which addresses a service has on a node, and which of its backends.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ciliumcore/policy/manifest.h"
#include "ciliumcore/service/cluster_services.h"

namespace ciliumcore {
namespace {

constexpr char kNodes[] = R"(
apiVersion: v1
kind: Node
metadata:
  name: n1
  labels: {topology.kubernetes.io/zone: z1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Node
metadata:
  name: n2
  labels: {topology.kubernetes.io/zone: z2}
status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}
---
)";

constexpr char kService[] = R"(
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.7
  externalIPs: [198.51.100.7, 203.0.113.7]
  ports: [{name: web, port: 80, nodePort: 30080}]
  loadBalancerSourceRanges: [198.51.100.0/24, "fd00::/8"]
  %s
status:
  loadBalancer:
    ingress: [{ip: 203.0.113.7}, {ip: 203.0.113.8, ipMode: Proxy}]
---
)";

// Endpoints 10.0.0.1 on n1 and 10.0.0.2 on n2, with `hints` of each.
std::string Slice(const std::string& first, const std::string& second) {
  return absl::StrCat(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: cart-x
  namespace: shop
  labels: {kubernetes.io/service-name: cart}
addressType: IPv4
ports: [{name: web, port: 8080}]
endpoints:
- {addresses: [10.0.0.1], nodeName: n1, )",
                      first, "}\n- {addresses: [10.0.0.2], nodeName: n2, ",
                      second, "}\n");
}

std::string Manifest(const std::string& more = "sessionAffinity: None") {
  std::string text = kService;
  text.replace(text.find("%s"), 2, more);
  return text;
}

Cluster Read(const std::string& manifests) {
  const auto cluster = LoadManifests({{"test", manifests}}, {});
  EXPECT_TRUE(cluster.ok()) << cluster.status();
  return cluster.value_or(Cluster());
}

// "ClusterIP 10.96.0.7:80/TCP -> 10.0.0.1 10.0.0.2", a line each.
std::string Text(const absl::StatusOr<ClusterServices>& services) {
  if (!services.ok()) return services.status().ToString();
  std::string text;
  for (const ServiceOptions& service : services->services) {
    absl::StrAppend(&text, FrontendKindName(service.kind), " ",
                    service.frontend.ToString(), " ->");
    for (const Backend& backend : service.backends)
      absl::StrAppend(&text, " ", backend.address.ToString(), ":",
                      backend.port);
    if (!service.source_ranges.empty()) {
      absl::StrAppend(&text,
                      service.source_ranges_deny ? " not from" : " from");
      for (const IpPrefix& range : service.source_ranges)
        absl::StrAppend(&text, " ", range.ToString());
    }
    text += "\n";
  }
  return text;
}

TEST(ClusterFrontendsTest, InsideAllAddressesAreServed) {
  const Cluster cluster = Read(kNodes + Manifest() + Slice("", ""));
  EXPECT_EQ(Text(ServicesOf(cluster, {.node = "n1"})),
            "ClusterIP 10.96.0.7:80/TCP -> 10.0.0.1:8080 10.0.0.2:8080\n"
            "LoadBalancer 203.0.113.7:80/TCP -> 10.0.0.1:8080 10.0.0.2:8080 "
            "from 198.51.100.0/24\n"
            "ExternalIP 198.51.100.7:80/TCP -> 10.0.0.1:8080 10.0.0.2:8080\n"
            "NodePort 192.0.2.1:30080/TCP -> 10.0.0.1:8080 10.0.0.2:8080\n");
}

TEST(ClusterFrontendsTest, FromOutsideNobodyReachesAClusterIp) {
  const Cluster cluster = Read(kNodes + Manifest() + Slice("", ""));
  EXPECT_EQ(Text(ServicesOf(cluster,
                            {.scope = ServiceScope::kExternal, .node = "n2"})),
            "LoadBalancer 203.0.113.7:80/TCP -> 10.0.0.1:8080 10.0.0.2:8080 "
            "from 198.51.100.0/24\n"
            "ExternalIP 198.51.100.7:80/TCP -> 10.0.0.1:8080 10.0.0.2:8080\n"
            "NodePort 192.0.2.2:30080/TCP -> 10.0.0.1:8080 10.0.0.2:8080\n");
}

TEST(ClusterFrontendsTest, TheExternalPolicyIsOfWhatComesFromOutside) {
  const Cluster cluster =
      Read(kNodes + Manifest("externalTrafficPolicy: Local") + Slice("", ""));
  const std::string outside = Text(
      ServicesOf(cluster, {.scope = ServiceScope::kExternal, .node = "n2"}));
  EXPECT_EQ(outside,
            "LoadBalancer 203.0.113.7:80/TCP -> 10.0.0.2:8080 "
            "from 198.51.100.0/24\n"
            "ExternalIP 198.51.100.7:80/TCP -> 10.0.0.2:8080\n"
            "NodePort 192.0.2.2:30080/TCP -> 10.0.0.2:8080\n");
  EXPECT_NE(Text(ServicesOf(cluster, {.node = "n2"}))
                .find("NodePort 192.0.2.2:30080/TCP -> 10.0.0.1:8080 10.0.0.2"),
            std::string::npos);
}

TEST(ClusterFrontendsTest, TheInternalPolicyIsOfClusterIps) {
  const Cluster cluster =
      Read(kNodes + Manifest("internalTrafficPolicy: Local") + Slice("", ""));
  const std::string inside = Text(ServicesOf(cluster, {.node = "n1"}));
  EXPECT_NE(inside.find("ClusterIP 10.96.0.7:80/TCP -> 10.0.0.1:8080\n"),
            std::string::npos)
      << inside;
  EXPECT_NE(inside.find("NodePort 192.0.2.1:30080/TCP -> 10.0.0.1:8080 10.0."),
            std::string::npos)
      << inside;
}

TEST(ClusterFrontendsTest, ANodeWithoutBackendsOfItsOwnIsTold) {
  const Cluster cluster =
      Read(kNodes + Manifest("internalTrafficPolicy: Local") +
           Slice("conditions: {ready: false}", ""));
  const auto services = ServicesOf(cluster, {.node = "n1"});
  ASSERT_TRUE(services.ok()) << services.status();
  ASSERT_EQ(services->notes.size(), 1u);
  EXPECT_EQ(services->notes[0],
            "service shop/cart:web 10.96.0.7:80/TCP: its traffic policy is "
            "Local, and node n1 has none of its backends");
}

TEST(ClusterFrontendsTest, HintsChooseTheZoneIfAllHaveThem) {
  const std::string head = kNodes + Manifest();
  const auto cluster_ip = [&](const std::string& slice, const char* node) {
    const std::string text =
        Text(ServicesOf(Read(head + slice), {.node = node}));
    return text.substr(0, text.find('\n'));
  };
  const std::string both =
      "ClusterIP 10.96.0.7:80/TCP -> 10.0.0.1:8080 10.0.0.2:8080";
  const std::string hints = Slice("hints: {forZones: [{name: z1}]}",
                                  "hints: {forZones: [{name: z2}]}");
  EXPECT_EQ(cluster_ip(hints, "n1"),
            "ClusterIP 10.96.0.7:80/TCP -> 10.0.0.1:8080");
  EXPECT_EQ(cluster_ip(hints, "n2"),
            "ClusterIP 10.96.0.7:80/TCP -> 10.0.0.2:8080");
  EXPECT_EQ(cluster_ip(Slice("hints: {forZones: [{name: z1}]}", ""), "n1"),
            both)
      << "one has none";
  EXPECT_EQ(cluster_ip(Slice("hints: {forZones: [{name: z2}]}",
                             "hints: {forZones: [{name: z2}]}"),
                       "n1"),
            both)
      << "none is for this zone";
  EXPECT_EQ(cluster_ip(Slice("hints: {forZones: [{name: z1}], "
                             "forNodes: [{name: n2}]}",
                             "hints: {forZones: [{name: z2}], "
                             "forNodes: [{name: n1}]}"),
                       "n1"),
            "ClusterIP 10.96.0.7:80/TCP -> 10.0.0.2:8080")
      << "a node's come before a zone's";
}

TEST(ClusterFrontendsTest, SourceRangesMayDeny) {
  std::string service = Manifest();
  service.replace(service.find("namespace: shop}"), 16,
                  "namespace: shop, annotations: "
                  "{service.cilium.io/src-ranges-policy: deny}}");
  EXPECT_NE(
      Text(ServicesOf(Read(kNodes + service + Slice("", "")), {.node = "n1"}))
          .find("10.0.0.2:8080 not from 198.51.100.0/24\n"),
      std::string::npos);
}

TEST(ClusterFrontendsTest, RangesOfTheOtherFamilyLetNobodyIn) {
  Cluster cluster = Read(kNodes + Manifest() + Slice("", ""));
  cluster.services[0].source_ranges = {*IpPrefix::Parse("fd00::/8")};
  EXPECT_NE(Text(ServicesOf(cluster, {.node = "n1"}))
                .find("10.0.0.2:8080 from 0.0.0.0/32\n"),
            std::string::npos);
}

TEST(ClusterFrontendsTest, HostPortsLeadToTheNodesOwnPods) {
  constexpr char kPod[] = R"(
apiVersion: v1
kind: Pod
metadata: {name: dns, namespace: shop}
spec:
  nodeName: n1
  containers:
  - name: c
    ports:
    - {containerPort: 53, hostPort: 5353, protocol: UDP}
    - {containerPort: 80, hostPort: 8080, hostIP: 127.0.0.1}
    - {containerPort: 81}
status: {podIP: 10.0.0.9}
)";
  const Cluster cluster = Read(std::string(kNodes) + kPod);
  EXPECT_EQ(Text(ServicesOf(cluster, {.node = "n1"})),
            "HostPort 192.0.2.1:5353/UDP -> 10.0.0.9:53\n"
            "HostPort 127.0.0.1:8080/TCP -> 10.0.0.9:80\n");
  EXPECT_EQ(Text(ServicesOf(cluster, {.node = "n2"})), "");
  EXPECT_EQ(Text(ServicesOf(cluster)), "");
}

TEST(ClusterFrontendsTest, OfTwoThatWantOneAddressTheFirstKindHasIt) {
  constexpr char kPod[] = R"(
apiVersion: v1
kind: Pod
metadata: {name: greedy, namespace: bank}
spec:
  nodeName: n1
  containers:
  - {name: c, ports: [{containerPort: 80, hostPort: 30080}]}
status: {podIP: 10.0.0.9}
---
apiVersion: v1
kind: Service
metadata: {name: greedy, namespace: bank}
spec: {clusterIP: 10.96.0.9, externalIPs: [10.96.0.7], ports: [{port: 80}]}
---
)";
  const Cluster cluster =
      Read(kNodes + std::string(kPod) + Manifest() + Slice("", ""));
  const auto services = ServicesOf(cluster, {.node = "n1"});
  ASSERT_TRUE(services.ok()) << services.status();
  for (const ServiceOptions& service : services->services) {
    if (service.frontend.address == *IpAddress::Parse("10.96.0.7") ||
        service.frontend.port.port == 30080) {
      EXPECT_EQ(service.name, "shop/cart:web");
    }
  }
  EXPECT_THAT(
      services->notes,
      ::testing::IsSupersetOf(
          {"service bank/greedy:80 10.96.0.7:80/TCP: its frontend is also that "
           "of service shop/cart:web",
           "service bank/greedy:30080 192.0.2.1:30080/TCP: its frontend is "
           "also that of service shop/cart:web"}));
}

TEST(ClusterFrontendsTest, AServiceHasFrontendsOfItsFamiliesAlone) {
  const std::string dual = "sessionAffinity: None\n  ipFamilies: [IPv4]";
  const Cluster cluster = Read(kNodes + Manifest(dual) + Slice("", ""));
  const auto services = ServicesOf(
      cluster, {.node = "n1",
                .node_addresses = {*IpAddress::Parse("192.0.2.1"),
                                   *IpAddress::Parse("2001:db8::1")}});
  ASSERT_TRUE(services.ok()) << services.status();
  for (const ServiceOptions& service : services->services)
    EXPECT_TRUE(service.frontend.address.is_v4()) << service.ToString();
  EXPECT_TRUE(services->notes.empty());
}

TEST(ClusterFrontendsTest, WhoEndsHasNoHintsAndKeepsItsClients) {
  const Cluster cluster = Read(
      kNodes + Manifest() +
      Slice("hints: {forZones: [{name: z1}]}",
            "conditions: {ready: false, serving: true, terminating: true}"));
  const auto services = ServicesOf(cluster, {.node = "n1"});
  ASSERT_TRUE(services.ok()) << services.status();
  const std::vector<Backend>& backends = services->services[0].backends;
  ASSERT_EQ(backends.size(), 2u);
  EXPECT_EQ(backends[1].state, BackendState::kTerminating);
}

TEST(ClusterFrontendsTest, RefusesANodeThatIsNone) {
  EXPECT_EQ(ServicesOf(Read(kNodes), {.node = "n3"}).status(),
            absl::InvalidArgumentError(
                "node n3: expected a Node of that name, found none"));
}

TEST(ClusterFrontendsTest, RefusesUnknownTrafficPolicies) {
  const absl::Status refused =
      LoadManifests({{"test", Manifest("externalTrafficPolicy: Nearby")}}, {})
          .status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_NE(refused.message().find(
                "spec.externalTrafficPolicy: expected Cluster or Local"),
            std::string::npos)
      << refused;
}

}  // namespace
}  // namespace ciliumcore
