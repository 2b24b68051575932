// SPDX-License-Identifier: Apache-2.0

// The addresses of services, and who answers for them: EndpointSlices and
// Endpoints.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/manifest.h"
#include "tests/policy/manifest_text.h"

namespace ciliumcore {
namespace {

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }

// The body begins in line 4.
std::string SliceText(const std::string& body) {
  return absl::StrCat(
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: "
      "db-x, namespace: shop, labels: {kubernetes.io/service-name: db}}\n",
      body, "\n");
}

std::string EndpointsText(const std::string& subset) {
  return absl::StrCat(
      "apiVersion: v1\nkind: Endpoints\nmetadata: {name: db, namespace: "
      "shop}\nsubsets: [{",
      subset, "}]\n");
}

std::string ServiceText(const std::string& name, const std::string& spec) {
  return absl::StrCat("apiVersion: v1\nkind: Service\nmetadata: {name: ", name,
                      ", namespace: shop}\nspec: {ports: [{port: 1}], ", spec,
                      "}\n---\n");
}

TEST(ManifestSliceTest, ReadsEveryField) {
  const Cluster cluster = Load(SliceText(R"(addressType: IPv6
endpoints:
- addresses: ["fd00::1", "fd00::9"]
  conditions: {ready: true, serving: true, terminating: false}
  hostname: db-0
  nodeName: n1
  zone: z
  hints: {forZones: [{name: z}], forNodes: [{name: n1}, {name: n2}]}
  deprecatedTopology: {a: b}
  targetRef: {kind: Pod, namespace: shop, name: db-0, uid: u}
- addresses: ["fd00::2"]
  conditions: {ready: false, serving: true, terminating: true}
- addresses: ["fd00::3"]
  conditions: {ready: false}
- addresses: ["fd00::4"]
ports:
- {name: sql, port: 5432, protocol: TCP, appProtocol: postgresql}
- {port: 53, protocol: UDP}
- {name: any, port: null})"));
  ASSERT_EQ(cluster.slices.size(), 1u);
  const EndpointSlice& slice = cluster.slices[0];
  EXPECT_EQ(slice.ns, "shop");
  EXPECT_EQ(slice.name, "db-x");
  EXPECT_EQ(slice.service, "db");
  EXPECT_FALSE(slice.is_endpoints);
  const std::vector<SliceEndpoint> endpoints = {
      {.addresses = {Ip("fd00::1")},
       .node = "n1",
       .for_zones = {"z"},
       .for_nodes = {"n1", "n2"}},
      {.addresses = {Ip("fd00::2")},
       .is_ready = false,
       .is_serving = true,
       .is_terminating = true},
      {.addresses = {Ip("fd00::3")}, .is_ready = false, .is_serving = false},
      {.addresses = {Ip("fd00::4")}}};
  EXPECT_EQ(slice.endpoints, endpoints);
  const std::vector<SlicePort> ports = {{"sql", Protocol::kTcp, 5432},
                                        {"", Protocol::kUdp, 53},
                                        {"any", Protocol::kTcp, {}}};
  EXPECT_EQ(slice.ports, ports);
  EXPECT_TRUE(cluster.namespaces.contains("shop"));
}

TEST(ManifestSliceTest, MayBeEmptyOrOfNames) {
  const Cluster empty =
      Load(SliceText("addressType: IPv4\nendpoints: null\nports: null"));
  EXPECT_TRUE(empty.slices[0].endpoints.empty());
  const Cluster names = Load(
      SliceText("addressType: FQDN\nendpoints: [{addresses: [db.example]}]"));
  ASSERT_EQ(names.slices[0].endpoints.size(), 1u);
  EXPECT_TRUE(names.slices[0].endpoints[0].addresses.empty());
}

TEST(ManifestSliceTest, RefusesWhatCannotBe) {
  const std::string head = "EndpointSlice shop/db-x: ";
  EXPECT_EQ(Wrong(SliceText("endpoints: []")),
            "m.yaml:1:1: " + head +
                "addressType: expected IPv4, IPv6 or FQDN, found nothing");
  EXPECT_EQ(Wrong(SliceText("addressType: ipv4")),
            "m.yaml:4:14: " + head +
                "addressType: expected IPv4, IPv6 or FQDN, found ipv4");
  EXPECT_EQ(Wrong(SliceText("addressType: IPv4\nendpoint: []")),
            "m.yaml:5:1: " + head +
                "endpoint: expected endpoints, found an unknown field");
  const auto endpoint = [&](const std::string& fields) {
    return Wrong(SliceText("addressType: IPv4\nendpoints: [{" + fields + "}]"));
  };
  EXPECT_EQ(endpoint("addresses: []"),
            "m.yaml:5:25: " + head +
                "endpoints[0].addresses: expected 1 to 100 addresses, found 0");
  EXPECT_EQ(endpoint("hostname: a"),
            "m.yaml:5:13: " + head +
                "endpoints[0].addresses: expected 1 to 100 addresses, found "
                "nothing");
  EXPECT_EQ(endpoint("addresses: ['fd00::1']"),
            "m.yaml:5:26: " + head +
                "endpoints[0].addresses[0]: expected an IPv4 address, by "
                "addressType, found \"fd00::1\"");
  EXPECT_EQ(endpoint("addresses: [127.0.0.1]"),
            "m.yaml:5:26: " + head +
                "endpoints[0].addresses[0]: expected an address of a host: not "
                "unspecified, loopback, link-local or multicast, found "
                "127.0.0.1");
  EXPECT_EQ(endpoint("addresses: [10.0.0.1], conditions: {ready: yes}"),
            "m.yaml:5:57: " + head +
                "endpoints[0].conditions.ready: expected true or false, found "
                "yes");
  EXPECT_EQ(endpoint("addresses: [10.0.0.1], conditions: {readyy: true}"),
            "m.yaml:5:50: " + head +
                "endpoints[0].conditions.readyy: expected ready, found an "
                "unknown field");
  EXPECT_EQ(endpoint("addresses: [10.0.0.1], targetRef: {pod: a}"),
            "m.yaml:5:49: " + head +
                "endpoints[0].targetRef.pod: expected uid, found an unknown "
                "field");
  const auto port = [&](const std::string& fields) {
    return Wrong(SliceText("addressType: IPv4\nports: [" + fields + "]"));
  };
  EXPECT_EQ(port("{port: 0}"),
            "m.yaml:5:16: " + head +
                "ports[0].port: expected a port in 1..65535, "
                "found 0");
  EXPECT_EQ(port("{port: 1, protocol: ICMP}"),
            "m.yaml:5:29: " + head +
                "ports[0].protocol: expected TCP, UDP or SCTP, found ICMP");
  EXPECT_EQ(port("{port: 1}, {port: 2}"),
            "m.yaml:5:20: " + head +
                "ports[1].name: expected each name once, found nothing");
}

TEST(ManifestSliceTest, RefusesMoreThanTheServerTakes) {
  std::string endpoints;
  for (int i = 0; i < 1001; ++i) {
    absl::StrAppend(&endpoints, "{addresses: [10.0.", i / 256, ".", i % 256,
                    "]}, ");
  }
  EXPECT_EQ(
      Wrong(SliceText("addressType: IPv4\nendpoints: [" + endpoints + "]")),
      "m.yaml:5:12: EndpointSlice shop/db-x: endpoints: expected at most 1000 "
      "endpoints, found 1001");
}

TEST(ManifestEndpointsTest, AreASliceForEachSubset) {
  const Cluster cluster = Load(EndpointsText(
      "addresses: [{ip: 10.0.0.1, targetRef: {kind: Pod, name: a}}], "
      "notReadyAddresses: [{ip: 10.0.0.2}], ports: [{port: 80}]}, {addresses: "
      "[{ip: 10.0.0.3}], ports: [{name: x, port: 81}]"));
  ASSERT_EQ(cluster.slices.size(), 2u);
  const EndpointSlice& slice = cluster.slices[0];
  EXPECT_EQ(slice.service, "db");
  EXPECT_TRUE(slice.is_endpoints);
  const std::vector<SliceEndpoint> endpoints = {
      {.addresses = {Ip("10.0.0.1")}},
      {.addresses = {Ip("10.0.0.2")}, .is_ready = false, .is_serving = false}};
  EXPECT_EQ(slice.endpoints, endpoints);
  EXPECT_EQ(cluster.slices[1].ports,
            (std::vector<SlicePort>{{"x", Protocol::kTcp, 81}}));
}

TEST(ManifestEndpointsTest, RefuseWhatCannotBe) {
  EXPECT_EQ(Wrong(EndpointsText("addresses: [{hostname: a}]")),
            "m.yaml:4:24: Endpoints shop/db: subsets[0].addresses[0].ip: "
            "expected an IP address, found nothing");
  EXPECT_EQ(Wrong(EndpointsText("ports: [{name: a}]")),
            "m.yaml:4:20: Endpoints shop/db: subsets[0].ports[0].port: "
            "expected a port in 1..65535, found nothing");
  EXPECT_EQ(Wrong(EndpointsText("address: []")),
            "m.yaml:4:12: Endpoints shop/db: subsets[0].address: expected "
            "addresses, found an unknown field");
}

TEST(ManifestClusterIpTest, RefusesOneOfTwoServices) {
  EXPECT_EQ(Wrong(ServiceText("a", "clusterIP: 10.96.0.7") +
                  ServiceText("b", "clusterIP: 10.96.0.7")),
            "m.yaml:9:39: Service shop/b: spec.clusterIP: expected an address "
            "of its own, found 10.96.0.7 of Service shop/a");
  EXPECT_TRUE(TryLoad(ServiceText("a", "clusterIP: None") +
                      ServiceText("b", "clusterIP: None"))
                  .ok());
}

TEST(ManifestClusterIpTest, IsOfItsFamily) {
  const auto wrong = [](const std::string& spec) {
    return Wrong(ServiceText("a", spec));
  };
  EXPECT_EQ(wrong("ipFamilies: [IPv6], clusterIP: 10.96.0.7"),
            "m.yaml:4:59: Service shop/a: spec.clusterIP: expected an IPv6 "
            "address, by ipFamilies, found 10.96.0.7");
  EXPECT_EQ(wrong("ipFamilies: [IPv5]"),
            "m.yaml:4:41: Service shop/a: spec.ipFamilies[0]: expected IPv4 or "
            "IPv6, found IPv5");
  EXPECT_EQ(wrong("clusterIPs: [10.96.0.7, 10.96.0.8]"),
            "m.yaml:4:52: Service shop/a: spec.clusterIPs[1]: expected an "
            "address of the other family, found 10.96.0.8");
  EXPECT_EQ(wrong("clusterIP: 10.96.0.7, clusterIPs: [10.96.0.8]"),
            "m.yaml:4:39: Service shop/a: spec.clusterIP: expected 10.96.0.8, "
            "as in clusterIPs, found 10.96.0.7");
  EXPECT_TRUE(
      TryLoad(ServiceText("a",
                          "ipFamilies: [IPv6, IPv4], clusterIPs: ['fd00::1', "
                          "10.96.0.7], clusterIP: 'fd00::1'"))
          .ok());
}

}  // namespace
}  // namespace ciliumcore
