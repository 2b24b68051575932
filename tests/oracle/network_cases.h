// SPDX-License-Identifier: Apache-2.0

// What NetworkPolicies mean.
// https://kubernetes.io/docs/concepts/services-networking/network-policies/

#ifndef CILIUMCORE_TESTS_ORACLE_NETWORK_CASES_H_
#define CILIUMCORE_TESTS_ORACLE_NETWORK_CASES_H_

#include <string>
#include <vector>

#include "tests/oracle/policy_case.h"

namespace ciliumcore::testing {

inline std::vector<PolicyCase> NetworkPolicyCases() {
  const auto from = [](const std::string& peers) {
    return Network("n", "podSelector: {}, ingress: [{from: [" + peers + "]}]");
  };
  const auto on = [](const std::string& ports) {
    return Network("n", "podSelector: {}, ingress: [{ports: [" + ports + "]}]");
  };
  const std::string yes = "allow: n ingress[0]";
  const std::string no = "deny: default deny of n";
  return {
      {"a pod that is selected is isolated, in the directions of the types",
       Network("n", "podSelector: {matchLabels: {app: db}}"),
       {{"db < web 80/TCP", no},
        {"db > web 80/TCP", "allow: not isolated"},
        {"web < db 80/TCP", "allow: not isolated"},
        {"bank < db 80/TCP", "allow: not isolated"}}},
      {"rules of a direction that is no type mean nothing",
       Network("n",
               "podSelector: {}, policyTypes: [Egress], ingress: [{}], egress: "
               "[{}]"),
       {{"db < web 80/TCP", "allow: not isolated"},
        {"db > web 80/TCP", "allow: n egress[0]"}}},
      {"an empty rule is about everything",
       Network("n", "podSelector: {}, ingress: [{}]"),
       {{"db < web 80/TCP", yes}, {"db < world 0/47", yes}}},
      {"a pod selector alone is about pods of the namespace",
       from("{podSelector: {matchLabels: {app: web}}}"),
       {{"db < web 80/TCP", yes}, {"db < bank 80/TCP", no}}},
      {"a namespace selector alone is about all of its pods",
       from("{namespaceSelector: {matchLabels: {team: two}}}"),
       {{"db < bank 80/TCP", yes},
        {"db < init 80/TCP", yes},
        {"db < web 80/TCP", no}}},
      {"both selectors must match",
       from("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: "
            "bank}}, podSelector: {matchLabels: {app: web}}}"),
       {{"db < bank 80/TCP", yes}, {"db < init 80/TCP", no}}},
      {"an ipBlock is about addresses, whoever has them, but exceptions",
       from("{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.2/32]}}"),
       {{"lone < web 80/TCP", yes},
        {"lone < bank 80/TCP", yes},
        {"lone < db 80/TCP", no},
        {"db < lone 80/TCP", no},
        {"lone < 10.9.9.9 80/TCP", yes}}},
      {"selectors are about pods only",
       from("{podSelector: {}}, {namespaceSelector: {}}"),
       {{"db < web 80/TCP", yes},
        {"db < node 80/TCP", no},
        {"db < world 80/TCP", no},
        {"db < host 80/TCP", "allow: own node"}}},
      {"ports are of TCP unless they say otherwise",
       on("{port: 80}, {port: 53, protocol: UDP}"),
       {{"db < web 80/TCP", yes},
        {"db < web 53/UDP", yes},
        {"db < web 80/UDP", no},
        {"db < web ICMP:8", no}}},
      {"both ends of a range are in it",
       on("{port: 80, endPort: 82}"),
       {{"db < web 79/TCP", no},
        {"db < web 82/TCP", yes},
        {"db < web 83/TCP", no}}},
      {"a name is what the destination calls so",
       on("{port: http}"),
       {{"db < web 80/TCP", yes},
        {"web < db 8080/TCP", yes},
        {"web < db 80/TCP", no}}},
      {"policies add up",
       Network("n", "podSelector: {}") +
           Network("o",
                   "podSelector: {}, ingress: [{from: [{podSelector: "
                   "{}}]}]"),
       {{"db < web 80/TCP", "allow: o ingress[0]"},
        {"db < world 80/TCP", "deny: default deny of n, o"}}},
  };
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_NETWORK_CASES_H_
