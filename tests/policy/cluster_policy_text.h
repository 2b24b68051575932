// SPDX-License-Identifier: Apache-2.0

// A ClusterNetworkPolicy by its spec, for tests.

#ifndef CILIUMCORE_TESTS_POLICY_CLUSTER_POLICY_TEXT_H_
#define CILIUMCORE_TESTS_POLICY_CLUSTER_POLICY_TEXT_H_

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tests/policy/manifest_text.h"

namespace ciliumcore {

// A policy with this spec, each line of which is indented by two; it begins at
// line 5.
inline std::string ClusterPolicyText(const std::string& spec) {
  return absl::StrCat(
      "apiVersion: policy.networking.k8s.io/v1alpha2\n"
      "kind: ClusterNetworkPolicy\nmetadata: {name: p}\nspec:\n",
      spec);
}

// What every policy needs; two lines.
inline constexpr absl::string_view kHead =
    "  {tier: Admin, priority: 5, subject: {namespaces: {}},\n";

inline ClusterPolicy Read(const std::string& spec) {
  const Cluster cluster = Load(ClusterPolicyText(spec));
  EXPECT_EQ(cluster.cluster_policies.size(), 1u);
  EXPECT_TRUE(cluster.policies.empty());
  EXPECT_TRUE(cluster.ignored.empty());
  EXPECT_TRUE(cluster.namespaces.empty());
  return cluster.cluster_policies.empty() ? ClusterPolicy()
                                          : cluster.cluster_policies[0];
}

// What is wrong, without the file and the object.
inline std::string WrongSpec(const std::string& spec) {
  return Without("m.yaml:", Without("ClusterNetworkPolicy p: ",
                                    Wrong(ClusterPolicyText(spec))));
}

// The fields of the first egress rule, or what is wrong with them; they begin
// at column 14 of line 6.
inline std::string EgressText(const std::string& fields) {
  return absl::StrCat(kHead, "   egress: [{", fields, "}]}\n");
}

inline ClusterRule ReadEgress(const std::string& fields) {
  const ClusterPolicy policy = Read(EgressText(fields));
  return policy.egress.empty() ? ClusterRule() : policy.egress[0];
}

inline std::string WrongEgress(const std::string& fields) {
  return WrongSpec(EgressText(fields));
}

// What is wrong with an element of `to`.
inline std::string WrongPeer(const std::string& element) {
  return WrongEgress("action: Accept, to: [" + element + "]");
}

}  // namespace ciliumcore

#endif  // CILIUMCORE_TESTS_POLICY_CLUSTER_POLICY_TEXT_H_
