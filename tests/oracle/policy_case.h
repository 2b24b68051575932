// SPDX-License-Identifier: Apache-2.0

// Sentences of what policies mean, each with a flow that shows it: for
// whatever claims to judge as they say. All flows are of one town.

#ifndef CILIUMCORE_TESTS_ORACLE_POLICY_CASE_H_
#define CILIUMCORE_TESTS_ORACLE_POLICY_CASE_H_

#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/policy_input.h"
#include "tests/oracle/oracle.h"
#include "tests/oracle/random_cluster.h"

namespace ciliumcore::testing {

// Whom "db < web 80/TCP" asks about traffic from web, and "db > web 80/TCP"
// about traffic to web, is db. Instead of a port, "ICMP:8" and "ICMP:8:0" mean
// a type and a code.
struct Asked {
  std::string flow;
  std::string answer;  // as Brief writes it
};

struct PolicyCase {
  std::string sentence;
  std::string manifests;
  std::vector<Asked> asked;
};

inline std::ostream& operator<<(std::ostream& out, const PolicyCase& one) {
  return out << one.sentence;
}

// The town with the policies of these manifests:
//
//   web, db   pods of the namespace shop, whose team is one; db has ports named
//             http (80/TCP), sql (5432/TCP) and dns (53/UDP); web calls 8080 so
//   lone      a pod of shop without address
//   bank      a pod of the namespace bank, whose team is two, that has the
//             labels of web
//   init      a pod of bank that has the identity init, and no labels
//   agent     a pod of shop in the host's network
//   host, node, gpu      this node, one without labels, one with gpu=yes
//   api, world, six      the API server; addresses outside, the last of IPv6
//
// and with services (shop/db, shop/legacy, bank/web, default/kubernetes), names
// below example.com and groups of addresses (partners, office).
absl::StatusOr<PolicyInput> TownWith(const std::string& manifests);

// The flow and the side of it that is asked. Ends are names or addresses.
struct AskedFlow {
  Flow flow;
  Direction direction;
};
absl::StatusOr<AskedFlow> ParseFlow(const PolicyInput& town,
                                    const std::string& text);

// "allow: p ingress[0], q ingress[1]", "redirect to 10001: p ingress[0]",
// "deny: default deny of p", "allow: not isolated", "allow: own node", "deny:
// unauthenticated for p ingress[0]", "allow: nobody judges".
std::string Brief(const Judgement& judgement);

// Manifests; `spec` is what stands between the braces. Cilium's policies and
// NetworkPolicies are of the namespace shop.
inline std::string Manifest(const std::string& api, const std::string& kind,
                            const std::string& name, const std::string& spec) {
  return absl::StrCat("---\napiVersion: ", api, "\nkind: ", kind,
                      "\nmetadata: {name: '", name, "'",
                      kind == "NetworkPolicy" || kind == "CiliumNetworkPolicy"
                          ? ", namespace: shop"
                          : "",
                      "}\nspec: {", spec, "}\n");
}
inline std::string Network(const std::string& name, const std::string& spec) {
  return Manifest("networking.k8s.io/v1", "NetworkPolicy", name, spec);
}
inline std::string Cilium(const std::string& name, const std::string& spec) {
  return Manifest("cilium.io/v2", "CiliumNetworkPolicy", name, spec);
}
inline std::string Clusterwide(const std::string& name,
                               const std::string& spec) {
  return Manifest("cilium.io/v2", "CiliumClusterwideNetworkPolicy", name, spec);
}
// Of all pods of shop.
inline std::string CiliumRules(const std::string& name,
                               const std::string& rules) {
  return Cilium(name, "endpointSelector: {}, " + rules);
}
// Of all pods.
inline std::string Tier(const std::string& name, const std::string& tier,
                        int priority, const std::string& rules) {
  return Manifest("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy",
                  name,
                  absl::StrCat("tier: ", tier, ", priority: ", priority,
                               ", subject: {namespaces: {}}, ", rules));
}
inline std::string Admin(const std::string& name, int priority,
                         const std::string& rules) {
  return Tier(name, "Admin", priority, rules);
}
inline std::string Baseline(const std::string& name, int priority,
                            const std::string& rules) {
  return Tier(name, "Baseline", priority, rules);
}

// Peers of a rule of ingress: web, and in no other namespace.
inline const char kFromWeb[] = "fromEndpoints: [{matchLabels: {app: web}}]";

// A rule of a policy of the whole cluster about pods with this label of app.
inline std::string RuleOnApp(const std::string& action, const std::string& app,
                             const std::string& ports = "") {
  return absl::StrCat("{action: ", action,
                      ", from: [{pods: {podSelector: {matchLabels: {app: ", app,
                      "}}}}]", ports.empty() ? "" : ", protocols: [", ports,
                      ports.empty() ? "" : "]", "}");
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_POLICY_CASE_H_
