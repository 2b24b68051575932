// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/cluster.h"

#include <gtest/gtest.h>

#include <vector>

#include "ciliumcore/policy/compiled_cluster.h"

namespace ciliumcore {
namespace {

TEST(PodIdentityLabelsTest, CarryTheNamespaceAndItsLabels) {
  const Namespace shop = MakeNamespace("shop", {{"env", "prod"}});
  const Labels labels = PodIdentityLabels({{"app", "web"}}, shop);
  EXPECT_EQ(labels.ToString(),
            "k8s:app=web, k8s:io.cilium.k8s.namespace.labels.env=prod, "
            "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/"
            "metadata.name=shop, k8s:io.kubernetes.pod.namespace=shop");
  EXPECT_EQ(NamespaceOf(labels), "shop");
}

TEST(PodIdentityLabelsTest, LeadBackToPodAndNamespace) {
  const Labels pod = {{"app", "web"}, {"io.cilium/x", "y"}};
  const Namespace shop = MakeNamespace("shop", {{"env", "prod"}});
  const Labels labels = PodIdentityLabels(pod, shop);
  EXPECT_EQ(PodLabelsOf(labels), pod);
  EXPECT_EQ(PodNamespaceOf(labels), shop);
}

TEST(PodIdentityLabelsTest, AreInDefaultWithoutANamespace) {
  const Labels labels = {{"app", "web"}};
  EXPECT_EQ(PodLabelsOf(labels), labels);
  EXPECT_EQ(PodNamespaceOf(labels), MakeNamespace("default"));
}

TEST(PodIdentityLabelsTest, ArePosedByNoLabelOfThePod) {
  const Labels posing = {{"app", "web"},
                         {kNamespaceKey, "kube-system"},
                         {"io.cilium.k8s.namespace.labels.env", "prod"}};
  const Labels labels = PodIdentityLabels(posing, MakeNamespace("shop"));
  EXPECT_EQ(NamespaceOf(labels), "shop");
  EXPECT_EQ(labels, PodIdentityLabels({{"app", "web"}}, MakeNamespace("shop")));
}

TEST(MakeNamespaceTest, ItsNameLabelIsItsName) {
  const Namespace shop =
      MakeNamespace("shop", {{kNamespaceNameLabel, "other"}});
  EXPECT_EQ(*shop.labels.Get(kNamespaceNameLabel), "shop");
}

TEST(IndexSlicesTest, AnEndpointsCountsWhereThereIsNoSlice) {
  Cluster cluster;
  cluster.slices = {
      {.ns = "shop", .name = "web", .service = "web", .is_endpoints = true},
      {.ns = "shop", .name = "web-1", .service = "web"},
      {.ns = "shop", .name = "web-2", .service = "web"},
      {.ns = "shop", .name = "db", .service = "db", .is_endpoints = true},
      {.ns = "shop", .name = "stray"},
  };
  const SliceIndex index = IndexSlices(cluster);
  ASSERT_EQ(index.size(), 2u);
  EXPECT_EQ(index.at({"shop", "web"}),
            (std::vector<const EndpointSlice*>{&cluster.slices[1],
                                               &cluster.slices[2]}));
  EXPECT_EQ(index.at({"shop", "db"}),
            std::vector<const EndpointSlice*>{&cluster.slices[3]});
}

TEST(PolicyContextOfTest, AServicesAddressesAreThoseOfItsSlices) {
  const auto endpoint = [](const char* address) {
    return SliceEndpoint{.addresses = {*IpAddress::Parse(address)}};
  };
  Cluster cluster;
  Service service;
  service.ns = "shop";
  service.name = "legacy";
  cluster.services = {service};
  cluster.slices = {{.ns = "shop",
                     .name = "legacy",
                     .service = "legacy",
                     .is_endpoints = true,
                     .endpoints = {endpoint("203.0.113.1")}},
                    {.ns = "shop",
                     .name = "legacy-1",
                     .service = "legacy",
                     .endpoints = {endpoint("203.0.113.2")}}};
  EXPECT_EQ(PolicyContextOf(cluster).services.at(0).addresses,
            std::vector<IpAddress>{*IpAddress::Parse("203.0.113.2")});
}

}  // namespace
}  // namespace ciliumcore
