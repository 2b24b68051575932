// SPDX-License-Identifier: Apache-2.0

// Wrong verdicts that were given elsewhere, by the report: what was wrong, and
// what is right.

#ifndef CILIUMCORE_TESTS_ORACLE_KNOWN_CASES_H_
#define CILIUMCORE_TESTS_ORACLE_KNOWN_CASES_H_

#include <string>
#include <vector>

#include "tests/oracle/policy_case.h"

namespace ciliumcore::testing {

inline std::vector<PolicyCase> KnownCases() {
  const std::string from_web = kFromWeb;
  const std::string on80 = "toPorts: [{ports: [{port: '80', protocol: TCP}]}]";
  const std::string http80 =
      "toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{path: "
      "/}]}}]";
  const std::string tcp80 = "{tcp: {destinationPort: {number: 80}}}";
  return {
      {"cilium#25427: a wide prefix that is denied, and one inside it allowed",
       CiliumRules("p",
                   "egress: [{toCIDR: [203.0.113.9/32]}, {toCIDR: "
                   "[198.51.100.0/24]}]") +
           CiliumRules("q", "egressDeny: [{toCIDR: [203.0.113.0/24]}]"),
       {{"web > world 80/TCP", "deny: q egressDeny[0]"},
        {"web > 203.0.113.10 80/TCP", "deny: q egressDeny[0]"},
        {"web > 198.51.100.1 80/TCP", "allow: p egress[1]"},
        {"web > 203.0.114.9 80/TCP", "deny: default deny of p, q"}}},
      {"cilium#24283: the world is denied, and a prefix of it allowed",
       CiliumRules("p",
                   "egress: [{toCIDR: [203.0.113.0/24]}, {toEntities: "
                   "[cluster]}]") +
           CiliumRules("q", "egressDeny: [{toEntities: [world]}]"),
       {{"web > world 80/TCP", "deny: q egressDeny[0]"},
        {"web > six 80/TCP", "deny: q egressDeny[0]"},
        {"web > db 80/TCP", "allow: p egress[1]"}}},
      {"cilium#29815: what is denied on all ports, and a port is allowed to "
       "all",
       CiliumRules("p", "ingress: [{" + on80 + "}]") +
           CiliumRules("q", "ingressDeny: [{" + from_web + "}]"),
       {{"db < web 80/TCP", "deny: q ingressDeny[0]"},
        {"db < web 81/TCP", "deny: q ingressDeny[0]"},
        {"db < lone 80/TCP", "allow: p ingress[0]"}}},
      {"cilium#29815: a port is denied to all, and somebody allowed on all",
       CiliumRules("p", "ingress: [{" + from_web + "}]") +
           CiliumRules("q",
                       "ingressDeny: [{toPorts: [{ports: [{port: '64', "
                       "endPort: 127}]}]}]"),
       {{"db < web 80/TCP", "deny: q ingressDeny[0]"},
        {"db < web 63/TCP", "allow: p ingress[0]"},
        {"db < web 128/TCP", "allow: p ingress[0]"}}},
      {"cilium#43893: Pass of a port and Deny of all of it, for one peer and "
       "for all",
       Admin("a", 1, "ingress: [" + RuleOnApp("Pass", "web", tcp80) + "]") +
           Admin("b", 2,
                 "ingress: [{action: Deny, from: [{namespaces: {}}]}]") +
           CiliumRules("p", "ingress: [{" + on80 + "}]"),
       {{"db < web 80/TCP", "allow: p ingress[0]"},
        {"db < web 81/TCP", "deny: b ingress[0]"},
        {"db < lone 80/TCP", "deny: b ingress[0]"},
        {"db < world 80/TCP", "allow: p ingress[0]"}}},
      {"cilium#43893: Pass of everything and Accept of a port behind it",
       Admin("a", 1, "ingress: [" + RuleOnApp("Pass", "web") + "]") +
           Admin("b", 2,
                 "ingress: [{action: Accept, from: [{namespaces: {}}], "
                 "protocols: [" +
                     tcp80 + "]}]") +
           CiliumRules("p", "ingress: [{}]"),
       {{"db < web 80/TCP", "deny: default deny of p"},
        {"db < lone 80/TCP", "allow: b ingress[0]"}}},
      {"cilium#43916: Pass, and the next that decides is two tiers on",
       Admin("a", 1, "ingress: [" + RuleOnApp("Pass", "web") + "]") +
           Baseline("b", 1, "ingress: [" + RuleOnApp("Deny", "web") + "]"),
       {{"db < web 80/TCP", "deny: b ingress[0]"},
        {"db < lone 80/TCP", "allow: not isolated"}}},
      {"cilium#43916: Pass for one peer, and all are allowed behind it",
       Admin("a", 1, "ingress: [" + RuleOnApp("Pass", "web") + "]") +
           Baseline("b", 1,
                    "ingress: [{action: Accept, from: [{namespaces: {}}]}]"),
       {{"db < web 80/TCP", "allow: b ingress[0]"},
        {"db < lone 80/TCP", "allow: b ingress[0]"}}},
      {"cilium#48918: rules by peer and by port, of which neither is above the "
       "other",
       CiliumRules("p", "ingress: [{" + from_web + "}, {" + http80 + "}]"),
       {{"db < web 80/TCP", "redirect to 10001: p ingress[0], p ingress[1]"},
        {"db < web 81/TCP", "allow: p ingress[0]"},
        {"db < lone 80/TCP", "redirect to 10001: p ingress[1]"}}},
      {"cilium#48918: nor is the longer port above the wider one",
       CiliumRules("p", "ingress: [{" + from_web + ", " + on80 +
                            "}, {toPorts: [{ports: [{port: '64', endPort: "
                            "127}]}], authentication: {mode: required}}]"),
       {{"db < web 80/TCP", "deny: unauthenticated for p ingress[1]"},
        {"db < web 81/TCP", "deny: unauthenticated for p ingress[1]"}}},
      {"cilium#41304: ICMP type 0 is a type, and not all of them",
       Clusterwide("p",
                   "endpointSelector: {}, ingress: [{icmps: [{fields: "
                   "[{family: IPv4, type: 0}]}]}], egress: [{icmps: [{fields: "
                   "[{family: IPv4, type: 0}, {family: IPv4, type: 8}]}]}]"),
       {{"db < web ICMP:0", "allow: p ingress[0]"},
        {"db < web ICMP:0:7", "allow: p ingress[0]"},
        {"db < web ICMP:8", "deny: default deny of p"},
        {"db < web ICMP:1", "deny: default deny of p"},
        {"db > web ICMP:8", "allow: p egress[0]"},
        {"db > web ICMP:3", "deny: default deny of p"},
        {"db < web ICMPv6:0", "deny: default deny of p"}}},
      {"GHSA-3wwx-63fv-pfq6: a prefix that is denied, and one inside it in a "
       "policy that denies nothing by default",
       Clusterwide("block",
                   "endpointSelector: {}, egress: [{toEntities: [all]}], "
                   "egressDeny: [{toCIDRSet: [{cidr: 203.0.113.0/24}]}]") +
           CiliumRules("open",
                       "enableDefaultDeny: {egress: false}, egress: "
                       "[{toCIDRSet: [{cidr: 203.0.113.10/32}]}]"),
       {{"web > world 80/TCP", "deny: block egressDeny[0]"},
        {"web > 203.0.113.10 80/TCP", "deny: block egressDeny[0]"},
        {"web > 203.0.114.1 80/TCP", "allow: block egress[0]"}}},
      {"cilium#36393: entities beside a group of prefixes",
       CiliumRules("p", "ingress: [{fromEntities: [cluster], " + on80 +
                            "}, {fromCIDRSet: [{cidrGroupRef: partners}], " +
                            on80 + "}]"),
       {{"db < bank 80/TCP", "allow: p ingress[0]"},
        {"db < 198.51.100.1 80/TCP", "allow: p ingress[1]"}}},
  };
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_KNOWN_CASES_H_
