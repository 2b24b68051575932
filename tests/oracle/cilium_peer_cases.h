// SPDX-License-Identifier: Apache-2.0

// Whom the rules of Cilium's policies mean.
// https://docs.cilium.io/en/stable/security/policy/language/

#ifndef CILIUMCORE_TESTS_ORACLE_CILIUM_PEER_CASES_H_
#define CILIUMCORE_TESTS_ORACLE_CILIUM_PEER_CASES_H_

#include <string>
#include <utility>
#include <vector>

#include "tests/oracle/policy_case.h"

namespace ciliumcore::testing {

// Of a policy of all pods of shop with one rule for these peers: the rule
// allows db to answer, or ask, those in the first list and not those in the
// second.
inline PolicyCase CiliumPeerCase(const std::string& sentence,
                                 const std::string& section,
                                 const std::string& peers,
                                 const std::vector<std::string>& meant,
                                 const std::vector<std::string>& not_meant) {
  const std::string arrow = section == "ingress" ? "db < " : "db > ";
  PolicyCase made = {
      sentence, CiliumRules("p", section + ": [{" + peers + "}]"), {}};
  for (const std::string& end : meant) {
    made.asked.push_back(
        {arrow + end + " 80/TCP", "allow: p " + section + "[0]"});
  }
  for (const std::string& end : not_meant) {
    made.asked.push_back({arrow + end + " 80/TCP", "deny: default deny of p"});
  }
  return made;
}

inline std::vector<PolicyCase> CiliumEndpointCases() {
  const auto from = [](const std::string& sentence, const std::string& list,
                       const std::vector<std::string>& meant,
                       const std::vector<std::string>& not_meant) {
    return CiliumPeerCase(sentence, "ingress", "fromEndpoints: [" + list + "]",
                          meant, not_meant);
  };
  const auto expression = [](const std::string& text) {
    return "{matchExpressions: [{" + text + "}]}";
  };
  std::vector<PolicyCase> cases = {
      from("an empty selector is every pod of the policy's namespace", "{}",
           {"web", "lone", "db"}, {"bank", "init", "node", "api", "world"}),
      from("labels are of pods of the policy's namespace",
           "{matchLabels: {app: web}}", {"web", "fd00::1"}, {"lone", "bank"}),
      from("a key may name its source",
           "{matchLabels: {'k8s:app': web, 'any:tier': front}}", {"web"},
           {"lone", "bank"}),
      from("labels of another source are others",
           "{matchLabels: {'container:app': web}}", {}, {"web"}),
      from("any of several selectors",
           "{matchLabels: {app: web}}, {matchLabels: {app: lone}}",
           {"web", "lone"}, {"db"}),
      from("no selector is nobody", "", {}, {"web", "bank", "world"}),
      from("a selector may name a namespace",
           "{matchLabels: {io.kubernetes.pod.namespace: bank}}",
           {"bank", "init"}, {"web", "world"}),
      from("in each form of the key",
           "{matchLabels: {'any:io.kubernetes.pod.namespace': bank, app: web}},"
           "{matchLabels: {'k8s:io.kubernetes.pod.namespace': shop, app: lone}"
           "}",
           {"bank", "lone"}, {"web", "init"}),
      from("or labels of namespaces",
           "{matchLabels: {io.cilium.k8s.namespace.labels.team: two}}",
           {"bank", "init"}, {"web", "world"}),
      from("every namespace has its name as a label",
           "{matchLabels: {'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/"
           "metadata.name': bank}}",
           {"bank"}, {"web"}),
      from("a key that is missing is in no list",
           expression("key: tier, operator: NotIn, values: [front]"),
           {"lone", "db"}, {"web", "bank", "world"}),
      from("a key may be asked for", expression("key: tier, operator: Exists"),
           {"web"}, {"lone", "bank"}),
      from("a selector that names namespaces asks for labels alone",
           expression("key: io.kubernetes.pod.namespace, operator: NotIn, "
                      "values: [shop]"),
           {"bank", "init", "world", "node"}, {"web", "lone"}),
      from("what has a reserved identity has its label",
           "{matchLabels: {'reserved:world': ''}}", {"world", "six", "api"},
           {"web", "node", "bank"}),
      from("nodes too", "{matchLabels: {'reserved:remote-node': ''}}",
           {"node", "gpu"}, {"web", "api", "world"}),
      from("the API server too",
           expression("key: 'reserved:kube-apiserver', operator: Exists"),
           {"api"}, {"world", "node"}),
      from("pods with a reserved identity too",
           "{matchLabels: {'reserved:init': ''}}", {"init"}, {"bank", "web"}),
      from("all but what has a reserved identity",
           expression("key: 'reserved:world', operator: DoesNotExist"),
           {"web", "bank", "node"}, {"world", "api"}),
  };
  cases.push_back(
      {"an empty selector of a clusterwide policy is every pod",
       Clusterwide("p",
                   "endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]"),
       {{"db < bank 80/TCP", "allow: p ingress[0]"},
        {"db < init 80/TCP", "allow: p ingress[0]"},
        {"db < node 80/TCP", "deny: default deny of p"},
        {"db < world 80/TCP", "deny: default deny of p"}}});
  cases.push_back(
      {"labels of a clusterwide policy are of pods of all namespaces, whatever "
       "theirs must not be",
       Clusterwide("p",
                   "endpointSelector: {}, ingress: [{fromEndpoints: ["
                   "{matchExpressions: [{key: io.cilium.k8s.namespace.labels."
                   "team, operator: NotIn, values: [one]}]}]}]"),
       {{"db < bank 80/TCP", "allow: p ingress[0]"},
        {"db < web 80/TCP", "deny: default deny of p"},
        {"db < world 80/TCP", "deny: default deny of p"}}});
  return cases;
}

inline std::vector<PolicyCase> CiliumEntityCases() {
  const auto from = [](const std::string& entity,
                       const std::vector<std::string>& meant,
                       const std::vector<std::string>& not_meant) {
    return CiliumPeerCase("the entity " + entity, "ingress",
                          "fromEntities: [" + entity + "]", meant, not_meant);
  };
  return {
      from(
          "all",
          {"web", "bank", "init", "lone", "node", "gpu", "api", "world", "six"},
          {}),
      from("world", {"world", "six", "api"},
           {"web", "bank", "init", "lone", "node", "gpu"}),
      from("world-ipv4", {"world", "api"}, {"six", "web"}),
      from("world-ipv6", {"six"}, {"world", "api", "fd00::1"}),
      from("cluster", {"web", "bank", "init", "lone", "node", "gpu"},
           {"api", "world", "six"}),
      from("host", {}, {"web", "node", "gpu", "world"}),
      from("remote-node", {"node", "gpu"}, {"web", "api", "world"}),
      from("kube-apiserver", {"api"}, {"node", "world", "web"}),
      from("init", {"init"}, {"bank", "web", "world"}),
      from("health", {}, {"init", "web", "node"}),
      from("unmanaged", {}, {"init", "web"}),
      from("ingress", {}, {"init", "web"}),
      from("none", {}, {"web", "world", "node"}),
      from("init, world", {"init", "world"}, {"web"}),
  };
}

inline std::vector<PolicyCase> CiliumAddressCases() {
  const auto to = [](const std::string& sentence, const std::string& peers,
                     const std::vector<std::string>& meant,
                     const std::vector<std::string>& not_meant) {
    return CiliumPeerCase(sentence, "egress", peers, meant, not_meant);
  };
  return {
      to("a CIDR is about addresses outside, never pods or nodes",
         "toCIDR: [0.0.0.0/0, '::/0']", {"world", "six", "api"},
         {"web", "fd00::1", "bank", "init", "node", "gpu", "lone"}),
      to("a CIDR of one family has none of the other", "toCIDR: [0.0.0.0/0]",
         {"world"}, {"six"}),
      to("a CIDR ends where it ends", "toCIDR: [203.0.113.8/31]",
         {"203.0.113.8", "203.0.113.9"}, {"203.0.113.7", "203.0.113.10"}),
      to("exceptions are left out",
         "toCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.8/30]}]",
         {"203.0.113.7", "203.0.113.12"}, {"203.0.113.8", "203.0.113.11"}),
      to("one element's exception may be another's address",
         "toCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.8/30]}, {cidr: "
         "203.0.113.9/32}]",
         {"203.0.113.9"}, {"203.0.113.8"}),
      to("a group is all of its prefixes",
         "toCIDRSet: [{cidrGroupRef: office}]",
         {"192.0.2.127", "2001:db8:1::1"}, {"192.0.2.128", "198.51.100.1"}),
      to("exceptions hold for groups",
         "toCIDRSet: [{cidrGroupRef: office, except: [192.0.2.0/31]}]",
         {"192.0.2.2"}, {"192.0.2.1"}),
      to("a group that is not there is no address",
         "toCIDRSet: [{cidrGroupRef: missing}]", {}, {"world", "192.0.2.1"}),
      to("groups by label",
         "toCIDRSet: [{cidrGroupSelector: {matchLabels: {role: partner}}}]",
         {"198.51.100.255"}, {"192.0.2.1", "world"}),
      to("all groups", "toCIDRSet: [{cidrGroupSelector: {}}]",
         {"198.51.100.255", "192.0.2.1"}, {"world"}),
      to("nodes by label", "toNodes: [{matchLabels: {gpu: 'yes'}}]", {"gpu"},
         {"node", "web", "world"}),
      to("nodes are the others", "toNodes: [{}]", {"gpu", "node"},
         {"web", "api", "world"}),
      to("a service is the pods behind it",
         "toServices: [{k8sService: {serviceName: db, namespace: shop}}]",
         {"db"}, {"web", "bank", "world"}),
      to("of its own namespace",
         "toServices: [{k8sService: {serviceName: web, namespace: bank}}]",
         {"bank"}, {"web", "init"}),
      to("services by label",
         "toServices: [{k8sServiceSelector: {selector: {matchLabels: {tier: "
         "back}}}}]",
         {"db"}, {"bank", "203.0.113.20"}),
      to("services by label, in a namespace",
         "toServices: [{k8sServiceSelector: {selector: {}, namespace: bank}}]",
         {"bank"}, {"db", "203.0.113.20"}),
      to("a service without selector is its addresses outside",
         "toServices: [{k8sService: {serviceName: legacy, namespace: shop}}]",
         {"203.0.113.20"}, {"db", "203.0.113.21"}),
      to("be it the API server",
         "toServices: [{k8sService: {serviceName: kubernetes, namespace: "
         "default}}]",
         {"api"}, {"world", "node"}),
      to("a name is what it has resolved to, outside",
         "toFQDNs: [{matchName: db.example.com}]", {"203.0.113.13"},
         {"db", "203.0.113.10"}),
      to("case and the last dot do not matter",
         "toFQDNs: [{matchName: Api.EXAMPLE.com.}]", {"203.0.113.11"},
         {"203.0.113.10"}),
      to("a star is characters of one label",
         "toFQDNs: [{matchPattern: '*.example.com'}]",
         {"203.0.113.11", "203.0.113.13"}, {"203.0.113.10", "203.0.113.12"}),
      to("or of a part", "toFQDNs: [{matchPattern: 'a*i.example.com'}]",
         {"203.0.113.11"}, {"203.0.113.12", "203.0.113.13"}),
      to("two stars are labels", "toFQDNs: [{matchPattern: '**.example.com'}]",
         {"203.0.113.11", "203.0.113.12"}, {"203.0.113.10"}),
      to("and so are more", "toFQDNs: [{matchPattern: '***.example.com'}]",
         {"203.0.113.11", "203.0.113.12"}, {"203.0.113.10"}),
      to("stars alone are every name", "toFQDNs: [{matchPattern: '**.'}]",
         {"203.0.113.10", "203.0.113.12"}, {"world", "db"}),
      to("a lone star is every name, but no address without one",
         "toFQDNs: [{matchPattern: '*'}]", {"203.0.113.10", "203.0.113.12"},
         {"world", "db"}),
      to("groups of AWS are nobody",
         "toGroups: [{aws: {securityGroupsIds: [sg-1]}}]", {},
         {"world", "web"}),
  };
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_CILIUM_PEER_CASES_H_
