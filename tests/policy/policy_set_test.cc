// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/network_policy.h"

namespace ciliumcore {
namespace {

std::string PolicyText(const std::string& ns, const std::string& name) {
  return absl::StrCat(
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: "
      "{name: ",
      name, ", namespace: ", ns, "}\nspec: {podSelector: {}}\n---\n");
}

TEST(PolicySetTest, HoldsTheManifestsPoliciesInOrder) {
  const auto set = PolicySet::FromManifest(
      PolicyText("b", "a") + PolicyText("a", "z") + PolicyText("a", "w") +
      "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {}\n");
  ASSERT_TRUE(set.ok()) << set.status();
  std::string names;
  for (const NetworkPolicy& policy : set->policies()) {
    absl::StrAppend(&names, policy.ns, "/", policy.name, " ");
  }
  EXPECT_EQ(names, "a/w a/z b/a ");
}

TEST(PolicySetTest, SaysWhatIsWrongWithTheManifest) {
  EXPECT_EQ(
      PolicySet::FromManifest("kind: NetworkPolicy").status().message(),
      "-:1:1: NetworkPolicy: apiVersion: expected a version, such as v1, found "
      "nothing");
}

TEST(PolicySetTest, RefusesPoliciesThatWouldNotBeEnforced) {
  EXPECT_EQ(PolicySet::FromManifest(
                "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n"
                "metadata: {name: p}\n"
                "spec: {endpointSelector: {}, ingress: [{}]}\n")
                .status()
                .message(),
            "-: CiliumNetworkPolicy default/p: expected policies of kind "
            "NetworkPolicy "
            "in networking.k8s.io/v1, found another kind");
  EXPECT_FALSE(PolicySet::FromManifest(
                   "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: "
                   "AdminNetworkPolicy\nmetadata: {name: p}\n")
                   .ok());
}

TEST(PolicySetTest, MergesAllOrNothing) {
  PolicySet set = *PolicySet::FromManifest(PolicyText("a", "x"));
  const PolicySet other =
      *PolicySet::FromManifest(PolicyText("a", "w") + PolicyText("b", "x"));
  EXPECT_TRUE(set.Merge(other).ok());
  EXPECT_EQ(set.policies().size(), 3u);
  EXPECT_EQ(set.policies()[0].name, "w");
  const PolicySet before = set;
  const absl::Status twice = set.Merge(
      *PolicySet::FromManifest(PolicyText("a", "new") + PolicyText("b", "x")));
  EXPECT_EQ(twice.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(twice.message(), "NetworkPolicy b/x is there already");
  EXPECT_EQ(set, before);
}

TEST(PolicySetTest, AddsEachNameOnce) {
  NetworkPolicy policy;
  policy.name = "x";
  PolicySet set;
  for (const char* ns : {"a", "b"}) {
    policy.ns = ns;
    EXPECT_TRUE(set.Add(policy).ok());
    EXPECT_EQ(set.Add(policy).code(), absl::StatusCode::kAlreadyExists);
  }
  EXPECT_EQ(set.policies().size(), 2u);
}

}  // namespace
}  // namespace ciliumcore
