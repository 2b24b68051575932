// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/cluster.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace ciliumcore
