// SPDX-License-Identifier: Apache-2.0

// Kubernetes NetworkPolicy (networking.k8s.io/v1) as values.
// https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/

#ifndef CILIUMCORE_POLICY_NETWORK_POLICY_H_
#define CILIUMCORE_POLICY_NETWORK_POLICY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
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

// Policies in the order of their namespaces and names, no two of one name. A
// value; thread-compatible.
class PolicySet {
 public:
  PolicySet() = default;

  // The policies of a YAML or JSON text. Its other objects are checked and left
  // out. InvalidArgument lists what is wrong, as manifest.h says; a policy of
  // another kind (CiliumNetworkPolicy, ClusterNetworkPolicy, ...) is wrong too,
  // lest anybody takes it for enforced.
  static absl::StatusOr<PolicySet> FromManifest(absl::string_view text);

  // Adds a policy. AlreadyExists if there is one of its name. O(size).
  absl::Status Add(NetworkPolicy policy);

  // Adds all of `other`, or none: AlreadyExists if a name is in both.
  absl::Status Merge(const PolicySet& other);

  const std::vector<NetworkPolicy>& policies() const { return policies_; }

  friend bool operator==(const PolicySet&, const PolicySet&) = default;

 private:
  std::vector<NetworkPolicy> policies_;  // ascending
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_NETWORK_POLICY_H_
