// SPDX-License-Identifier: Apache-2.0

// Whom the policies of the whole cluster are about, and their rules.
// https://network-policy-api.sigs.k8s.io

#ifndef CILIUMCORE_TESTS_ORACLE_CLUSTER_MATCH_CASES_H_
#define CILIUMCORE_TESTS_ORACLE_CLUSTER_MATCH_CASES_H_

#include <string>
#include <vector>

#include "tests/oracle/policy_case.h"

namespace ciliumcore::testing {

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

#endif  // CILIUMCORE_TESTS_ORACLE_CLUSTER_MATCH_CASES_H_
