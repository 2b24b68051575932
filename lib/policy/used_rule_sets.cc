// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/used_rule_sets_internal.h"

#include <utility>

#include "lib/policy/sorted_internal.h"

namespace ciliumcore {
namespace {

// More changes than these are cheaper made by making the map anew.
constexpr size_t kFewChanges = 64;

}  // namespace

void UsedRuleSets::Set(const std::vector<const BuiltTable*>& tables) {
  ++round_;
  std::vector<uint32_t> changed;
  for (const BuiltTable* built : tables) {
    Held& held = held_[built->rule_sets.get()];
    held.round = round_;
    if (held.list != nullptr) continue;
    held.list = built->rule_sets;
    for (const RuleSetRef& set : *held.list) {
      Used& used = used_[set->id];
      used.set = set;
      if (++used.lists == 1) changed.push_back(set->id);
    }
  }
  absl::erase_if(held_, [&](const auto& entry) {
    if (entry.second.round == round_) return false;
    for (const RuleSetRef& set : *entry.second.list) {
      Used& used = used_.at(set->id);
      if (--used.lists != 0) continue;
      used_.erase(set->id);
      changed.push_back(set->id);
    }
    return true;
  });

  SortUnique(changed);
  if (changed.size() > kFewChanges) {
    std::vector<std::pair<uint32_t, RuleSetRef>> all;
    all.reserve(used_.size());
    for (const auto& [id, used] : used_) all.emplace_back(id, used.set);
    std::sort(all.begin(), all.end());
    sets_ = SharedMap<uint32_t, RuleSetRef>::FromSorted(std::move(all));
    return;
  }
  for (uint32_t id : changed) {
    const auto used = used_.find(id);
    if (used == used_.end()) {
      sets_.Erase(id);
    } else {
      sets_.Set(id, used->second.set);
    }
  }
}

}  // namespace ciliumcore
