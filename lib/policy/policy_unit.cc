// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/policy_unit_internal.h"

#include <tuple>
#include <utility>

namespace ciliumcore {
namespace {

bool ComesBefore(const NetworkPolicy& a, const NetworkPolicy& b) {
  return std::tie(a.ns, a.name) < std::tie(b.ns, b.name);
}

}  // namespace

void PolicyUnits::Reset(const Universe& universe,
                        const std::vector<Namespace>& namespaces) {
  universe_ = &universe;
  matcher_ = std::make_unique<RuleMatcher>(universe, namespaces);
  units_.clear();
  refs_.clear();
}

bool PolicyUnits::Update(absl::Span<const NetworkPolicy* const> policies) {
  bool changed = false;
  std::vector<std::unique_ptr<PolicyUnit>> old = std::exchange(units_, {});
  units_.reserve(policies.size());
  auto at = old.begin();
  const auto drop = [&] {
    Drop(**at++);
    changed = true;
  };
  for (const NetworkPolicy* policy : policies) {
    while (at != old.end() && ComesBefore((*at)->policy, *policy)) drop();
    if (at != old.end() && (*at)->policy == *policy) {
      units_.push_back(std::move(*at++));
      continue;
    }
    units_.push_back(Make(*policy));
    changed = true;
  }
  while (at != old.end()) drop();
  return changed;
}

std::unique_ptr<PolicyUnit> PolicyUnits::Make(const NetworkPolicy& policy) {
  auto unit = std::make_unique<PolicyUnit>();
  unit->id = next_unit_++;
  unit->policy = policy;
  unit->ref = {"NetworkPolicy", policy.ns, policy.name};
  for (Direction direction : kDirections) {
    MakeSection(policy, direction, *unit);
  }
  unit->groups = universe_->groups.Find(policy.pod_selector, {policy.ns});
  return unit;
}

void PolicyUnits::MakeSection(const NetworkPolicy& policy, Direction direction,
                              PolicyUnit& unit) {
  const bool ingress = direction == Direction::kIngress;
  PolicyUnit::Section& section = unit.sections[static_cast<int>(direction)];
  section.isolates = ingress ? policy.isolates_ingress : policy.isolates_egress;
  if (!section.isolates) return;
  const auto& rules = ingress ? policy.ingress : policy.egress;
  section.rules.reserve(rules.size());
  for (uint32_t i = 0; i < rules.size(); ++i) {
    PolicyUnit::Rule& rule = section.rules.emplace_back();
    rule.number = next_rule_++;
    rule.matched = matcher_->Match(rules[i], policy.ns, direction);
    rule.ref = {unit.ref.kind, policy.ns, policy.name, direction, i};
    section.names.insert(rule.matched.names.begin(), rule.matched.names.end());
    refs_.emplace(rule.number, &rule.ref);
  }
}

void PolicyUnits::Drop(const PolicyUnit& unit) {
  for (const PolicyUnit::Section& section : unit.sections) {
    for (const PolicyUnit::Rule& rule : section.rules) refs_.erase(rule.number);
  }
}

}  // namespace ciliumcore
