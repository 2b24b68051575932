// SPDX-License-Identifier: Apache-2.0

// In which order the policies of the whole cluster are asked, and others.
// https://network-policy-api.sigs.k8s.io

#ifndef CILIUMCORE_TESTS_ORACLE_CLUSTER_TIER_CASES_H_
#define CILIUMCORE_TESTS_ORACLE_CLUSTER_TIER_CASES_H_

#include <string>
#include <vector>

#include "tests/oracle/policy_case.h"

namespace ciliumcore::testing {

inline std::vector<PolicyCase> ClusterTierCases() {
  const std::string deny_web = "ingress: [" + RuleOnApp("Deny", "web") + "]";
  const std::string accept_web =
      "ingress: [" + RuleOnApp("Accept", "web") + "]";
  const std::string pass_web = "ingress: [" + RuleOnApp("Pass", "web") + "]";
  const std::string isolate = Network("n", "podSelector: {}, ingress: []");
  const std::string open = Network("n", "podSelector: {}, ingress: [{}]");
  return {
      {"Deny of the Admin tier is final",
       Admin("c", 1, deny_web) + open,
       {{"db < web 80/TCP", "deny: c ingress[0]"},
        {"db < lone 80/TCP", "allow: n ingress[0]"},
        {"db > web 80/TCP", "allow: not isolated"}}},
      {"Accept of the Admin tier is final",
       Admin("c", 1, accept_web) + isolate,
       {{"db < web 80/TCP", "allow: c ingress[0]"},
        {"db < lone 80/TCP", "deny: default deny of n"}}},
      {"Accept is above the denials of Cilium",
       Admin("c", 1, accept_web) +
           CiliumRules("p", "ingressDeny: [{fromEntities: [all]}]"),
       {{"db < web 80/TCP", "allow: c ingress[0]"},
        {"db < lone 80/TCP", "deny: p ingressDeny[0]"}}},
      {"Accept is above authentication and proxies",
       Admin("c", 1, accept_web) +
           CiliumRules("p",
                       "ingress: [{fromEntities: [all], authentication: "
                       "{mode: required}}]"),
       {{"db < web 80/TCP", "allow: c ingress[0]"}}},
      {"Pass leaves it to NetworkPolicies",
       Admin("c", 1, pass_web) + Admin("d", 2, deny_web) + isolate,
       {{"db < web 80/TCP", "deny: default deny of n"}}},
      {"Pass skips the rest of the tier",
       Admin("c", 1, pass_web) + Admin("d", 2, deny_web),
       {{"db < web 80/TCP", "allow: not isolated"},
        {"bank < web 80/TCP", "allow: not isolated"}}},
      {"Pass skips rules behind it in its policy",
       Admin("c", 1,
             "ingress: [" + RuleOnApp("Pass", "web") + ", " +
                 RuleOnApp("Deny", "web") + "]"),
       {{"db < web 80/TCP", "allow: not isolated"}}},
      {"after Pass, the Baseline tier is asked",
       Admin("c", 1, pass_web) + Baseline("b", 1, deny_web),
       {{"db < web 80/TCP", "deny: b ingress[0]"}}},
      {"the lower number comes first",
       Admin("a", 2, deny_web) + Admin("z", 1, accept_web),
       {{"db < web 80/TCP", "allow: z ingress[0]"}}},
      {"among equals, names decide",
       Admin("b", 1, deny_web) + Admin("a", 1, accept_web),
       {{"db < web 80/TCP", "allow: a ingress[0]"}}},
      {"among equal names, kinds decide",
       Manifest("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", "a",
                "priority: 1, subject: {namespaces: {}}, ingress: [{action: "
                "Deny, from: [{namespaces: {}}]}]") +
           Admin("a", 1, accept_web),
       {{"db < web 80/TCP", "allow: a ingress[0]"},
        {"db < lone 80/TCP", "deny: a ingress[0]"}}},
      {"the first rule that matches decides",
       Admin("c", 1,
             "ingress: [" + RuleOnApp("Accept", "lone") + ", " +
                 RuleOnApp("Deny", "web") + ", " + RuleOnApp("Accept", "web") +
                 "]"),
       {{"db < web 80/TCP", "deny: c ingress[1]"},
        {"db < lone 80/TCP", "allow: c ingress[0]"}}},
      {"a policy that does not match leaves it to the next",
       Admin("c", 1, "ingress: [" + RuleOnApp("Accept", "lone") + "]") +
           Admin("d", 2, deny_web),
       {{"db < web 80/TCP", "deny: d ingress[0]"}}},
      {"the Baseline tier decides where nobody isolates",
       Baseline("b", 1, deny_web),
       {{"db < web 80/TCP", "deny: b ingress[0]"},
        {"db < lone 80/TCP", "allow: not isolated"}}},
      {"the Baseline tier is not asked where somebody isolates",
       Baseline("b", 1, deny_web) + open,
       {{"db < web 80/TCP", "allow: n ingress[0]"},
        {"bank < web 80/TCP", "deny: b ingress[0]"}}},
      {"the Baseline tier cannot open what is isolated",
       Baseline("b", 1, accept_web) + isolate,
       {{"db < web 80/TCP", "deny: default deny of n"},
        {"bank < web 80/TCP", "allow: b ingress[0]"}}},
      {"the Baseline tier is asked where Cilium's policies do not isolate",
       Baseline("b", 1, deny_web) +
           CiliumRules("p",
                       "enableDefaultDeny: {ingress: false}, ingress: "
                       "[{fromEntities: [all]}]"),
       {{"db < web 80/TCP", "deny: b ingress[0]"}}},
      {"the Baseline tier is not asked where Cilium's policies isolate",
       Baseline("b", 1, accept_web) + CiliumRules("p", "ingress: [{}]"),
       {{"db < web 80/TCP", "deny: default deny of p"}}},
      {"Pass of the Baseline tier ends it",
       Baseline("b", 1, pass_web) + Baseline("c", 2, deny_web),
       {{"db < web 80/TCP", "allow: not isolated"}}},
      {"the Admin tier comes first, whatever the numbers",
       Baseline("b", 1, deny_web) + Admin("c", 900, accept_web),
       {{"db < web 80/TCP", "allow: c ingress[0]"}}},
      {"a policy without rules of a direction isolates nobody in it",
       Admin("c", 1, "egress: []") + Baseline("b", 1, "ingress: []"),
       {{"db < web 80/TCP", "allow: not isolated"},
        {"db > host 80/TCP", "allow: not isolated"}}},
      {"the own node is above Deny",
       Admin("c", 1, deny_web),
       {{"db < host 80/TCP", "allow: own node"},
        {"db > host 80/TCP", "allow: not isolated"}}},
      {"the older kinds are of the same tiers",
       Manifest("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", "a",
                "priority: 5, subject: {namespaces: {}}, ingress: [{action: "
                "Pass, from: [{namespaces: {}}]}]") +
           Admin("c", 4, "ingress: [" + RuleOnApp("Deny", "lone") + "]") +
           Admin("d", 6, "ingress: [" + RuleOnApp("Deny", "web") + "]") +
           Manifest("policy.networking.k8s.io/v1alpha1",
                    "BaselineAdminNetworkPolicy", "default",
                    "subject: {namespaces: {}}, ingress: [{action: Deny, from: "
                    "[{namespaces: {}}]}]") +
           Baseline("z", 1000, accept_web),
       {{"db < lone 80/TCP", "deny: c ingress[0]"},
        {"db < web 80/TCP", "allow: z ingress[0]"},
        {"db < db 80/TCP", "deny: default ingress[0]"}}},
  };
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_CLUSTER_TIER_CASES_H_
