// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/named_end.h"

#include <string>
#include <vector>

#include "ciliumcore/policy/manifest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ciliumcore {
namespace {

using ::testing::ElementsAre;

// A Deployment of two without addresses, and a pod of two addresses.
constexpr char kPods[] = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}}
---
apiVersion: v1
kind: Pod
metadata: {name: probe, namespace: shop}
spec: {}
status: {podIP: 10.0.0.9, podIPs: [{ip: 10.0.0.9}, {ip: "fd00::9"}]}
)";

class NamedEndTest : public ::testing::Test {
 protected:
  NamedEndTest() {
    const std::vector<ManifestSource> sources = {{"pods", kPods}};
    absl::StatusOr<CompiledCluster> compiled =
        CompileCluster(LoadManifests(sources).value());
    EXPECT_TRUE(compiled.ok()) << compiled.status();
    cluster_ = *std::move(compiled);
  }

  // How the ends call themselves, or what is wrong.
  std::vector<std::string> Find(absl::string_view text) {
    const auto ends = FindNamedEnds(cluster_, text);
    if (!ends.ok()) return {ends.status().ToString()};
    std::vector<std::string> names;
    for (const NamedEnd& end : *ends) names.push_back(end.ToString());
    return names;
  }

  CompiledCluster cluster_;
};

TEST_F(NamedEndTest, AnAddressIsAPodsOrOutside) {
  EXPECT_THAT(Find("10.0.0.9"), ElementsAre("shop/probe (10.0.0.9)"));
  EXPECT_THAT(Find("203.0.113.1"), ElementsAre("203.0.113.1"));
}

TEST_F(NamedEndTest, APodStandsOnceForEachOfItsAddresses) {
  EXPECT_THAT(Find("shop/probe"),
              ElementsAre("shop/probe (10.0.0.9)", "shop/probe (fd00::9)"));
}

TEST_F(NamedEndTest, AWorkloadIsItsPods) {
  EXPECT_THAT(Find("shop/web"), ElementsAre("shop/web-0", "shop/web-1"));
  EXPECT_THAT(Find("shop/web[Deployment]"),
              ElementsAre("shop/web-0", "shop/web-1"));
  EXPECT_THAT(Find("shop/web-1"), ElementsAre("shop/web-1"));
}

TEST_F(NamedEndTest, SaysWhatThereIsInstead) {
  EXPECT_THAT(Find("shop/wep"),
              ElementsAre("NOT_FOUND: no pod or workload is named shop/wep; "
                          "there is shop/probe, shop/web"));
  EXPECT_THAT(Find("stop/web"),
              ElementsAre("NOT_FOUND: no pod or workload is named stop/web, "
                          "and no pod is in the namespace stop"));
  EXPECT_THAT(Find("web"),
              ElementsAre("INVALID_ARGUMENT: \"web\" is neither an address "
                          "nor namespace/name"));
}

TEST(PolicyPortTest, OfIcmpItIsTheType) {
  EXPECT_EQ(*PolicyPortOf({Protocol::kTcp, 8}), 8);
  EXPECT_EQ(*PolicyPortOf({Protocol::kIcmp, 8}), 8 << 8);
  EXPECT_EQ(*PolicyPortOf({Protocol::kIcmpv6, 255}), 255 << 8);
  EXPECT_EQ(PolicyPortOf({Protocol::kIcmp, 256}).status().ToString(),
            "INVALID_ARGUMENT: ICMP: expected a type in 0..255, found 256");
}

TEST_F(NamedEndTest, EndsOfOneFamilyMayMeet) {
  const std::vector<NamedEnd> probe = *FindNamedEnds(cluster_, "shop/probe");
  EXPECT_FALSE(MayMeet(probe[0], probe[1]));
  EXPECT_TRUE(MayMeet(probe[1], probe[1]));
  EXPECT_TRUE(MayMeet(probe[1], FindNamedEnds(cluster_, "shop/web")->front()))
      << "who has no address may have any";
}

}  // namespace
}  // namespace ciliumcore
