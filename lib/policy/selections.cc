// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/selections_internal.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace ciliumcore {
namespace {

using Groups = std::vector<uint32_t>;

// The units of one selector.
struct Selected {
  const Groups* groups = nullptr;
  std::vector<const PolicyUnit*> units;
};

std::vector<Selected> BySelector(const PolicyUnits& units) {
  std::vector<Selected> selected;
  absl::flat_hash_map<const Groups*, uint32_t> known;
  for (const auto& unit : units.all()) {
    const auto [at, inserted] = known.try_emplace(
        unit->groups.get(), static_cast<uint32_t>(selected.size()));
    if (inserted) selected.push_back({unit->groups.get(), {}});
    selected[at->second].units.push_back(unit.get());
  }
  return selected;
}

// A set of groups that the same selectors, up to some one, select.
struct Refined {
  uint32_t parent = 0;
  uint32_t selector = 0;  // the last of them
  uint32_t split = 0;  // what its groups become under the selector `split_by`
  uint32_t split_by = 0xffffffff;
};

Audience MakeAudience(
    const std::vector<const std::vector<const PolicyUnit*>*>& selecting) {
  Audience audience;
  for (Direction direction : kDirections) {
    SubjectUnits& units = audience.units[static_cast<int>(direction)];
    for (const auto* some : selecting) {
      for (const PolicyUnit* unit : *some) {
        const PolicyUnit::Section& section = unit->section(direction);
        if (!section.isolates && section.rules.empty()) continue;
        units.push_back(unit);
        if (direction == Direction::kEgress) continue;
        audience.ports.insert(section.names.begin(), section.names.end());
      }
    }
    std::sort(
        units.begin(), units.end(),
        [](const PolicyUnit* a, const PolicyUnit* b) { return a->id < b->id; });
  }
  return audience;
}

}  // namespace

void Selections::Update(size_t groups, const PolicyUnits& units) {
  const std::vector<Selected> selected = BySelector(units);
  audience_of_group_.assign(groups, 0);
  std::vector<Refined> refined(1);
  for (uint32_t selector = 0; selector < selected.size(); ++selector) {
    for (uint32_t group : *selected[selector].groups) {
      const uint32_t old = audience_of_group_[group];
      if (refined[old].split_by != selector) {
        refined[old].split_by = selector;
        refined[old].split = static_cast<uint32_t>(refined.size());
        refined.push_back({.parent = old, .selector = selector});
      }
      audience_of_group_[group] = refined[old].split;
    }
  }
  // Keep what has groups, in their order.
  audiences_.clear();
  constexpr uint32_t kNone = 0xffffffff;
  std::vector<uint32_t> renumbered(refined.size(), kNone);
  for (uint32_t& of_group : audience_of_group_) {
    uint32_t& index = renumbered[of_group];
    if (index == kNone) {
      std::vector<const std::vector<const PolicyUnit*>*> selecting;
      for (uint32_t at = of_group; at != 0; at = refined[at].parent) {
        selecting.push_back(&selected[refined[at].selector].units);
      }
      index = static_cast<uint32_t>(audiences_.size());
      audiences_.push_back(MakeAudience(selecting));
    }
    of_group = index;
  }
}

}  // namespace ciliumcore
