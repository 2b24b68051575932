// SPDX-License-Identifier: Apache-2.0

// A few policies that between them use everything a verdict table can say:
// denials, allowances, proxies, authentication, blocks with exceptions, types
// of ICMP, protocols without ports, and more ports than fit into a line.

#ifndef CILIUMCORE_TESTS_DATAPATH_DIALECTS_POLICY_H_
#define CILIUMCORE_TESTS_DATAPATH_DIALECTS_POLICY_H_

namespace ciliumcore::testing {

// For pods of namespace default, labelled app: web, api and db.
inline constexpr char kPoliciesOfEveryDialect[] = R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: default}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
  - from:
    - ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.8/29]}
    ports: [{port: 80}, {port: 443}, {protocol: UDP, port: 53}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: default}
spec:
  podSelector: {matchLabels: {app: api}}
  policyTypes: [Ingress]
  ingress:
  - from: [{podSelector: {}}]
    ports:
    - {port: 100}
    - {port: 102}
    - {port: 104}
    - {port: 106}
    - {port: 108}
    - {port: 1000, endPort: 1999}
    - {protocol: UDP, port: 53}
    - {protocol: UDP, port: 5353}
    - {protocol: SCTP, port: 7}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: api}}]
    authentication: {mode: required}
    toPorts: [{ports: [{port: "9000", protocol: TCP}]}]
  - fromEntities: [world]
    toPorts:
    - ports: [{port: "80", protocol: TCP}]
      rules: {http: [{method: GET}]}
  - icmps: [{fields: [{family: IPv4, type: 8}]}]
  ingressDeny:
  - fromCIDR: [198.51.100.0/24]
  egress:
  - toEndpoints: [{matchLabels: {app: db}}]
  - toCIDR: [2001:db8:9::/48]
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: guard}
spec:
  tier: Admin
  priority: 5
  subject: {pods: {podSelector: {matchLabels: {app: db}}, namespaceSelector: {}}}
  egress:
  - action: Deny
    to: [{networks: [203.0.113.0/24]}]
)";

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_DATAPATH_DIALECTS_POLICY_H_
