// SPDX-License-Identifier: Apache-2.0

// What the policies of every dialect come down to: whom they judge, and rules
// of peers, ports and what becomes of the flow. It depends on nothing but the
// policy and what it refers to by name, not on who there is.

#ifndef CILIUMCORE_LIB_POLICY_LOWERED_POLICY_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_LOWERED_POLICY_INTERNAL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/identity/selector.h"
#include "ciliumcore/policy/policy_input.h"
#include "ciliumcore/policy/rule_set.h"
#include "lib/policy/port_ranges_internal.h"

namespace ciliumcore {

// Namespaces: those listed, if any are, that the selector selects, if there is
// one.
struct NamespaceTerm {
  std::vector<std::string> names = {};
  std::optional<LabelSelector> selector = {};
  // The selector's keys are those that identities have for namespaces.
  bool by_identity_labels = false;
};

// Pods outside the host's network.
struct PodTerm {
  LabelSelector pods = {};
  NamespaceTerm namespaces = {};
};

// Some peers.
struct PeerTerm {
  enum class Kind {
    kEverybody,
    kPods,
    kBlock,     // addresses in `cidr`, whoever has them
    kWorld,     // outside the cluster
    kWorldIn,   // those of them in `cidr`
    kCluster,   // inside
    kIdentity,  // who has `identity`
    kReserved,  // no pods, by the labels of their reserved identities
    kNodes,     // nodes by their labels
    kNamed,     // outside: what names that `names` select stand for
  };

  Kind kind = Kind::kPods;
  PodTerm pods = {};
  LabelSelector selector = {};  // of kReserved and kNodes
  IpPrefix cidr = {};
  std::vector<IpPrefix> except = {};
  Identity identity = Identity::kUnknown;
  std::vector<std::string> names = {};  // of kNamed: as NameSelectorOf
};

// Who knows an application's protocol.
enum class ProxyKind : uint8_t { kNone, kHttp, kDns, kTls, kListener };

struct LoweredRule {
  enum class Action : uint8_t { kAllow, kDeny, kPass };

  RuleRef ref;
  Action action = Action::kAllow;
  bool needs_authentication = false;
  ProxyKind proxy = ProxyKind::kNone;
  std::vector<PeerTerm> peers = {};
  std::vector<PortKeyRange> ranges = {};
  PortNames names = {};  // ports beside `ranges`
};

// Of one direction.
struct LoweredSection {
  bool isolates = false;  // what no rule allows is denied
  std::vector<LoweredRule> rules = {};
};

// What of the policies a universe depends on.
struct UniverseNeeds {
  // Ascending, no two equal: every prefix that policies name.
  std::vector<IpPrefix> prefixes = {};
  PortNames names = {};      // for which egress rules ask a peer
  bool node_labels = false;  // policies tell nodes apart
  std::vector<std::string> name_selectors = {};  // ascending, no two equal

  friend bool operator==(const UniverseNeeds&, const UniverseNeeds&) = default;
};

struct LoweredPolicy {
  // In which order the rules of policies are asked; the tiers of ClusterPolicy,
  // and between them all other policies.
  enum class Tier : uint8_t { kAdmin, kNormal, kBaseline };

  PolicyRef ref;
  Tier tier = Tier::kNormal;
  int32_t priority = 0;    // within the tier
  uint32_t kind_rank = 0;  // among those of one priority and name
  PodTerm subject = {};
  LoweredSection ingress = {}, egress = {};
  UniverseNeeds needs = {};

  const LoweredSection& section(Direction direction) const {
    return direction == Direction::kIngress ? ingress : egress;
  }
};
using LoweredRef = std::shared_ptr<const LoweredPolicy>;

// Of all of them together.
UniverseNeeds NeedsOf(absl::Span<const LoweredRef> policies);

// What policies refer to by name. Must outlive what is made of it.
struct PolicyReferences {
  const std::vector<CidrGroup>* cidr_groups = nullptr;
  const std::vector<PolicyService>* services = nullptr;
};

// One for each part of a policy that has subjects of its own. Unimplemented, by
// name, if it is of a kind that nothing enforces.
absl::StatusOr<std::vector<LoweredRef>> Lower(const NetworkPolicy& policy,
                                              const PolicyReferences&);
absl::StatusOr<std::vector<LoweredRef>> Lower(
    const CiliumPolicy& policy, const PolicyReferences& references);
absl::StatusOr<std::vector<LoweredRef>> Lower(
    const ClusterPolicy& policy, const PolicyReferences& references);

// Fills in what the rules need; the last step of each Lower.
LoweredRef Finish(LoweredPolicy policy);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_LOWERED_POLICY_INTERNAL_H_
