// SPDX-License-Identifier: Apache-2.0

// What Cilium's policies mean: subjects, default deny, denials, authentication
// and proxies, and ports. https://docs.cilium.io/en/stable/security/policy/

#ifndef CILIUMCORE_TESTS_ORACLE_CILIUM_CASES_H_
#define CILIUMCORE_TESTS_ORACLE_CILIUM_CASES_H_

#include <string>
#include <vector>

#include "tests/oracle/policy_case.h"

namespace ciliumcore::testing {

inline const char kFromWeb[] = "fromEndpoints: [{matchLabels: {app: web}}]";

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
      {"policies of nodes are not about pods",
       Clusterwide("p", "nodeSelector: {}, ingress: [{}]"),
       {{"db < web 80/TCP", "allow: not isolated"}}},
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
       {{"db < web 80/TCP", "redirect: p ingress[0]"},
        {"db < web 81/TCP", "deny: default deny of p"},
        {"db < lone 80/TCP", "deny: default deny of p"}}},
      {"to the proxy, even if another rule allows the port as it is",
       CiliumRules("p", "ingress: [{" + from_web + "}, {" + http + "}]"),
       {{"db < web 80/TCP", "redirect: p ingress[0], p ingress[1]"},
        {"db < web 81/TCP", "allow: p ingress[0]"},
        {"db < world 80/TCP", "redirect: p ingress[1]"}}},
      {"to the proxy, even if nobody isolates",
       CiliumRules("p", "enableDefaultDeny: {ingress: false}, ingress: [{" +
                            from_web + "}, {" + http + "}]"),
       {{"db < web 80/TCP", "redirect: p ingress[0], p ingress[1]"},
        {"db < web 81/TCP", "allow: not isolated"}}},
      {"of several lists of ports in a rule, one for the proxy is enough",
       CiliumRules("p",
                   "ingress: [{toPorts: [{ports: [{port: '80', protocol: "
                   "TCP}]}, {ports: [{port: '80', protocol: TCP}], rules: "
                   "{http: [{}]}}]}]"),
       {{"db < web 80/TCP", "redirect: p ingress[0]"}}},
      {"names that are asked for go to the proxy",
       CiliumRules("p",
                   "egress: [{toPorts: [{ports: [{port: '53', protocol: UDP}], "
                   "rules: {dns: [{matchPattern: '*'}]}}]}]"),
       {{"web > db 53/UDP", "redirect: p egress[0]"},
        {"web > db 53/TCP", "deny: default deny of p"}}},
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

inline std::vector<PolicyCase> CiliumPortCases() {
  const auto ports = [](const std::string& list) {
    return CiliumRules("p", "ingress: [{toPorts: [{ports: [" + list + "]}]}]");
  };
  const auto icmps = [](const std::string& section, const std::string& list) {
    return CiliumRules("p",
                       section + ": [{icmps: [{fields: [" + list + "]}]}]");
  };
  const std::string no = "deny: default deny of p";
  const std::string yes = "allow: p ingress[0]";
  return {
      {"without ports, a rule is about every protocol",
       CiliumRules("p", "ingress: [{fromEntities: [all]}]"),
       {{"db < web 0/47", yes},
        {"db < web ICMP:8", yes},
        {"db < six 1/SCTP", yes}}},
      {"without peers, a rule with ports is about everybody",
       ports("{port: '80'}"),
       {{"db < web 80/TCP", yes},
        {"db < world 80/TCP", yes},
        {"db < node 80/TCP", yes},
        {"db < six 80/TCP", yes},
        {"db < web 81/TCP", no}}},
      {"a port without protocol is one of TCP, UDP and SCTP",
       ports("{port: '80'}"),
       {{"db < web 80/UDP", yes},
        {"db < web 80/SCTP", yes},
        {"db < web 80/ICMP", no},
        {"db < web 80/47", no}}},
      {"a port with protocol is of that one",
       ports("{port: '80', protocol: UDP}"),
       {{"db < web 80/UDP", yes}, {"db < web 80/TCP", no}}},
      {"port 0 is every port",
       ports("{port: '0', protocol: TCP}"),
       {{"db < web 1/TCP", yes},
        {"db < web 65535/TCP", yes},
        {"db < web 1/UDP", no}}},
      {"both ends of a range are in it",
       ports("{port: '80', endPort: 90, protocol: TCP}"),
       {{"db < web 79/TCP", no},
        {"db < web 80/TCP", yes},
        {"db < web 90/TCP", yes},
        {"db < web 91/TCP", no}}},
      {"any of several ports",
       ports("{port: '80', protocol: TCP}, {port: '53', protocol: UDP}"),
       {{"db < web 53/UDP", yes},
        {"db < web 80/TCP", yes},
        {"db < web 53/TCP", no}}},
      {"of ingress, a name is what the subject calls so",
       ports("{port: http, protocol: TCP}"),
       {{"db < web 80/TCP", yes},
        {"db < web 8080/TCP", no},
        {"web < db 8080/TCP", yes},
        {"lone < web 80/TCP", no}}},
      {"of egress, a name is what each destination calls so",
       CiliumRules("p", "egress: [{toPorts: [{ports: [{port: http}]}]}]"),
       {{"web > db 80/TCP", "allow: p egress[0]"},
        {"web > db 8080/TCP", no},
        {"db > web 8080/TCP", "allow: p egress[0]"},
        {"web > bank 80/TCP", "allow: p egress[0]"}}},
      {"nobody outside calls a port anything",
       CiliumRules("p", "egress: [{toPorts: [{ports: [{port: http}]}]}]"),
       {{"web > world 80/TCP", no}, {"web > node 80/TCP", no}}},
      {"a name is of the protocol that is said",
       ports("{port: dns, protocol: TCP}"),
       {{"db < web 53/UDP", no}, {"db < web 53/TCP", no}}},
      {"or of any",
       ports("{port: dns}"),
       {{"db < web 53/UDP", yes}, {"db < web 53/TCP", no}}},
      {"protocols without ports",
       ports("{protocol: GRE}"),
       {{"db < web 0/47", yes}, {"db < web 80/TCP", no}}},
      {"an ICMP type has any code",
       icmps("ingress", "{type: 8, family: IPv4}"),
       {{"db < web ICMP:8", yes},
        {"db < web ICMP:8:255", yes},
        {"db < web ICMP:7:255", no},
        {"db < web ICMP:9", no},
        {"db < web ICMPv6:8", no},
        {"db < web 80/TCP", no}}},
      {"ICMPv6 has types of its own",
       icmps("ingress", "{type: 128, family: IPv6}"),
       {{"db < six ICMPv6:128", yes}, {"db < web ICMP:128", no}}},
      {"ICMP types may be denied",
       icmps("ingressDeny", "{type: 8, family: IPv4}"),
       {{"db < web ICMP:8", "deny: p ingressDeny[0]"},
        {"db < web ICMP:0", no}}},
      {"ICMP types of some peers",
       CiliumRules("p",
                   "ingress: [{fromEntities: [world], icmps: [{fields: "
                   "[{type: 8}]}]}]"),
       {{"db < world ICMP:8", yes}, {"db < web ICMP:8", no}}},
      {"peers and ports must both match",
       CiliumRules("p", std::string("ingress: [{") + kFromWeb +
                            ", toPorts: [{ports: [{port: '80'}]}]}]"),
       {{"db < web 80/TCP", yes},
        {"db < web 81/TCP", no},
        {"db < lone 80/TCP", no}}},
  };
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_CILIUM_CASES_H_
