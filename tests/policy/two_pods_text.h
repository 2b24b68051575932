// SPDX-License-Identifier: Apache-2.0

// Two pods and policies of every dialect for one of them, as manifests.

#ifndef CILIUMCORE_TESTS_POLICY_TWO_PODS_TEXT_H_
#define CILIUMCORE_TESTS_POLICY_TWO_PODS_TEXT_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ciliumcore {

inline constexpr absl::string_view kTwoPods = R"(
apiVersion: v1
kind: Namespace
metadata: {name: town}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: town, labels: {app: web}}
spec: {}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: town, labels: {app: db}}
spec: {}
)";

// Isolates db, and allows web one port.
inline constexpr absl::string_view kDbFromWeb = R"(---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: town}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 80}]
)";

// A CiliumNetworkPolicy for the pod of that name; lines of the spec, indented
// by two.
inline std::string CiliumOf(const std::string& pod, const std::string& name,
                            const std::string& sections) {
  return absl::StrCat(
      "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n"
      "metadata: {name: ",
      name, ", namespace: town}\nspec:\n  endpointSelector: {matchLabels: ",
      "{app: ", pod, "}}\n", sections);
}
inline std::string CiliumOfDb(const std::string& name,
                              const std::string& sections) {
  return CiliumOf("db", name, sections);
}

// One that allows db to be reached from web on a port of TCP, with `rules` for
// a proxy.
inline std::string CiliumDbFromWeb(const std::string& name,
                                   const std::string& port,
                                   const std::string& rules = "") {
  return CiliumOfDb(
      name, absl::StrCat(
                "  ingress:\n  - fromEndpoints: [{matchLabels: {app: web}}]\n"
                "    toPorts:\n    - ports: [{port: '",
                port, "', protocol: TCP}]\n", rules));
}
inline constexpr char kHttp[] = "      rules: {http: [{method: GET}]}\n";

// A ClusterNetworkPolicy "guard" with one rule of ingress for db.
inline std::string ClusterOfDb(const std::string& tier,
                               const std::string& rule) {
  return absl::StrCat(
      "---\napiVersion: policy.networking.k8s.io/v1alpha2\n"
      "kind: ClusterNetworkPolicy\nmetadata: {name: guard}\nspec:\n  tier: ",
      tier,
      "\n  priority: 10\n  subject: {pods: {podSelector: {matchLabels: "
      "{app: db}}}}\n  ingress:\n  - ",
      rule, "\n");
}

}  // namespace ciliumcore

#endif  // CILIUMCORE_TESTS_POLICY_TWO_PODS_TEXT_H_
