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

EndpointSlice MakeSlice(std::vector<SliceEndpoint> endpoints) {
  EndpointSlice slice;
  slice.ns = "shop";
  slice.name = "cart-x";
  slice.service = "cart";
  slice.endpoints = std::move(endpoints);
  slice.ports = {{.name = "web", .protocol = Protocol::kTcp, .port = 8081}};
  return slice;
}

constexpr bool kReady = true;

SliceEndpoint At(const char* address, bool is_ready = kReady) {
  return {
      .addresses = {Ip(address)}, .is_ready = is_ready, .is_serving = is_ready};
}

SliceEndpoint Ending(const char* address) {
  return {.addresses = {Ip(address)},
          .is_ready = false,
          .is_serving = true,
          .is_terminating = true};
}

TEST(ClusterServicesTest, SlicesStandInForTheSelector) {
  Cluster cluster = MakeCluster();
  cluster.slices = {
      MakeSlice({At("10.1.0.1"), At("10.1.0.2", !kReady), At("fd01::1")}),
      MakeSlice({At("10.1.0.1"), At("10.1.0.3")})};
  cluster.slices[1].ports[0].port = 9091;
  cluster.slices.push_back(MakeSlice({At("10.1.0.9")}));
  cluster.slices[2].ns = "elsewhere";
  const auto services = ServicesOf(cluster);
  ASSERT_TRUE(services.ok()) << services.status();
  EXPECT_EQ(services->services[0].backends,
            (std::vector<Backend>{{.address = Ip("10.1.0.1"), .port = 8081},
                                  {.address = Ip("10.1.0.1"), .port = 9091},
                                  {.address = Ip("10.1.0.3"), .port = 9091}}));
  EXPECT_EQ(services->notes,
            (std::vector<std::string>{"EndpointSlice elsewhere/cart-x: there "
                                      "is no service cart"}));
}

TEST(ClusterServicesTest, EndpointsCountOnlyWithoutSlices) {
  Cluster cluster = MakeCluster();
  cluster.services[0].selector.reset();
  cluster.slices = {MakeSlice({At("10.1.0.1")})};
  cluster.slices[0].is_endpoints = true;
  const auto of = [&] { return ServicesOf(cluster)->services[0].backends; };
  EXPECT_EQ(of(),
            (std::vector<Backend>{{.address = Ip("10.1.0.1"), .port = 8081}}));
  cluster.slices.push_back(MakeSlice({At("10.1.0.2")}));
  EXPECT_EQ(of(),
            (std::vector<Backend>{{.address = Ip("10.1.0.2"), .port = 8081}}));
}

TEST(ClusterServicesTest, ThoseThatEndGetNewClientsOnlyIfNobodyIsReady) {
  Cluster cluster = MakeCluster();
  cluster.slices = {MakeSlice({At("10.1.0.1"), Ending("10.1.0.2")})};
  const auto of = [&] { return ServicesOf(cluster)->services[0].backends; };
  EXPECT_EQ(of(),
            (std::vector<Backend>{{.address = Ip("10.1.0.1"), .port = 8081},
                                  {.address = Ip("10.1.0.2"),
                                   .port = 8081,
                                   .state = BackendState::kTerminating}}));
  const auto weights = [&] {
    std::vector<uint32_t> found;
    for (const Backend& backend :
         BackendsInForce(ServicesOf(cluster)->services[0])) {
      found.push_back(backend.weight);
    }
    return found;
  };
  EXPECT_EQ(weights(), (std::vector<uint32_t>{1, 0}));
  cluster.slices = {MakeSlice({At("10.1.0.1", !kReady), Ending("10.1.0.2")})};
  EXPECT_EQ(weights(), (std::vector<uint32_t>{1}));
}

