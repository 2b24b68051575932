// SPDX-License-Identifier: Apache-2.0

// Kubernetes NetworkPolicy (networking.k8s.io/v1) as values.
// https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/

#ifndef CILIUMCORE_POLICY_NETWORK_POLICY_H_
#define CILIUMCORE_POLICY_NETWORK_POLICY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/identity/selector.h"

namespace ciliumcore {

// Ports of one protocol: a number, a range, a name that pods give to a port, or
// all of them.
struct PortRule {
  Protocol protocol = Protocol::kTcp;
  std::optional<uint16_t> port;      // none and no name: every port
  std::optional<uint16_t> end_port;  // with `port`: a range, both ends included
  std::string name;

  friend bool operator==(const PortRule&, const PortRule&) = default;
};

struct IpBlock {
  IpPrefix cidr;
  std::vector<IpPrefix> except;  // inside cidr

  friend bool operator==(const IpBlock&, const IpBlock&) = default;
};

// Either an IP block, or selectors that must both match; a missing pod selector
// matches every pod, a missing namespace selector the policy's own namespace.
struct PeerRule {
  std::optional<LabelSelector> pod_selector;
  std::optional<LabelSelector> namespace_selector;
  std::optional<IpBlock> ip_block;

  friend bool operator==(const PeerRule&, const PeerRule&) = default;
};

// Allows any of the peers (all, if there are none) on any of the ports (all
// ports of all protocols, if there are none).
struct NetworkPolicyRule {
  std::vector<PeerRule> peers;
  std::vector<PortRule> ports;

  friend bool operator==(const NetworkPolicyRule&,
                         const NetworkPolicyRule&) = default;
};

struct NetworkPolicy {
  std::string ns;
  std::string name;
  LabelSelector pod_selector;    // of pods in `ns`
  bool isolates_ingress = true;  // what policyTypes says, or its defaults
  bool isolates_egress = false;
  std::vector<NetworkPolicyRule> ingress;
  std::vector<NetworkPolicyRule> egress;

  friend bool operator==(const NetworkPolicy&, const NetworkPolicy&) = default;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_NETWORK_POLICY_H_
