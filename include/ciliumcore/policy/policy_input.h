// SPDX-License-Identifier: Apache-2.0

// Everything that verdicts depend on, as values: the policies of all dialects,
// and who there is for them to speak of.

#ifndef CILIUMCORE_POLICY_POLICY_INPUT_H_
#define CILIUMCORE_POLICY_POLICY_INPUT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/identity/label.h"
#include "ciliumcore/identity/reserved.h"
#include "ciliumcore/identity/selector.h"
#include "ciliumcore/policy/cilium_policy.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/policy/cluster_policy.h"
#include "ciliumcore/policy/network_policy.h"

namespace ciliumcore {

// A pod as policy sees it.
struct PolicyEndpoint {
  Identity identity = Identity::kUnknown;
  Labels labels = {};  // the pod's own, without those of its namespace
  std::string ns = {};
  std::vector<NamedPort> ports = {};      // those without a name do not matter
  std::vector<IpAddress> addresses = {};  // none: no ipBlock covers it
  bool host_network = false;

  friend bool operator==(const PolicyEndpoint&,
                         const PolicyEndpoint&) = default;
};

// A node other than this one, whose labels are known.
struct PolicyNode {
  std::string name = {};  // for messages
  Labels labels = {};
  std::vector<IpAddress> addresses = {};

  friend bool operator==(const PolicyNode&, const PolicyNode&) = default;
};

// A service as policies name it (toServices): for the pods of its namespace
// that the selector selects, or, without a selector, for the addresses.
struct PolicyService {
  std::string ns = {};
  std::string name = {};
  Labels labels = {};
  std::optional<LabelSelector> selector = {};
  std::vector<IpAddress> addresses = {};  // of its backends; only outside pods

  friend bool operator==(const PolicyService&, const PolicyService&) = default;
};

// What a DNS name stands for now. In lower case, without the final dot.
struct ResolvedName {
  std::string name = {};
  std::vector<IpAddress> addresses = {};

  friend bool operator==(const ResolvedName&, const ResolvedName&) = default;
};

// Where the proxies listen that judge what ports do not decide: an
// application's protocol. Numbers for cells; the datapath does not connect
// anything to them.
struct ProxyPorts {
  uint16_t http = 10001;
  uint16_t dns = 10002;
  uint16_t tls = 10003;
  uint16_t listener = 10004;

  friend bool operator==(const ProxyPorts&, const ProxyPorts&) = default;
};

// Policies of every dialect. A value.
struct Policies {
  std::vector<NetworkPolicy> policies = {};
  std::vector<CiliumPolicy> cilium_policies = {};
  std::vector<ClusterPolicy> cluster_policies = {};
  std::vector<CidrGroup> cidr_groups = {};  // that those of Cilium refer to

  friend bool operator==(const Policies&, const Policies&) = default;
};

// What policies refer to besides pods, namespaces and this node. What is not
// here, no rule for it matches. A value.
struct PolicyContext {
  std::vector<IpAddress> remote_node_addresses = {};  // of nodes without labels
  Labels host_labels = {};                            // of this node
  std::vector<PolicyNode> remote_nodes = {};          // those with labels
  // Of Cilium's health endpoints and of its ingress, on any node: whoever has
  // the identities kHealth and kIngress without being an endpoint here.
  std::vector<IpAddress> health_addresses = {};
  std::vector<IpAddress> ingress_addresses = {};
  std::vector<PolicyService> services = {};
  std::vector<ResolvedName> names = {};
  // Where the API server answers, if that is no node.
  std::vector<IpAddress> api_server_addresses = {};
  ProxyPorts proxies = {};

  friend bool operator==(const PolicyContext&, const PolicyContext&) = default;
};

struct PolicyInput : Policies, PolicyContext {
  // A namespace that is not listed has the label kubernetes.io/metadata.name.
  std::vector<Namespace> namespaces = {};
  std::vector<PolicyEndpoint> endpoints = {};
  // Pods elsewhere: peers of the endpoints, judged by nobody here. Each has an
  // address, and is outside its host's network.
  std::vector<PolicyEndpoint> remotes = {};
  // Of this node; also where another field of the context says that they are a
  // node's, for the cluster's nodes include this one.
  std::vector<IpAddress> host_addresses = {};

  friend bool operator==(const PolicyInput&, const PolicyInput&) = default;
};

// Pods elsewhere that are not there any more, and others that are.
struct RemoteChange {
  std::vector<PolicyEndpoint> gone = {};  // as they came
  std::vector<PolicyEndpoint> come = {};

  bool empty() const { return gone.empty() && come.empty(); }
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_POLICY_INPUT_H_
