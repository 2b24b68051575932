// SPDX-License-Identifier: Apache-2.0

// Why a verdict is what it is. Every cell of a verdict table carries the number
// of a rule set: the exact rules that allow or deny, or the policies whose
// isolation denies. An event carries the number, and the RuleSetTable explains
// it, also after later changes of policy.

#ifndef CILIUMCORE_POLICY_RULE_SET_H_
#define CILIUMCORE_POLICY_RULE_SET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ciliumcore/policy/verdict_table.h"

namespace ciliumcore {

// A policy by its name.
struct PolicyRef {
  std::string kind;  // "NetworkPolicy"
  std::string ns;    // empty: of the whole cluster
  std::string name;

  // "NetworkPolicy shop/allow-web", "ClusterNetworkPolicy guard".
  std::string ToString() const;

  friend auto operator<=>(const PolicyRef&, const PolicyRef&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const PolicyRef& ref) {
    return H::combine(std::move(h), ref.kind, ref.ns, ref.name);
  }
};

// One rule of a policy by its place: `section[index]`, counted from 0.
struct RuleRef {
  std::string kind;
  std::string ns;  // empty: of the whole cluster
  std::string name;
  Direction section = Direction::kIngress;
  uint32_t index = 0;
  // Of Cilium's policies: which of several specifications, and whether the
  // section is that of denials.
  uint32_t spec = 0;
  bool is_deny_section = false;

  // "NetworkPolicy shop/allow-web ingress[0]", "CiliumNetworkPolicy shop/web
  // specs[1].egressDeny[0]".
  std::string ToString() const;

  friend auto operator<=>(const RuleRef&, const RuleRef&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const RuleRef& ref) {
    return H::combine(std::move(h), ref.kind, ref.ns, ref.name, ref.section,
                      ref.index, ref.spec, ref.is_deny_section);
  }
};

// What decided a verdict.
struct RuleSet {
  enum class Kind : uint8_t {
    kRules,        // `rules` allow it, all of them
    kDefaultDeny,  // `policies` isolate the subject and no rule allows it
    kNotIsolated,  // no policy isolates the subject, and none decides
    kOwnNode,      // a pod's own node reaches it and is reached by it
    kDenied,       // `rules` deny it, all of them
    // `rules` would allow it after mutual authentication, which nobody does.
    kAuthentication,
  };

  Kind kind = Kind::kNotIsolated;
  Direction direction = Direction::kIngress;
  // Of kRules, kDenied and kAuthentication, ascending. In the tiers of the
  // policies of the whole cluster it is the first one that matches.
  std::vector<RuleRef> rules;
  std::vector<PolicyRef> policies;  // of kDefaultDeny, ascending

  // A sentence: "not isolated: no policy selects it for ingress".
  std::string ToString() const;

  friend auto operator<=>(const RuleSet&, const RuleSet&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const RuleSet& set) {
    return H::combine(std::move(h), set.kind, set.direction, set.rules,
                      set.policies);
  }
};

// A rule set with its number, from a RuleSetTable. While one of its references
// lives, the number means this rule set.
struct NumberedRuleSet {
  uint32_t id = 0;
  RuleSet set;
};
using RuleSetRef = std::shared_ptr<const NumberedRuleSet>;

// Numbers rule sets. Equal sets have one number. Numbers only grow, and start
// again at 1 behind 2^24 - 1; one that is referenced or remembered is never
// given to another set.
//
// Thread-safe. References may outlive the table.
class RuleSetTable {
 public:
  struct Options {
    // Sets that nothing references any more but which Find still explains: the
    // most recently used. It bounds memory and how late an event may be.
    size_t history = 16384;
    // The largest number; what the datapath can carry.
    uint32_t last_id = (1u << 24) - 1;
  };

  RuleSetTable() : RuleSetTable(Options()) {}
  explicit RuleSetTable(const Options& options);

  // The number of `set`, new if it has none. ResourceExhausted if all are
  // referenced.
  absl::StatusOr<RuleSetRef> Intern(RuleSet set);

  // Gives `set` the number it had in an earlier process. AlreadyExists if it or
  // the number has another partner; InvalidArgument if it is 0 or too large.
  absl::StatusOr<RuleSetRef> Restore(uint32_t id, RuleSet set);

  // The set of number `id`, referenced or remembered; null otherwise.
  RuleSetRef Find(uint32_t id) const;

  // Sets referenced, and sets remembered.
  size_t live() const;
  size_t remembered() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_RULE_SET_H_
