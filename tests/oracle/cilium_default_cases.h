// SPDX-License-Identifier: Apache-2.0

// Whom Cilium's policies are about, what they isolate, and denials.
// https://docs.cilium.io/en/stable/security/policy/

#ifndef CILIUMCORE_TESTS_ORACLE_CILIUM_DEFAULT_CASES_H_
#define CILIUMCORE_TESTS_ORACLE_CILIUM_DEFAULT_CASES_H_

#include <string>
#include <vector>

#include "tests/oracle/policy_case.h"

namespace ciliumcore::testing {

inline std::vector<PolicyCase> CiliumDefaultCases() {
  const std::string from_web = kFromWeb;
  return {
      {"who is not selected is not isolated",
       Cilium("p", "endpointSelector: {matchLabels: {app: db}}, ingress: [{}]"),
       {{"web < db 80/TCP", "allow: not isolated"},
        {"db < web 80/TCP", "deny: default deny of p"}}},
      {"a rule makes the default a denial, in its direction",
       CiliumRules("p", "ingress: [{" + from_web + "}]"),
       {{"db < web 80/TCP", "allow: p ingress[0]"},
        {"db < lone 80/TCP", "deny: default deny of p"},
        {"db > lone 80/TCP", "allow: not isolated"}}},
      {"an empty rule allows nothing and isolates",
       CiliumRules("p", "egress: [{}]"),
       {{"web > db 80/TCP", "deny: default deny of p"},
        {"web < db 80/TCP", "allow: not isolated"}}},
      {"the default may stay to allow",
       CiliumRules("p", "enableDefaultDeny: {ingress: false}, ingress: [{" +
                            from_web + "}]"),
       {{"db < web 80/TCP", "allow: not isolated"},
        {"db < lone 80/TCP", "allow: not isolated"}}},
      {"rules of a policy that denies nothing by default count once another "
       "isolates",
       CiliumRules("p", "enableDefaultDeny: {ingress: false}, ingress: [{" +
                            from_web + "}]") +
           CiliumRules("q", "ingress: [{}]"),
       {{"db < web 80/TCP", "allow: p ingress[0]"},
        {"db < lone 80/TCP", "deny: default deny of q"}}},
      {"the default may be a denial without rules",
       CiliumRules("p",
                   "enableDefaultDeny: {ingress: true}, egress: [{toEntities: "
                   "[all]}]"),
       {{"db < web 80/TCP", "deny: default deny of p"},
        {"db > web 80/TCP", "allow: p egress[0]"}}},
      {"a denial makes the default one as well",
       CiliumRules("p", "ingressDeny: [{" + from_web + "}]"),
       {{"db < web 80/TCP", "deny: p ingressDeny[0]"},
        {"db < lone 80/TCP", "deny: default deny of p"}}},
      {"a denial without default deny leaves the rest",
       CiliumRules("p", "enableDefaultDeny: {ingress: false}, ingressDeny: [{" +
                            from_web + "}]"),
       {{"db < web 80/TCP", "deny: p ingressDeny[0]"},
        {"db < lone 80/TCP", "allow: not isolated"}}},
      {"denials prevail over every rule that allows, and all are told",
       CiliumRules("p", "ingress: [{" + from_web +
                            ", toPorts: [{ports: [{port: '80'}]}]}]") +
           CiliumRules("q", "ingressDeny: [{fromEntities: [none]}, {" +
                                from_web + "}, {fromEntities: [cluster]}]"),
       {{"db < web 80/TCP", "deny: q ingressDeny[1], q ingressDeny[2]"}}},
      {"denials prevail over NetworkPolicies",
       Network("n", "podSelector: {}, ingress: [{}]") +
           CiliumRules("p",
                       "enableDefaultDeny: {ingress: false}, ingressDeny: [{" +
                           from_web + "}]"),
       {{"db < web 80/TCP", "deny: p ingressDeny[0]"},
        {"db < lone 80/TCP", "allow: n ingress[0]"}}},
      {"all rules that allow are told, of both dialects",
       Network("n", "podSelector: {}, ingress: [{from: [{podSelector: {}}]}]") +
           CiliumRules(
               "p", "ingress: [{" + from_web + "}, {fromEntities: [cluster]}]"),
       {{"db < web 80/TCP", "allow: p ingress[0], p ingress[1], n ingress[0]"},
        {"db < lone 80/TCP", "allow: p ingress[1], n ingress[0]"},
        {"db < world 80/TCP", "deny: default deny of p, n"}}},
      {"a policy may have several specifications",
       "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: "
       "{name: p, namespace: shop}\nspecs: [{endpointSelector: {}, ingress: "
       "[{}]}, {endpointSelector: {}, ingress: [{" +
           from_web + "}], ingressDeny: [{fromEntities: [world]}]}]\n",
       {{"db < web 80/TCP", "allow: p specs[1].ingress[0]"},
        {"db < world 80/TCP", "deny: p specs[1].ingressDeny[0]"},
        {"db < lone 80/TCP", "deny: default deny of p"}}},
      {"the own node always gets through, above everything",
       CiliumRules("p",
                   "ingressDeny: [{fromEntities: [all]}], egressDeny: "
                   "[{toEntities: [all]}]") +
           Admin("c", 0, "ingress: [{action: Deny, from: [{namespaces: {}}]}]"),
       {{"db < host 80/TCP", "allow: own node"},
        {"db > host 80/TCP", "allow: own node"},
        {"db < agent 80/TCP", "allow: own node"},
        {"db < node 80/TCP", "deny: p ingressDeny[0]"}}},
      {"where nobody says anything, the own node is like others",
       CiliumRules("p", "egress: [{}]"),
       {{"db < host 80/TCP", "allow: not isolated"}}},
  };
}

inline std::vector<PolicyCase> CiliumSubjectCases() {
  return {
      {"a policy is about pods of its namespace",
       CiliumRules("p", "ingress: [{}]"),
       {{"lone < web 80/TCP", "deny: default deny of p"},
        {"bank < web 80/TCP", "allow: not isolated"}}},
      {"even if its selector names another one",
       Cilium("p",
              "endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod."
              "namespace': bank}}, ingress: [{}]"),
       {{"db < web 80/TCP", "deny: default deny of p"},
        {"bank < web 80/TCP", "allow: not isolated"}}},
      {"a clusterwide policy is about pods of all namespaces",
       Clusterwide("p", "endpointSelector: {}, ingress: [{}]"),
       {{"db < web 80/TCP", "deny: default deny of p"},
        {"bank < web 80/TCP", "deny: default deny of p"},
        {"init < web 80/TCP", "deny: default deny of p"}}},
      {"or of one",
       Clusterwide("p",
                   "endpointSelector: {matchLabels: {io.kubernetes.pod."
                   "namespace: bank, app: web}}, ingress: [{}]"),
       {{"web < db 80/TCP", "allow: not isolated"},
        {"bank < db 80/TCP", "deny: default deny of p"},
        {"init < db 80/TCP", "allow: not isolated"}}},
      {"or of those whose namespaces have a label",
       Clusterwide("p",
                   "endpointSelector: {matchLabels: {io.cilium.k8s.namespace."
                   "labels.team: one}}, ingress: [{}]"),
       {{"db < web 80/TCP", "deny: default deny of p"},
        {"bank < db 80/TCP", "allow: not isolated"}}},
      {"or of pods with a reserved identity",
       Clusterwide("p",
                   "endpointSelector: {matchLabels: {'reserved:init': ''}}, "
                   "ingress: [{}]"),
       {{"init < web 80/TCP", "deny: default deny of p"},
        {"bank < web 80/TCP", "allow: not isolated"}}},
      {"pods in the host's network are no subjects",
       Clusterwide("p", "endpointSelector: {}, ingress: [{}], egress: [{}]"),
       {{"agent < web 80/TCP", "allow: nobody judges"},
        {"agent > web 80/TCP", "allow: nobody judges"}}},
      {"expressions must hold as well",
       Cilium("p",
              "endpointSelector: {matchExpressions: [{key: app, operator: In, "
              "values: [db, web]}, {key: 'any:tier', operator: DoesNotExist}]},"
              " ingress: [{}]"),
       {{"db < web 80/TCP", "deny: default deny of p"},
        {"web < db 80/TCP", "allow: not isolated"},
        {"lone < db 80/TCP", "allow: not isolated"}}},
  };
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_CILIUM_DEFAULT_CASES_H_
