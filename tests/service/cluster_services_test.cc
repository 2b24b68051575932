// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/service/cluster_services.h"

#include <gtest/gtest.h>

#include <string>

namespace ciliumcore {
namespace {

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }

Pod MakePod(const char* name, std::vector<IpAddress> addresses) {
  Pod pod;
  pod.ns = "shop";
  pod.name = name;
  pod.labels = {{"app", "cart"}};
  pod.addresses = std::move(addresses);
  pod.ports = {
      {.name = "http", .port = {.protocol = Protocol::kTcp, .port = 8080}}};
  return pod;
}

Service MakeService() {
  Service service;
  service.ns = "shop";
  service.name = "cart";
  service.selector =
      LabelSelector{.match_labels = {{"app", "cart"}}, .match_expressions = {}};
  service.ports = {{.name = "web",
                    .port = {.protocol = Protocol::kTcp, .port = 80},
                    .target_port = {},
                    .target_name = "http",
                    .node_port = 0}};
  service.cluster_ips = {Ip("10.96.0.7")};
  return service;
}

Cluster MakeCluster() {
  Cluster cluster;
  cluster.pods = {MakePod("a", {Ip("10.0.0.1"), Ip("fd00::1")}),
                  MakePod("b", {Ip("10.0.0.2")})};
  cluster.services = {MakeService()};
  return cluster;
}

TEST(ClusterServicesTest, ResolvesSelectorsAndNamedPorts) {
  Cluster cluster = MakeCluster();
  cluster.pods[1].ports[0].port.port = 9090;  // the same name, another number
  const auto services = ServicesOf(cluster);
  ASSERT_TRUE(services.ok()) << services.status();
  ASSERT_EQ(services->services.size(), 1u);
  const ServiceOptions& cart = services->services[0];
  EXPECT_EQ(cart.name, "shop/cart:web");
  EXPECT_EQ(cart.frontend.ToString(), "10.96.0.7:80/TCP");
  EXPECT_EQ(cart.backends,
            (std::vector<Backend>{{.address = Ip("10.0.0.1"), .port = 8080},
                                  {.address = Ip("10.0.0.2"), .port = 9090}}));
  EXPECT_TRUE(services->notes.empty());
}

TEST(ClusterServicesTest, ChoosesBackendsOfTheFamily) {
  Cluster cluster = MakeCluster();
  cluster.services[0].cluster_ips = {Ip("10.96.0.7"), Ip("fd00:96::7")};
  const auto services = ServicesOf(cluster);
  ASSERT_TRUE(services.ok()) << services.status();
  ASSERT_EQ(services->services.size(), 2u);
  EXPECT_EQ(services->services[0].backends.size(), 2u);
  EXPECT_EQ(services->services[1].backends,
            (std::vector<Backend>{{.address = Ip("fd00::1"), .port = 8080}}));
}

TEST(ClusterServicesTest, AssignsAddressesThatNobodyHas) {
  Cluster cluster = MakeCluster();
  cluster.services.push_back(MakeService());
  cluster.services[1].name = "other";
  cluster.services[1].cluster_ips.clear();
  cluster.services[0].cluster_ips = {Ip("10.96.0.1")};
  const auto services = ServicesOf(
      cluster, {.service_cidrs = {*IpPrefix::Parse("10.96.0.0/30"),
                                  *IpPrefix::Parse("fd00:96::/112")}});
  ASSERT_TRUE(services.ok()) << services.status();
  ASSERT_EQ(services->services.size(), 3u);
  EXPECT_EQ(services->services[1].frontend.address, Ip("10.96.0.2"));
  EXPECT_EQ(services->services[2].frontend.address, Ip("fd00:96::1"));
  cluster.services.push_back(cluster.services[1]);
  cluster.services.push_back(cluster.services[1]);
  EXPECT_EQ(
      ServicesOf(cluster, {.service_cidrs = {*IpPrefix::Parse("10.96.0.0/30")}})
          .status(),
      absl::ResourceExhaustedError(
          "service shop/other: 10.96.0.0/30 has no free address"));
}

TEST(ClusterServicesTest, SaysWhatHasNoBackends) {
  Cluster cluster = MakeCluster();
  cluster.services[0].ports[0].target_name = "grpc";
  cluster.services.push_back(MakeService());
  cluster.services[1].name = "nobody";
  cluster.services[1].cluster_ips = {Ip("10.96.0.8")};
  cluster.services[1].selector->match_labels = {{"app", "nobody"}};
  const auto services = ServicesOf(cluster);
  ASSERT_TRUE(services.ok()) << services.status();
  EXPECT_EQ(
      services->notes,
      (std::vector<std::string>{
          "service shop/cart:web 10.96.0.7:80/TCP: no pod that it selects "
          "has a port grpc",
          "service shop/nobody:web 10.96.0.8:80/TCP: it selects no pod"}));
  for (const ServiceOptions& service : services->services)
    EXPECT_TRUE(service.backends.empty());
}

TEST(ClusterServicesTest, RefusesAFrontendOfTwo) {
  Cluster cluster = MakeCluster();
  cluster.services.push_back(MakeService());
  cluster.services[1].name = "twin";
  EXPECT_EQ(ServicesOf(cluster).status(),
            absl::InvalidArgumentError(
                "service shop/twin:web 10.96.0.7:80/TCP: its frontend is also "
                "that of service shop/cart:web"));
}

TEST(ClusterServicesTest, KnowsAffinityAndLeavesOutWhatHasNoFrontend) {
  Cluster cluster = MakeCluster();
  cluster.services[0].affinity_seconds = 60;
  cluster.services.push_back(MakeService());
  cluster.services[1].is_headless = true;
  const auto services = ServicesOf(cluster);
  ASSERT_TRUE(services.ok()) << services.status();
  ASSERT_EQ(services->services.size(), 1u);
  EXPECT_EQ(services->services[0].affinity, Affinity::kClientIp);
  EXPECT_EQ(services->services[0].affinity_timeout, absl::Seconds(60));
}

}  // namespace
}  // namespace ciliumcore
