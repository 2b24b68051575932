// SPDX-License-Identifier: Apache-2.0

// What Cilium's rules demand of whom they allow: authentication and proxies. In
// the town, that of requests listens on 10001, of names on 10002, of TLS on
// 10003, and that of listeners on 10004.
// https://docs.cilium.io/en/stable/security/policy/

#ifndef CILIUMCORE_TESTS_ORACLE_CILIUM_DEMAND_CASES_H_
#define CILIUMCORE_TESTS_ORACLE_CILIUM_DEMAND_CASES_H_

#include <string>
#include <vector>

#include "tests/oracle/policy_case.h"

namespace ciliumcore::testing {

inline std::vector<PolicyCase> CiliumDemandCases() {
  const std::string from_web = kFromWeb;
  const std::string http =
      "toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{path: "
      "/}]}}]";
  return {
      {"authentication denies until it was done, which nobody does",
       CiliumRules("p", "ingress: [{" + from_web +
                            ", authentication: {mode: required}}]"),
       {{"db < web 80/TCP", "deny: unauthenticated for p ingress[0]"},
        {"db < lone 80/TCP", "deny: default deny of p"}}},
      {"authentication that is disabled demands nothing",
       CiliumRules("p", "ingress: [{" + from_web +
                            ", authentication: {mode: disabled}}]"),
       {{"db < web 80/TCP", "allow: p ingress[0]"}}},
      {"one rule that demands authentication is enough, and told alone",
       CiliumRules("p", "ingress: [{" + from_web + "}, {" + from_web +
                            ", authentication: {mode: test-always-fail}}]"),
       {{"db < web 80/TCP", "deny: unauthenticated for p ingress[1]"}}},
      {"denials prevail over authentication",
       CiliumRules("p", "ingress: [{" + from_web +
                            ", authentication: {mode: required}}], "
                            "ingressDeny: [{fromEntities: [cluster]}]"),
       {{"db < web 80/TCP", "deny: p ingressDeny[0]"}}},
      {"authentication is demanded even if nobody isolates",
       CiliumRules("p", "enableDefaultDeny: {ingress: false}, ingress: [{" +
                            from_web + ", authentication: {mode: required}}]"),
       {{"db < web 80/TCP", "deny: unauthenticated for p ingress[0]"},
        {"db < lone 80/TCP", "allow: not isolated"}}},
      {"requests go to the proxy, on the port",
       CiliumRules("p", "ingress: [{" + from_web + ", " + http + "}]"),
       {{"db < web 80/TCP", "redirect to 10001: p ingress[0]"},
        {"db < web 81/TCP", "deny: default deny of p"},
        {"db < lone 80/TCP", "deny: default deny of p"}}},
      {"to the proxy, even if another rule allows the port as it is",
       CiliumRules("p", "ingress: [{" + from_web + "}, {" + http + "}]"),
       {{"db < web 80/TCP", "redirect to 10001: p ingress[0], p ingress[1]"},
        {"db < web 81/TCP", "allow: p ingress[0]"},
        {"db < world 80/TCP", "redirect to 10001: p ingress[1]"}}},
      {"to the proxy, even if nobody isolates",
       CiliumRules("p", "enableDefaultDeny: {ingress: false}, ingress: [{" +
                            from_web + "}, {" + http + "}]"),
       {{"db < web 80/TCP", "redirect to 10001: p ingress[0], p ingress[1]"},
        {"db < web 81/TCP", "allow: not isolated"}}},
      {"of several lists of ports in a rule, one for the proxy is enough",
       CiliumRules("p",
                   "ingress: [{toPorts: [{ports: [{port: '80', protocol: "
                   "TCP}]}, {ports: [{port: '80', protocol: TCP}], rules: "
                   "{http: [{}]}}]}]"),
       {{"db < web 80/TCP", "redirect to 10001: p ingress[0]"}}},
      {"names that are asked for go to the proxy",
       CiliumRules("p",
                   "egress: [{toPorts: [{ports: [{port: '53', protocol: UDP}], "
                   "rules: {dns: [{matchPattern: '*'}]}}]}]"),
       {{"web > db 53/UDP", "redirect to 10002: p egress[0]"},
        {"web > db 53/TCP", "deny: default deny of p"}}},
      {"names of servers go to the proxy of TLS",
       CiliumRules("p",
                   "egress: [{toPorts: [{ports: [{port: '443', protocol: "
                   "TCP}], serverNames: [example.com]}]}]"),
       {{"web > world 443/TCP", "redirect to 10003: p egress[0]"}}},
      {"requests inside TLS go to the proxy of requests",
       CiliumRules("p",
                   "egress: [{toPorts: [{ports: [{port: '443', protocol: "
                   "TCP}], serverNames: [example.com], terminatingTLS: "
                   "{secret: {namespace: shop, name: s}}, rules: {http: "
                   "[{}]}}]}]"),
       {{"web > world 443/TCP", "redirect to 10001: p egress[0]"}}},
      {"a listener is asked at the proxy of listeners",
       CiliumRules("p",
                   "egress: [{toPorts: [{ports: [{port: '80', protocol: "
                   "TCP}], listener: {envoyConfig: {name: e}, name: l}}]}]"),
       {{"web > db 80/TCP", "redirect to 10004: p egress[0]"}}},
      {"authentication comes before the proxy",
       CiliumRules("p", "ingress: [{" + http +
                            "}, {fromEntities: [all], authentication: {mode: "
                            "required}}]"),
       {{"db < web 80/TCP", "deny: unauthenticated for p ingress[1]"}}},
      {"denials prevail over the proxy",
       CiliumRules("p", "ingress: [{" + http +
                            "}], ingressDeny: [{toPorts: [{ports: [{port: "
                            "'80'}]}]}]"),
       {{"db < web 80/TCP", "deny: p ingressDeny[0]"}}},
  };
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_CILIUM_DEMAND_CASES_H_