TEST(ClusterServicesTest, SaysWhySlicesGiveNoBackends) {
  Cluster cluster = MakeCluster();
  const auto why = [&] {
    const auto services = ServicesOf(cluster);
    EXPECT_TRUE(services->services[0].backends.empty());
    EXPECT_EQ(services->notes.size(), 1u);
    return services->notes[0];
  };
  const std::string head = "service shop/cart:web 10.96.0.7:80/TCP: ";
  cluster.slices = {MakeSlice({At("10.1.0.1", !kReady), At("fd01::1")})};
  EXPECT_EQ(why(), head +
                       "its slices have no endpoint of its family that is "
                       "ready");
  for (const SlicePort& port :
       {SlicePort{.name = "web", .protocol = Protocol::kTcp, .port = {}},
        SlicePort{.name = "web", .protocol = Protocol::kUdp, .port = 80},
        SlicePort{.name = "", .protocol = Protocol::kTcp, .port = 80}}) {
    cluster.slices = {MakeSlice({At("10.1.0.1")})};
    cluster.slices[0].ports = {port};
    EXPECT_EQ(why(),
              head + "its slices have no TCP port \"web\" with a number");
  }
  cluster.slices.clear();
  cluster.services[0].selector.reset();
  EXPECT_EQ(why(), head + "it has no selector and no slices");
}

TEST(ServiceTest, StatesSayWhoGetsClients) {
  ServiceOptions service;
  const auto add = [&](int i, uint32_t weight, BackendState state) {
    service.backends.push_back({.address = IpAddress::FromV4(i),
                                .port = 80,
                                .weight = weight,
                                .state = state});
  };
  add(1, 5, BackendState::kTerminating);
  add(2, 6, BackendState::kQuarantined);
  add(3, 7, BackendState::kMaintenance);
  add(4, 0, BackendState::kActive);
  const auto in_force = [&] {
    std::vector<std::pair<uint32_t, uint32_t>> found;
    for (const Backend& backend : BackendsInForce(service)) {
      found.emplace_back(backend.address.bytes()[15], backend.weight);
    }
    return found;
  };
  using Found = std::vector<std::pair<uint32_t, uint32_t>>;
  EXPECT_EQ(in_force(), (Found{{1, 5}, {3, 0}, {4, 0}}));
  service.backends[3].weight = 1;
  EXPECT_EQ(in_force(), (Found{{1, 0}, {3, 0}, {4, 1}}));
}

TEST(ServiceTest, RefusesWeightsAndRangesThatCannotBe) {
  ServiceOptions service = {
      .name = "shop/cart",
      .frontend = {.address = Ip("10.96.0.7"),
                   .port = {.protocol = Protocol::kTcp, .port = 80}},
      .backends = {{.address = Ip("10.0.0.1"), .port = 80, .weight = 65536}}};
  EXPECT_EQ(ValidateService(service),
            absl::InvalidArgumentError(
                "service shop/cart 10.96.0.7:80/TCP: its backend 10.0.0.1:80: "
                "expected a weight of at most 65535, found 65536"));
  service.backends[0].weight = 65535;
  service.source_ranges = {*IpPrefix::Parse("fd00::/8")};
  EXPECT_EQ(ValidateService(service),
            absl::InvalidArgumentError(
                "service shop/cart 10.96.0.7:80/TCP: its source range fd00::/8 "
                "is of the other address family"));
}

TEST(ServiceTest, RefusesMoreBackendsThanATableTellsApart) {
  ServiceOptions service = {
      .name = "shop/cart",
      .frontend = {.address = Ip("10.96.0.7"),
                   .port = {.protocol = Protocol::kTcp, .port = 80}}};
  for (uint32_t i = 0; i < 65535; ++i) {
    service.backends.push_back(
        {.address = IpAddress::FromV4(0x0a000001 + i), .port = 80});
  }
  EXPECT_EQ(ValidateService(service), absl::OkStatus());
  service.backends.push_back({.address = Ip("10.9.0.1"), .port = 80});
  EXPECT_EQ(ValidateService(service),
            absl::InvalidArgumentError(
                "service shop/cart 10.96.0.7:80/TCP: expected at most 65535 "
                "backends, found 65536"));
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
