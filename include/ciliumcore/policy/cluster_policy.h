// SPDX-License-Identifier: Apache-2.0

// Policies of the whole cluster (policy.networking.k8s.io) as values:
// ClusterNetworkPolicy (v1alpha2), and what it replaces, AdminNetworkPolicy and
// BaselineAdminNetworkPolicy (v1alpha1). https://network-policy-api.sigs.k8s.io
//
// What becomes of a flow is decided for each direction at the pod whose traffic
// it is, the subject, in this order:
//
//   1. the policies of the Admin tier that have it as a subject;
//   2. the NetworkPolicies that select it: if one isolates it in the direction,
//      they decide, for nothing is left undecided then;
//   3. the policies of the Baseline tier;
//   4. what nobody has decided is allowed.
//
// Within a tier, a policy of lower `priority` comes first. The API leaves the
// order of equal priorities open; here it is the order of names, and of kinds
// where the names are equal too (EvaluatedBefore). Within a policy, the rules
// of the direction come as they are written. The first rule that matches the
// flow decides: kAccept and kDeny for good, kPass that the rest of the tier is
// skipped and the next one asked. A policy without rules in a direction says
// nothing of it: unlike a NetworkPolicy, it isolates nobody.

#ifndef CILIUMCORE_POLICY_CLUSTER_POLICY_H_
#define CILIUMCORE_POLICY_CLUSTER_POLICY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/identity/selector.h"

namespace ciliumcore {

// Pods that the one selector matches in namespaces that the other matches; both
// match everything by default. Never pods in the host's network.
struct NamespacedPods {
  LabelSelector namespace_selector;
  LabelSelector pod_selector;

  friend bool operator==(const NamespacedPods&,
                         const NamespacedPods&) = default;
};

// The addresses of nodes, by the labels of the nodes.
struct NodePeers {
  LabelSelector selector;

  friend bool operator==(const NodePeers&, const NodePeers&) = default;
};

// Addresses, whoever has them: pods and nodes too. 0.0.0.0/0 is all of IPv4 and
// nothing of IPv6.
struct NetworkPeers {
  std::vector<IpPrefix> cidrs;  // matches any of them

  friend bool operator==(const NetworkPeers&, const NetworkPeers&) = default;
};

// Addresses that a name has resolved to. In lower case and without the final
// dot: "kubernetes.io" is that name alone, "*.kubernetes.io" every name of one
// label or more before ".kubernetes.io", which it is not itself.
struct DomainPeers {
  std::vector<std::string> names;  // matches any of them

  friend bool operator==(const DomainPeers&, const DomainPeers&) = default;
};

// Where traffic comes from (only pods), or goes to.
using ClusterPeer =
    std::variant<NamespacedPods, NodePeers, NetworkPeers, DomainPeers>;

// Destination ports: a number or a range of one protocol, or a name that the
// destination's containers give to ports. Has either `port` or `name`.
struct ClusterPort {
  // kAny, of a name: the protocol is the container's as well.
  Protocol protocol = Protocol::kTcp;
  std::optional<uint16_t> port = {};
  std::optional<uint16_t> end_port = {};  // with `port`: a range, both included
  std::string name = {};

  friend bool operator==(const ClusterPort&, const ClusterPort&) = default;
};

// Matches what has one of the peers at its other end, on one of the ports.
struct ClusterRule {
  enum class Action { kAccept, kDeny, kPass };

  std::string name = {};  // for explanations; may be empty, and there twice
  Action action = Action::kAccept;
  // Unlike in a NetworkPolicyRule, none match nothing; no manifest says so.
  std::vector<ClusterPeer> peers = {};
  // Not there: everything, of protocols without ports too. Empty: nothing; no
  // manifest says so.
  std::optional<std::vector<ClusterPort>> ports = {};

  friend bool operator==(const ClusterRule&, const ClusterRule&) = default;
};

// A value; thread-compatible.
struct ClusterPolicy {
  enum class Kind {
    kClusterNetworkPolicy,
    kAdminNetworkPolicy,          // of kAdmin
    kBaselineAdminNetworkPolicy,  // of kBaseline, and never passes
  };
  enum class Tier { kAdmin, kBaseline };

  // Those of manifests are in 0..1000.
  static constexpr int32_t kLowestPriority = 1000;
  // Of a BaselineAdminNetworkPolicy, which has none: behind all others.
  static constexpr int32_t kNoPriority = kLowestPriority + 1;

  Kind kind = Kind::kClusterNetworkPolicy;
  std::string name = {};  // unique within its kind
  Tier tier = Tier::kAdmin;
  int32_t priority = 0;
  NamespacedPods subject = {};
  std::vector<ClusterRule> ingress = {};  // in the order of their precedence
  std::vector<ClusterRule> egress = {};

  // "AdminNetworkPolicy guard".
  std::string ToString() const;

  friend bool operator==(const ClusterPolicy&, const ClusterPolicy&) = default;
};

// Whether `a` is asked before `b`: by tier, priority, name and kind. A strict
// weak order, and of the policies of one cluster a total one.
bool EvaluatedBefore(const ClusterPolicy& a, const ClusterPolicy& b);

// "ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy".
absl::string_view ClusterPolicyKindName(ClusterPolicy::Kind kind);

// "Admin", "Baseline".
absl::string_view ClusterPolicyTierName(ClusterPolicy::Tier tier);

// "Accept", "Deny", "Pass"; AdminNetworkPolicy calls the first one "Allow".
absl::string_view ClusterRuleActionName(ClusterRule::Action action);

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_CLUSTER_POLICY_H_
