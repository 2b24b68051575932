// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/table_cache_internal.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/hash/hash.h"
#include "lib/base/status_macros_internal.h"
#include "lib/policy/sorted_internal.h"

namespace ciliumcore {
namespace {

// The trie forgets no set. It is made anew when it is larger than this.
constexpr size_t kTrieLimit = size_t{1} << 22;

}  // namespace

size_t TableCache::ContentHash::operator()(const TableRef& table) const {
  return absl::Hash<CompiledTable>()(*table);
}

void TableCache::Reset(const Universe& universe, const PolicyUnits& units,
                       const ProxyPorts& proxies) {
  universe_ = &universe;
  units_ = &units;
  proxies_ = &proxies;
  entries_.clear();
  contents_.clear();
  entries_of_unit_.clear();
  trie_ = RuleTrie();
  builder_.emplace(trie_);
  for (uint32_t peer = 0; peer < universe.peers().size(); ++peer) {
    builder_->SetNumber(peer, universe.peers()[peer]->number);
  }
}

void TableCache::Sweep() {
  const auto is_unused = [&](const Entry* entry) {
    return entry->used != round_;
  };
  absl::erase_if(entries_of_unit_, [&](auto& of_unit) {
    std::erase_if(of_unit.second, is_unused);
    return of_unit.second.empty();
  });
  absl::erase_if(entries_, [&](const auto& entry) {
    return is_unused(entry.second.get());
  });
  SweepContents();
  if (trie_.size() > kTrieLimit) trie_ = RuleTrie();
}

void TableCache::SweepContents() {
  absl::erase_if(contents_, [](const TableRef& table) {
    return table.use_count() == 1;  // ours is the last reference
  });
}

absl::StatusOr<const BuiltTable*> TableCache::Get(
    Direction direction, const SubjectUnits& units,
    std::vector<NamedPort> ports) {
  Key key = {direction, {}, std::move(ports)};
  for (const PolicyUnit* unit : units) std::get<1>(key).push_back(unit->id);
  std::unique_ptr<Entry>& entry = entries_[key];
  if (entry == nullptr) {
    auto fresh = std::make_unique<Entry>();
    fresh->number = made_++;
    fresh->direction = direction;
    fresh->units = units;
    fresh->ports = std::get<2>(key);
    if (absl::Status built = Build(*fresh); !built.ok()) {
      entries_.erase(key);
      return built;
    }
    for (const PolicyUnit* unit : units) {
      entries_of_unit_[unit->id].push_back(fresh.get());
    }
    entry = std::move(fresh);
  }
  entry->used = round_;
  return &entry->built;
}

absl::Status TableCache::Build(Entry& entry) {
  CellDecision cells(rule_sets_, *proxies_, entry.direction, entry.units);
  CompiledTable table;
  if (entry.units.empty()) {
    table.cells = {cells.Of({})};
  } else {
    std::deque<std::vector<PortKeyRange>> resolved;
    std::vector<AppliedRule> applied;
    for (const PolicyUnit* unit : entry.units) {
      for (const auto& rule : unit->section(entry.direction).rules) {
        const MatchedRule& matched = rule.matched;
        if (matched.every_peer) entry.every.push_back(&rule);
        const auto* ranges = &matched.ranges;
        if (entry.direction == Direction::kIngress && !matched.names.empty()) {
          ranges = &resolved.emplace_back(WithNamedPorts(matched, entry.ports));
        }
        if (!ranges->empty() &&
            (matched.every_peer || !matched.peers.empty())) {
          applied.push_back({rule.number, ranges,
                             matched.every_peer ? nullptr : &matched.peers});
        }
        for (const MatchedRule::Variant& variant : matched.variants) {
          applied.push_back({rule.number, &variant.ranges, &variant.peers});
        }
      }
    }
    table = builder_->Build(
        applied,
        [&](uint32_t set) {
          std::vector<const PolicyUnit::Rule*> rules;
          for (uint32_t rule : trie_.Rules(set)) {
            rules.push_back(&units_->RuleOf(rule));
          }
          return cells.Of(rules);
        },
        cells.OwnNode());
  }
  CC_ASSIGN_OR_RETURN(auto rule_sets, std::move(cells).TakeRefs());
  entry.built.rule_sets = NeededBy(table, std::move(rule_sets));
  entry.built.table = Interned(std::move(table));
  return absl::OkStatus();
}

TableRef TableCache::Interned(CompiledTable table) {
  return *contents_
              .insert(std::make_shared<const CompiledTable>(std::move(table)))
              .first;
}

RuleSetList NeededBy(const CompiledTable& table,
                     std::vector<RuleSetRef> rule_sets) {
  std::vector<uint32_t> used;
  for (const Cell& cell : table.cells) used.push_back(cell.rule_set);
  SortUnique(used);
  std::erase_if(rule_sets, [&](const RuleSetRef& set) {
    return !std::binary_search(used.begin(), used.end(), set->id);
  });
  SortUnique(rule_sets);
  return std::make_shared<const std::vector<RuleSetRef>>(std::move(rule_sets));
}

}  // namespace ciliumcore
