// SPDX-License-Identifier: Apache-2.0

// Why a flow is denied, which rules nearly allow it, and the smallest change
// that would.

#ifndef CILIUMCORE_POLICY_WHY_NOT_H_
#define CILIUMCORE_POLICY_WHY_NOT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "ciliumcore/policy/diff.h"
#include "ciliumcore/policy/named_end.h"
#include "ciliumcore/policy/policy_edit.h"
#include "ciliumcore/policy/rule_set.h"

namespace ciliumcore {

// What a rule asks of a flow that is otherwise.
struct FailedCondition {
  enum class Kind : uint8_t {
    kProtocol,
    kPort,            // a number, a range, or what a name means at this pod
    kPodLabel,        // of the peer
    kNamespaceLabel,  // of the peer's namespace
    kNamespace,       // the rule means pods of the policy's own namespace
    kNotAPod,         // the rule means pods, and the peer is an address outside
    kOutsideBlock,    // the peer's address is not in the ipBlock
    kInException,     // it is, but in its `except` too
    kNoAddress,       // the rule means addresses, and the pod has none
  };

  Kind kind = Kind::kPort;
  std::string place;     // "ports[0]", "from[1].podSelector"
  std::string key;       // of a label
  std::string expected;  // "5432", "web", "none of (a, b)"
  std::string found;     // "5433", "api", "no such label"

  // "from[1].podSelector: label app: expected web, found api".
  std::string ToString() const;
};

// A rule that does not allow the flow. Of its peers the one that nearly matches
// is told, and of its ports likewise.
struct NearRule {
  RuleRef rule;
  std::vector<FailedCondition> failed;  // never empty
};

// An end that denies the flow.
struct DeniedSide {
  // In the order in which policies are asked (cluster_policy.h); what is no
  // ClusterPolicy is kNormal.
  enum class Tier : uint8_t { kAdmin, kNormal, kBaseline };

  Direction direction = Direction::kIngress;
  // kDefaultDeny, kDenied or kAuthentication.
  RuleSet::Kind reason = RuleSet::Kind::kDefaultDeny;
  // Of kDefaultDeny: policies of any dialect.
  std::vector<PolicyRef> isolated_by;
  // Of the NetworkPolicies among these, those with the fewest failed conditions
  // first.
  std::vector<NearRule> rules;
  // Of kDenied and kAuthentication: rules of Cilium's policies or of those of
  // the whole cluster, which no rule of a NetworkPolicy overrules; but where
  // the Baseline tier denies, any that isolates is asked first.
  std::vector<RuleRef> denied_by;
  Tier tier = Tier::kNormal;  // of these
};

// An end that leaves the flow to a proxy, which nobody knows the answer of.
struct ProxiedSide {
  Direction direction = Direction::kIngress;
  uint16_t proxy_port = 0;     // Cell::proxy_port
  std::vector<RuleRef> rules;  // all that allow it, not only as far as a proxy

  friend bool operator==(const ProxiedSide&, const ProxiedSide&) = default;
};

// A flow that one end denies is denied, whatever the other says.
struct WhyNot {
  PairDecision decision;          // rule sets are those of the cluster's policy
  std::vector<DeniedSide> sides;  // egress first; none if nobody denies it
  std::vector<ProxiedSide> proxied;  // egress first
};

// Explains what decides a flow. A pod and itself are allowed, judged by nobody.
//
// InvalidArgument if neither end is a pod, or the two have no address family in
// common; both are as FindNamedEnds gives them for `cluster`.
// O(policies + rules of those that isolate), for each that isolates.
absl::StatusOr<WhyNot> ExplainDenial(const CompiledCluster& cluster,
                                     const NamedEnd& source,
                                     const NamedEnd& destination,
                                     PortProtocol port);

// How far a change is looked for.
struct AllowingChangeLimits {
  // Of labels, where policies of other dialects have a say: each costs a
  // compilation of little more than the two ends.
  size_t label_sets = 2000;
  // With the fewest conditions: each costs one of the cluster, and a Diff.
  size_t changes = 500;
};

// A change after which nobody denies a flow, tried.
struct AllowingChange {
  std::vector<PolicyEdit> edits;
  size_t conditions = 0;  // of all of them
  // The ends that leave the flow to a proxy then, egress first. None: it is
  // allowed.
  std::vector<ProxiedSide> proxied;
  // Of the cluster with it, and of that how much is not the flow itself.
  PolicyDiff diff;
  PolicyDiff::Total opened_beside;
  PolicyDiff::Total closed;
  // What the limits left untried: sets of labels, of which one might allow the
  // flow with fewer conditions, and changes with as few conditions, of which
  // one might open less.
  size_t untried_label_sets = 0;
  size_t untried_changes = 0;
};

// The smallest change after which nobody denies a denied flow: of all sets of
// edits that bring that about, the first by
//
//   1. the number of conditions to write (PolicyEdit::conditions),
//   2. the number of ends that leave the flow to a proxy then,
//   3. the pairs that it opens beside the flow, as Diff counts them,
//   4. the ports that it opens beside, summed over pairs,
//   5. the pairs, then the ports, that it closes (a label may),
//   6. the pods that it concerns: those that the edited policies select, and
//      those that get a label,
//   7. the number of edits, then their kinds, then their text.
//
// The sets are made of
//
// - for each end: the flow's port added to a rule of a policy that isolates it,
//   the flow's peer added to one (by those of its labels that tell its workload
//   from others of its namespace, and by the namespace; or as a block of one
//   address), or a rule of that peer and port; a label that a controller gives
//   anew, such as pod-template-hash, is not among them;
// - up to two labels, for the workload or the namespace of an end, of keys that
//   they do not have and values that selectors of policies ask for (or one that
//   none mentions, where they ask for the key alone); of none that a controller
//   gives pods, or Cilium derives.
//
// Policies of other dialects, and which policies there are, stay as they are.
// What they deny by a rule, or by isolating what no NetworkPolicy isolates,
// nothing but a label changes.
//
// A protocol without ports (ICMP) is in no rule that has ports: then the rule
// that is added has none. Each set with the fewest conditions is applied to the
// cluster and compiled, must not deny the flow there, and is compared by Diff;
// if none of them compiles, those with the next fewest are.
//
// As ExplainDenial; FailedPrecondition if nobody denies the flow; NotFound,
// naming what denies, if no such set changes that; its message ends with
// "; not tried: " and what the limits left out, if anything.
//
// Cost: a copy of the cluster, its compilation and a Diff for each set with the
// fewest conditions (one for each rule that fails in one condition, as a rule);
// before, squared labels that selectors ask for times rules that they matter
// to. With policies of other dialects, a compilation for each of the labels,
// and for each two of them unless something smaller allows: of the two ends and
// the pods in the host's network, with the policies of their namespaces and of
// the whole cluster. No more than
// `limits` say of either, single labels first; what is left out is counted.
absl::StatusOr<AllowingChange> FindAllowingChange(
    const CompiledCluster& cluster, const NamedEnd& source,
    const NamedEnd& destination, PortProtocol port,
    const AllowingChangeLimits& limits = {});

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_WHY_NOT_H_
