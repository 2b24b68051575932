// SPDX-License-Identifier: Apache-2.0

// What manifests say of a cluster, as values.

#ifndef CILIUMCORE_POLICY_CLUSTER_H_
#define CILIUMCORE_POLICY_CLUSTER_H_

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/identity/label.h"
#include "ciliumcore/identity/selector.h"
#include "ciliumcore/policy/network_policy.h"

namespace ciliumcore {

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

struct Pod {
  std::string ns;
  std::string name;
  Labels labels;           // the pod's own
  std::string owner_kind;  // of the topmost owner; "Pod" if it has none
  std::string owner_name;
  std::vector<NamedPort> ports;      // of its containers
  std::vector<IpAddress> addresses;  // as far as the manifests say
  bool host_network = false;         // lives in its node's network
};

struct Namespace {
  std::string name;
  Labels labels;  // with kubernetes.io/metadata.name
};

struct ServicePort {
  std::string name;
  PortProtocol port;
  std::optional<uint16_t> target_port;  // none and no name: the port itself
  std::string target_name;
};

struct Service {
  std::string ns;
  std::string name;
  std::optional<LabelSelector> selector;  // none: endpoints are given elsewhere
  std::vector<ServicePort> ports;
  std::vector<IpAddress> cluster_ips;
  bool is_headless = false;
};

struct Cluster {
  std::map<std::string, Namespace>
      namespaces;         // by name; all that are mentioned
  std::vector<Pod> pods;  // replicas one by one
  std::vector<Service> services;
  std::vector<NetworkPolicy> policies;
  std::vector<std::string>
      ignored;  // "Kind ns/name", of kinds without a meaning here
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_CLUSTER_H_
