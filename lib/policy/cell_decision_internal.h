// SPDX-License-Identifier: Apache-2.0

// What becomes of flows that the same rules match: the precedence of all
// dialects, in one place. cluster_policy.h tells the order of the tiers.

#ifndef CILIUMCORE_LIB_POLICY_CELL_DECISION_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_CELL_DECISION_INTERNAL_H_

#include <optional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/policy/rule_set.h"
#include "ciliumcore/policy/verdict_table.h"
#include "lib/policy/policy_unit_internal.h"

namespace ciliumcore {

// The units that select a subject, ascending by id.
using SubjectUnits = absl::InlinedVector<const PolicyUnit*, 4>;

// Makes the cells of one table. Thread-compatible.
class CellDecision {
 public:
  using MatchedRules = absl::Span<const PolicyUnit::Rule* const>;

  // All must outlive it.
  CellDecision(RuleSetTable& rule_sets, const ProxyPorts& proxies,
               Direction direction, const SubjectUnits& units);

  // Of flows that `rules` match, all of them.
  Cell Of(MatchedRules rules);
  // Of the subject's own node.
  Cell OwnNode();

  // What keeps the numbers of the cells; an error if some cell has none, or
  // InvalidArgument if two rules want different proxies for one flow.
  absl::StatusOr<std::vector<RuleSetRef>> TakeRefs() &&;

 private:
  using Refs = std::vector<RuleRef>;

  // What the first rule of that tier says, unless it passes.
  std::optional<Cell> ByTier(MatchedRules rules, LoweredPolicy::Tier tier);
  std::optional<Cell> ByNormalPolicies(MatchedRules rules);
  Cell Allowed(MatchedRules allowing);
  Cell DefaultDeny();
  Cell Explained(Verdict verdict, RuleSet::Kind kind, Refs rules,
                 ProxyKind proxy = ProxyKind::kNone);
  Cell Numbered(Verdict verdict, RuleSet set, ProxyKind proxy);

  RuleSetTable& rule_sets_;
  const ProxyPorts& proxies_;
  const Direction direction_;
  const SubjectUnits& units_;
  bool isolates_ = false;
  std::vector<RuleSetRef> refs_;
  absl::Status status_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_CELL_DECISION_INTERNAL_H_
