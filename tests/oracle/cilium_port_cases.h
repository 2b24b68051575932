// SPDX-License-Identifier: Apache-2.0

// Ports and ICMP types in Cilium's policies.
// https://docs.cilium.io/en/stable/security/policy/

#ifndef CILIUMCORE_TESTS_ORACLE_CILIUM_PORT_CASES_H_
#define CILIUMCORE_TESTS_ORACLE_CILIUM_PORT_CASES_H_

#include <string>
#include <vector>

#include "tests/oracle/policy_case.h"

namespace ciliumcore::testing {

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

#endif  // CILIUMCORE_TESTS_ORACLE_CILIUM_PORT_CASES_H_
