// SPDX-License-Identifier: Apache-2.0

// What manifests say of a cluster, as values.

#ifndef CILIUMCORE_POLICY_CLUSTER_H_
#define CILIUMCORE_POLICY_CLUSTER_H_

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/identity/label.h"
#include "ciliumcore/identity/selector.h"
#include "ciliumcore/policy/cilium_policy.h"
#include "ciliumcore/policy/cluster_policy.h"
#include "ciliumcore/policy/network_policy.h"

namespace ciliumcore {

// The label that every namespace has without being asked: its name.
inline constexpr absl::string_view kNamespaceNameLabel =
    "kubernetes.io/metadata.name";

// A port of a pod; the name may be empty.
struct NamedPort {
  std::string name;
  PortProtocol port;

  friend auto operator<=>(const NamedPort&, const NamedPort&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const NamedPort& named) {
    return H::combine(std::move(h), named.name, named.port);
  }
};

// A port of the pod's node that leads to the pod (hostPort).
struct HostPort {
  std::optional<IpAddress> address = {};  // none: any of the node's
  PortProtocol port = {};                 // the node's
  uint16_t target = 0;                    // the pod's

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

struct Pod {
  std::string ns;
  std::string name;
  Labels labels;  // the pod's own
  // Of the topmost owner: the Deployment, not its ReplicaSet. A pod that nobody
  // controls owns itself, as kind "Pod".
  std::string owner_kind;
  std::string owner_name;
  std::vector<NamedPort> ports;      // of its containers
  std::vector<IpAddress> addresses;  // as far as the manifests say
  bool host_network = false;         // lives in its node's network
  std::string node = {};             // empty: not known yet
  std::vector<HostPort> host_ports = {};

  // "shop/web-0".
  std::string ToString() const;

  friend bool operator==(const Pod&, const Pod&) = default;
};

struct Namespace {
  std::string name;
  Labels labels;  // with kNamespaceNameLabel

  friend bool operator==(const Namespace&, const Namespace&) = default;
};

struct ServicePort {
  std::string name;
  PortProtocol port;
  std::optional<uint16_t> target_port;  // none and no name: the port itself
  std::string target_name;
  uint16_t node_port = 0;  // 0: none, or not known yet

  friend bool operator==(const ServicePort&, const ServicePort&) = default;
};

struct Service {
  std::string ns;
  std::string name;
  std::string type = "ClusterIP";
  std::optional<LabelSelector> selector;  // none: endpoints are given elsewhere
  std::vector<ServicePort> ports;
  std::vector<IpAddress> cluster_ips;
  // ipFamilies; as long as nothing is said, those of its cluster IPs.
  std::optional<bool> has_v4 = {}, has_v6 = {};
  bool is_headless = false;
  // Seconds that a client stays with its backend (sessionAffinity: ClientIP);
  // none: not at all.
  std::optional<uint32_t> affinity_seconds = {};
  Labels labels = {};  // its own
  std::vector<IpAddress> external_ips = {};
  // Those that the balancer gave to it and that are its own: clients of this
  // node need not go through the balancer (ipMode: VIP).
  std::vector<IpAddress> load_balancer_ips = {};
  // Who may speak to it through a balancer: these only, or, by the annotation
  // service.cilium.io/src-ranges-policy: deny, all others. Empty: everybody.
  std::vector<IpPrefix> source_ranges = {};
  bool source_ranges_deny = false;
  // Traffic policy Local: the backends of a node serve what comes to that node,
  // from inside the cluster or from outside.
  bool is_internally_local = false;
  bool is_externally_local = false;

  friend bool operator==(const Service&, const Service&) = default;
};

// An endpoint of a slice.
struct SliceEndpoint {
  // At most one of each family: of several that mean the same, the first.
  std::vector<IpAddress> addresses = {};
  bool is_ready = true;
  bool is_serving = true;  // whether or not it is terminating
  bool is_terminating = false;
  std::string node = {};  // empty: not known
  // Hints: the zones, and the nodes, that it is meant to serve.
  std::vector<std::string> for_zones = {};
  std::vector<std::string> for_nodes = {};

  friend bool operator==(const SliceEndpoint&, const SliceEndpoint&) = default;
};

struct SlicePort {
  std::string name = {};  // of the service's port
  Protocol protocol = Protocol::kTcp;
  std::optional<uint16_t> port = {};  // none: it says nothing of services

  friend bool operator==(const SlicePort&, const SlicePort&) = default;
};

// Who answers for a service: what an EndpointSlice says of it, or a subset of
// an Endpoints.
struct EndpointSlice {
  std::string ns = {};
  std::string name = {};
  std::string service = {};   // of the same namespace; empty: of none
  bool is_endpoints = false;  // counts only if the service has no EndpointSlice
  std::vector<SliceEndpoint> endpoints = {};
  std::vector<SlicePort> ports = {};

  friend bool operator==(const EndpointSlice&, const EndpointSlice&) = default;
};

// A node of the cluster: what a Node and a CiliumNode of its name say,
// together.
struct Node {
  std::string name = {};
  Labels labels = {};
  std::vector<IpAddress> addresses = {};  // each once, ascending
  // Of Cilium's health endpoint there, and of its ingress; the same.
  std::vector<IpAddress> health_addresses = {};
  std::vector<IpAddress> ingress_addresses = {};

  friend bool operator==(const Node&, const Node&) = default;
};

struct Cluster {
  std::map<std::string, Namespace> namespaces;  // by name; all mentioned
  std::map<std::string, Node> nodes;            // by name
  std::vector<Pod> pods;                        // replicas one by one
  std::vector<Service> services;
  std::vector<EndpointSlice> slices;
  std::vector<NetworkPolicy> policies;
  std::vector<ClusterPolicy> cluster_policies;  // as the manifests have them
  std::vector<CiliumPolicy> cilium_policies;    // of both scopes
  std::vector<CidrGroup> cidr_groups;
  // "Kind ns/name", of kinds without a meaning here.
  std::vector<std::string> ignored;

  friend bool operator==(const Cluster&, const Cluster&) = default;
};

// The slices of services, by namespace and name. An Endpoints is there only
// where the service has no EndpointSlice.
using SliceIndex = std::map<std::pair<std::string, std::string>,
                            std::vector<const EndpointSlice*>>;

// Points into `cluster`. O(slices).
SliceIndex IndexSlices(const Cluster& cluster);

// A namespace with `labels` and the one that it has without being asked.
Namespace MakeNamespace(absl::string_view name, Labels labels = {});

// The labels of a pod's identity: its own, which namespace it is in, and the
// labels of that namespace, in Cilium's form.
Labels PodIdentityLabels(const Labels& pod_labels, const Namespace& ns);

// The reverse: the pod's own labels, and its namespace as far as they tell;
// "default" if they name none.
Labels PodLabelsOf(const Labels& identity_labels);
Namespace PodNamespaceOf(const Labels& identity_labels);

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_CLUSTER_H_
