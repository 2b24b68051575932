// SPDX-License-Identifier: Apache-2.0

// What the policies of the whole cluster mean, alone and beside others.
// https://network-policy-api.sigs.k8s.io

#ifndef CILIUMCORE_TESTS_ORACLE_CLUSTER_CASES_H_
#define CILIUMCORE_TESTS_ORACLE_CLUSTER_CASES_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/oracle/policy_case.h"

namespace ciliumcore::testing {

// A rule about pods with this label of app.
inline std::string RuleOnApp(const std::string& action, const std::string& app,
                             const std::string& ports = "") {
  return absl::StrCat("{action: ", action,
                      ", from: [{pods: {podSelector: {matchLabels: {app: ", app,
                      "}}}}]", ports.empty() ? "" : ", protocols: [", ports,
                      ports.empty() ? "" : "]", "}");
}

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

inline std::vector<PolicyCase> ClusterMatchCases() {
  const auto subject = [](const std::string& pods) {
    return Manifest("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy",
                    "c",
                    "tier: Admin, priority: 1, subject: {" + pods +
                        "}, egress: [{action: Deny, to: [{networks: "
                        "[0.0.0.0/0]}]}]");
  };
  const auto to = [](const std::string& peer, const std::string& action) {
    return Admin("c", 1,
                 "egress: [{action: " + action + ", to: [" + peer + "]}]");
  };
  const auto on = [](const std::string& ports) {
    return Admin("c", 1,
                 "ingress: [{action: Deny, from: [{namespaces: {}}], "
                 "protocols: [" +
                     ports + "]}]");
  };
  const std::string no = "allow: not isolated";
  const std::string yes = "deny: c ingress[0]";
  const std::string out = "deny: c egress[0]";
  return {
      {"subjects are pods of namespaces",
       subject("namespaces: {matchLabels: {team: one}}"),
       {{"web > world 80/TCP", out},
        {"bank > world 80/TCP", no},
        {"agent > world 80/TCP", "allow: nobody judges"}}},
      {"or pods by both labels",
       subject("pods: {namespaceSelector: {matchLabels: "
               "{kubernetes.io/metadata.name: bank}}, podSelector: "
               "{matchLabels: {app: web}}}"),
       {{"bank > world 80/TCP", out},
        {"web > world 80/TCP", no},
        {"init > world 80/TCP", no}}},
      {"peers are pods of namespaces",
       to("{namespaces: {matchLabels: {team: two}}}", "Deny"),
       {{"web > bank 80/TCP", out},
        {"web > init 80/TCP", out},
        {"web > db 80/TCP", no},
        {"web > world 80/TCP", no}}},
      {"or pods by both labels, with an address or without",
       to("{pods: {namespaceSelector: {matchLabels: {team: one}}, podSelector: "
          "{matchExpressions: [{key: tier, operator: DoesNotExist}]}}}",
          "Deny"),
       {{"web > db 80/TCP", out},
        {"web > lone 80/TCP", out},
        {"db > web 80/TCP", no},
        {"web > init 80/TCP", no},
        {"web > node 80/TCP", no}}},
      {"or nodes by label",
       to("{nodes: {matchLabels: {gpu: 'yes'}}}", "Deny"),
       {{"web > gpu 80/TCP", out},
        {"web > node 80/TCP", no},
        {"web > db 80/TCP", no}}},
      {"or all nodes",
       to("{nodes: {}}", "Deny"),
       {{"web > node 80/TCP", out},
        {"web > api 80/TCP", no},
        {"web > world 80/TCP", no}}},
      {"or networks, whoever is in them",
       to("{networks: [10.0.0.2/31, 192.168.0.0/24, 203.0.113.0/24]}", "Deny"),
       {{"web > db 80/TCP", out},
        {"web > node 80/TCP", out},
        {"web > world 80/TCP", out},
        {"web > bank 80/TCP", no},
        {"web > lone 80/TCP", no},
        {"web > host 80/TCP", "allow: own node"}}},
      {"networks of one family have none of the other",
       to("{networks: [0.0.0.0/0]}", "Deny"),
       {{"web > fd00::2 80/TCP", no}, {"web > six 80/TCP", no}}},
      {"or names that have resolved, outside",
       to("{domainNames: [example.com, db.example.com]}", "Accept") +
           Network("n", "podSelector: {}, policyTypes: [Egress]"),
       {{"web > 203.0.113.10 80/TCP", "allow: c egress[0]"},
        {"web > 203.0.113.13 80/TCP", "allow: c egress[0]"},
        {"web > db 80/TCP", "deny: default deny of n"},
        {"web > 203.0.113.11 80/TCP", "deny: default deny of n"}}},
      {"a star is one label or more, and not none",
       to("{domainNames: ['*.example.com']}", "Accept") +
           Network("n", "podSelector: {}, policyTypes: [Egress]"),
       {{"web > 203.0.113.11 80/TCP", "allow: c egress[0]"},
        {"web > 203.0.113.12 80/TCP", "allow: c egress[0]"},
        {"web > 203.0.113.10 80/TCP", "deny: default deny of n"}}},
      {"without ports, a rule is about every protocol",
       to("{networks: [0.0.0.0/0]}", "Deny"),
       {{"web > db 0/47", out}, {"web > db ICMP:8", out}}},
      {"a port is of one protocol",
       on("{tcp: {destinationPort: {number: 80}}}"),
       {{"db < web 80/TCP", yes},
        {"db < web 81/TCP", no},
        {"db < web 80/UDP", no}}},
      {"both ends of a range are in it",
       on("{udp: {destinationPort: {range: {start: 80, end: 82}}}}"),
       {{"db < web 79/UDP", no},
        {"db < web 80/UDP", yes},
        {"db < web 82/UDP", yes},
        {"db < web 83/UDP", no}}},
      {"a name is of whatever protocol the container says",
       on("{destinationNamedPort: dns}, {destinationNamedPort: http}"),
       {{"db < web 53/UDP", yes},
        {"db < web 53/TCP", no},
        {"db < web 80/TCP", yes},
        {"web < db 8080/TCP", yes},
        {"lone < db 80/TCP", no}}},
      {"of egress, a name is what the destination calls so",
       Admin("c", 1,
             "egress: [{action: Deny, to: [{namespaces: {}}], "
             "protocols: [{destinationNamedPort: http}]}]"),
       {{"web > db 80/TCP", out},
        {"db > web 8080/TCP", out},
        {"db > web 80/TCP", no},
        {"db > world 80/TCP", no}}},
      {"peers and ports must both match",
       Admin("c", 1,
             "ingress: [" +
                 RuleOnApp("Deny", "web",
                           "{tcp: {destinationPort: {number: 80}}}") +
                 "]"),
       {{"db < web 80/TCP", yes},
        {"db < lone 80/TCP", no},
        {"db < web 81/TCP", no}}},
  };
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_CLUSTER_CASES_H_
