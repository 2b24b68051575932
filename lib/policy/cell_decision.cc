// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/cell_decision_internal.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/policy/sorted_internal.h"

namespace ciliumcore {
namespace {

using Rule = PolicyUnit::Rule;
using Action = LoweredRule::Action;

// Whether `a` is asked before `b`, both of one tier.
bool IsAskedBefore(const Rule& a, const Rule& b) {
  const auto rank = [](const Rule& rule) {
    return std::tie(rule.policy->priority, rule.policy->ref.name,
                    rule.policy->kind_rank, rule.rule->ref.index);
  };
  return rank(a) < rank(b);
}

std::vector<RuleRef> RefsOf(CellDecision::MatchedRules rules) {
  std::vector<RuleRef> refs;
  for (const Rule* rule : rules) refs.push_back(rule->rule->ref);
  SortUnique(refs);
  return refs;
}

template <typename Predicate>
std::vector<const Rule*> Those(CellDecision::MatchedRules rules,
                               Predicate predicate) {
  std::vector<const Rule*> those;
  std::copy_if(rules.begin(), rules.end(), std::back_inserter(those),
               [&](const Rule* rule) { return predicate(*rule); });
  return those;
}

uint16_t PortOf(const ProxyPorts& ports, ProxyKind proxy) {
  switch (proxy) {
    case ProxyKind::kNone:
      return 0;
    case ProxyKind::kHttp:
      return ports.http;
    case ProxyKind::kDns:
      return ports.dns;
    case ProxyKind::kTls:
      return ports.tls;
    case ProxyKind::kListener:
      return ports.listener;
  }
  return 0;
}

}  // namespace

CellDecision::CellDecision(RuleSetTable& rule_sets, const ProxyPorts& proxies,
                           Direction direction, const SubjectUnits& units)
    : rule_sets_(rule_sets),
      proxies_(proxies),
      direction_(direction),
      units_(units) {
  for (const PolicyUnit* unit : units) {
    isolates_ |= unit->section(direction).isolates;
  }
}

Cell CellDecision::Of(MatchedRules rules) {
  if (auto cell = ByTier(rules, LoweredPolicy::Tier::kAdmin)) return *cell;
  if (auto cell = ByNormalPolicies(rules)) return *cell;
  if (auto cell = ByTier(rules, LoweredPolicy::Tier::kBaseline)) return *cell;
  return Explained(Verdict::kAllow, RuleSet::Kind::kNotIsolated, {});
}

Cell CellDecision::OwnNode() {
  return Explained(Verdict::kAllow, RuleSet::Kind::kOwnNode, {});
}

absl::StatusOr<std::vector<RuleSetRef>> CellDecision::TakeRefs() && {
  if (!status_.ok()) return status_;
  return std::move(refs_);
}

std::optional<Cell> CellDecision::ByTier(MatchedRules rules,
                                         LoweredPolicy::Tier tier) {
  const Rule* first = nullptr;
  for (const Rule* rule : rules) {
    if (rule->policy->tier != tier) continue;
    if (first == nullptr || IsAskedBefore(*rule, *first)) first = rule;
  }
  if (first == nullptr || first->rule->action == Action::kPass) {
    return std::nullopt;
  }
  const bool denies = first->rule->action == Action::kDeny;
  return Explained(denies ? Verdict::kDeny : Verdict::kAllow,
                   denies ? RuleSet::Kind::kDenied : RuleSet::Kind::kRules,
                   {first->rule->ref});
}

std::optional<Cell> CellDecision::ByNormalPolicies(MatchedRules rules) {
  const auto of_action = [&](Action action) {
    return Those(rules, [action](const Rule& rule) {
      return rule.policy->tier == LoweredPolicy::Tier::kNormal &&
             rule.rule->action == action;
    });
  };
  const std::vector<const Rule*> denying = of_action(Action::kDeny);
  if (!denying.empty()) {
    return Explained(Verdict::kDeny, RuleSet::Kind::kDenied, RefsOf(denying));
  }
  const std::vector<const Rule*> allowing = of_action(Action::kAllow);
  if (isolates_) return allowing.empty() ? DefaultDeny() : Allowed(allowing);
  // What would be allowed without them, they allow on a condition.
  const bool on_condition =
      std::any_of(allowing.begin(), allowing.end(), [](const Rule* rule) {
        return rule->rule->needs_authentication ||
               rule->rule->proxy != ProxyKind::kNone;
      });
  if (on_condition) return Allowed(allowing);
  return std::nullopt;
}

Cell CellDecision::Allowed(MatchedRules allowing) {
  const std::vector<const Rule*> demanding =
      Those(allowing,
            [](const Rule& rule) { return rule.rule->needs_authentication; });
  if (!demanding.empty()) {
    return Explained(Verdict::kDeny, RuleSet::Kind::kAuthentication,
                     RefsOf(demanding));
  }
  const Rule* redirecting = nullptr;
  for (const Rule* rule : allowing) {
    if (rule->rule->proxy == ProxyKind::kNone) continue;
    if (redirecting != nullptr &&
        redirecting->rule->proxy != rule->rule->proxy) {
      status_.Update(absl::InvalidArgumentError(
          absl::StrCat(rule->rule->ref.ToString(), " and ",
                       redirecting->rule->ref.ToString(),
                       ": expected one application protocol for the same "
                       "peers and ports, found two")));
    }
    redirecting = rule;
  }
  if (redirecting == nullptr) {
    return Explained(Verdict::kAllow, RuleSet::Kind::kRules, RefsOf(allowing));
  }
  return Explained(Verdict::kRedirect, RuleSet::Kind::kRules, RefsOf(allowing),
                   redirecting->rule->proxy);
}

Cell CellDecision::DefaultDeny() {
  RuleSet denied = {RuleSet::Kind::kDefaultDeny, direction_, {}, {}};
  for (const PolicyUnit* unit : units_) {
    if (!unit->section(direction_).isolates) continue;
    denied.policies.push_back(unit->policy->ref);
  }
  SortUnique(denied.policies);
  return Numbered(Verdict::kDeny, std::move(denied), ProxyKind::kNone);
}

Cell CellDecision::Explained(Verdict verdict, RuleSet::Kind kind, Refs rules,
                             ProxyKind proxy) {
  return Numbered(verdict, {kind, direction_, std::move(rules), {}}, proxy);
}

Cell CellDecision::Numbered(Verdict verdict, RuleSet set, ProxyKind proxy) {
  absl::StatusOr<RuleSetRef> ref = rule_sets_.Intern(std::move(set));
  if (!ref.ok()) {
    status_.Update(ref.status());
    return {};
  }
  const uint32_t id = (*ref)->id;
  refs_.push_back(*std::move(ref));
  return {verdict, PortOf(proxies_, proxy), id};
}

}  // namespace ciliumcore
