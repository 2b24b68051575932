// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/policy_unit_internal.h"

#include <utility>

namespace ciliumcore {

void PolicyUnits::Reset(const Universe& universe,
                        const std::vector<Namespace>& namespaces) {
  universe_ = &universe;
  matcher_ = std::make_unique<RuleMatcher>(universe, namespaces);
  units_.clear();
  rules_.clear();
}

bool PolicyUnits::Update(absl::Span<const LoweredRef> policies) {
  absl::flat_hash_map<const LoweredPolicy*, std::unique_ptr<PolicyUnit>> old;
  old.reserve(units_.size());
  for (std::unique_ptr<PolicyUnit>& unit : units_) {
    const LoweredPolicy* policy = unit->policy.get();
    old.emplace(policy, std::move(unit));
  }
  units_.clear();
  bool changed = false;
  for (const LoweredRef& policy : policies) {
    const auto known = old.find(policy.get());
    if (known == old.end()) {
      units_.push_back(Make(policy));
      changed = true;
      continue;
    }
    units_.push_back(std::move(known->second));
    old.erase(known);
  }
  for (const auto& [policy, unit] : old) {
    for (const PolicyUnit::Section& section : unit->sections) {
      for (const PolicyUnit::Rule& rule : section.rules) {
        matcher_->Forget(*rule.rule, rule.number);
        rules_.erase(rule.number);
      }
    }
  }
  return changed || !old.empty();
}

std::unique_ptr<PolicyUnit> PolicyUnits::Make(const LoweredRef& policy) {
  auto unit = std::make_unique<PolicyUnit>();
  unit->id = next_unit_++;
  unit->policy = policy;
  for (Direction direction : kDirections) {
    MakeSection(direction, *unit);
  }
  unit->groups = matcher_->SubjectsOf(policy->subject);
  return unit;
}

std::vector<MatchedPeer> PolicyUnits::Change(const PeerChanges& changes) {
  std::vector<MatchedPeer> matched;
  for (const auto& [peer, ref] : changes.gone) {
    MatchedPeer& gone = matched.emplace_back(MatchedPeer{ref, true, {}});
    for (uint32_t number : matcher_->Goes(peer, ref->variety)) {
      PolicyUnit::Rule& rule = *rules_.at(number);
      RuleMatcher::Remove(peer, rule.matched);
      gone.rules.push_back(&rule);
    }
  }
  for (uint32_t peer : changes.come) {
    MatchedPeer& come =
        matched.emplace_back(MatchedPeer{universe_->peers()[peer], false, {}});
    for (uint32_t number : matcher_->Came(peer)) {
      PolicyUnit::Rule& rule = *rules_.at(number);
      matcher_->Add(peer, rule.rule->ref.section, rule.matched);
      come.rules.push_back(&rule);
    }
  }
  return matched;
}

void PolicyUnits::MakeSection(Direction direction, PolicyUnit& unit) {
  const LoweredSection& from = unit.policy->section(direction);
  PolicyUnit::Section& section = unit.sections[static_cast<int>(direction)];
  section.isolates = from.isolates;
  section.rules.reserve(from.rules.size());
  for (const LoweredRule& rule : from.rules) {
    PolicyUnit::Rule& out = section.rules.emplace_back();
    out.number = next_rule_++;
    out.unit = unit.id;
    out.matched = matcher_->Match(rule, direction, out.number);
    out.rule = &rule;
    out.policy = unit.policy.get();
    section.names.insert(rule.names.begin(), rule.names.end());
    rules_.emplace(out.number, &out);
  }
}

}  // namespace ciliumcore
