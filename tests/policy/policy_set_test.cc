// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/policy_set.h"

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
  for (const NetworkPolicy& policy : set->policies().policies) {
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

TEST(PolicySetTest, HoldsEveryDialect) {
  const auto set = PolicySet::FromManifest(R"(
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p}
spec: {endpointSelector: {}, ingress: [{}]}
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: office}
spec: {externalCIDRs: [10.0.0.0/8]}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: guard}
spec: {tier: Admin, priority: 1, subject: {namespaces: {}}}
)");
  ASSERT_TRUE(set.ok()) << set.status();
  const Policies& policies = set->policies();
  EXPECT_EQ(policies.cilium_policies.at(0).ToString(),
            "CiliumNetworkPolicy default/p");
  EXPECT_EQ(policies.cidr_groups.at(0).name, "office");
  EXPECT_EQ(policies.cluster_policies.at(0).ToString(),
            "ClusterNetworkPolicy guard");
  PolicySet copy = *set;
  EXPECT_EQ(copy.Add(policies.cluster_policies[0]).message(),
            "ClusterNetworkPolicy guard is there already");
  EXPECT_EQ(copy.Add(policies.cidr_groups[0]).message(),
            "CiliumCIDRGroup office is there already");
}

TEST(PolicySetTest, RefusesPoliciesThatWouldNotBeEnforced) {
  EXPECT_EQ(PolicySet::FromManifest(
                "apiVersion: crd.projectcalico.org/v1\n"
                "kind: GlobalNetworkPolicy\nmetadata: {name: p}\n")
                .status()
                .message(),
            "-: GlobalNetworkPolicy p: expected a policy of Kubernetes or of "
            "Cilium, found another kind");
}

TEST(PolicySetTest, MergesAllOrNothing) {
  PolicySet set = *PolicySet::FromManifest(PolicyText("a", "x"));
  const PolicySet other =
      *PolicySet::FromManifest(PolicyText("a", "w") + PolicyText("b", "x"));
  EXPECT_TRUE(set.Merge(other).ok());
  EXPECT_EQ(set.policies().policies.size(), 3u);
  EXPECT_EQ(set.policies().policies[0].name, "w");
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
  EXPECT_EQ(set.policies().policies.size(), 2u);
}

}  // namespace
}  // namespace ciliumcore
