// SPDX-License-Identifier: Apache-2.0

// A policy as it meets who there is: which subjects it selects, and which peers
// its rules match. It depends on nothing else, so it is kept while the policy
// stays as it is.

#ifndef CILIUMCORE_LIB_POLICY_POLICY_UNIT_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_POLICY_UNIT_INTERNAL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "lib/policy/lowered_policy_internal.h"
#include "lib/policy/rule_matcher_internal.h"
#include "lib/policy/universe_internal.h"

namespace ciliumcore {

struct PolicyUnit {
  struct Rule {
    uint32_t number = 0;  // for the RuleTrie; ascending in a section
    uint32_t unit = 0;    // id of the unit it is of
    MatchedRule matched;
    const LoweredRule* rule = nullptr;  // in the unit's policy
    const LoweredPolicy* policy = nullptr;
  };

  struct Section {
    bool isolates = false;
    std::vector<Rule> rules;
    PortNames names;  // that the rules use
  };

  const Section& section(Direction direction) const {
    return sections[static_cast<int>(direction)];
  }

  uint32_t id = 0;  // no two units of one PolicyUnits have the same
  LoweredRef policy;
  Section sections[2];
  // That it selects, ascending; the same object for equal selectors.
  std::shared_ptr<const std::vector<uint32_t>> groups;
};

// A peer that came or has gone, and the rules that match it, ascending.
struct MatchedPeer {
  PeerRef peer;
  bool has_gone = false;
  std::vector<const PolicyUnit::Rule*> rules;
};

// The units of the policies that are compiled. Thread-compatible.
class PolicyUnits {
 public:
  // Forgets all units: who there is has changed. `universe` must live until the
  // next Reset; `namespaces` are those of its input.
  void Reset(const Universe& universe,
             const std::vector<Namespace>& namespaces);

  // Units for `policies`, in that order; those that are there already are kept,
  // and the others forgotten. True if any unit came or went.
  bool Update(absl::Span<const LoweredRef> policies);

  // Brings the rules to peers that came and went in the universe.
  std::vector<MatchedPeer> Change(const PeerChanges& changes);

  absl::Span<const std::unique_ptr<PolicyUnit>> all() const { return units_; }

  // The rule of that number; it is one of `all`.
  const PolicyUnit::Rule& RuleOf(uint32_t number) const {
    return *rules_.at(number);
  }

 private:
  std::unique_ptr<PolicyUnit> Make(const LoweredRef& policy);
  void MakeSection(Direction direction, PolicyUnit& unit);

  const Universe* universe_ = nullptr;
  std::unique_ptr<RuleMatcher> matcher_;
  std::vector<std::unique_ptr<PolicyUnit>> units_;
  absl::flat_hash_map<uint32_t, PolicyUnit::Rule*> rules_;  // by number
  uint32_t next_unit_ = 0;
  uint32_t next_rule_ = 0;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_POLICY_UNIT_INTERNAL_H_
