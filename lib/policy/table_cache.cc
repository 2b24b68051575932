// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/table_cache_internal.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/hash/hash.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore {
namespace {

// The trie forgets no set. It is made anew when it is larger than this.
constexpr size_t kTrieLimit = size_t{1} << 22;

std::vector<uint32_t> Numbers(const Universe& universe) {
  std::vector<uint32_t> numbers;
  numbers.reserve(universe.peers.size());
  for (const PeerRef& peer : universe.peers) numbers.push_back(peer->number);
  return numbers;
}

}  // namespace

size_t TableCache::ContentHash::operator()(const TableRef& table) const {
  return absl::Hash<CompiledTable>()(*table);
}

void TableCache::Reset(const Universe& universe, const PolicyUnits& units,
                       const ProxyPorts& proxies) {
  units_ = &units;
  proxies_ = &proxies;
  entries_.clear();
  contents_.clear();
  trie_ = RuleTrie();
  builder_.emplace(Numbers(universe), trie_);
}

void TableCache::Sweep() {
  absl::erase_if(entries_, [&](const auto& entry) {
    return entry.second->used != round_;
  });
  // Ours is the last reference.
  absl::erase_if(contents_,
                 [](const TableRef& table) { return table.use_count() == 1; });
  if (trie_.size() > kTrieLimit) trie_ = RuleTrie();
}

absl::StatusOr<const BuiltTable*> TableCache::Get(
    Direction direction, const SubjectUnits& units,
    std::vector<NamedPort> ports) {
  Key key = {direction, {}, std::move(ports)};
  for (const PolicyUnit* unit : units) std::get<1>(key).push_back(unit->id);
  std::unique_ptr<Entry>& entry = entries_[key];
  if (entry == nullptr) {
    absl::StatusOr<BuiltTable> built =
        Build(direction, units, std::get<2>(key));
    if (!built.ok()) {
      entries_.erase(key);
      return built.status();
    }
    entry = std::make_unique<Entry>(Entry{*std::move(built), 0});
  }
  entry->used = round_;
  return &entry->built;
}

absl::StatusOr<BuiltTable> TableCache::Build(
    Direction direction, const SubjectUnits& units,
    const std::vector<NamedPort>& ports) {
  CellDecision cells(rule_sets_, *proxies_, direction, units);
  CompiledTable table;
  if (units.empty()) {
    table.cells = {cells.Of({})};
  } else {
    std::deque<std::vector<PortKeyRange>> resolved;
    std::vector<AppliedRule> applied;
    for (const PolicyUnit* unit : units) {
      for (const PolicyUnit::Rule& rule : unit->section(direction).rules) {
        const MatchedRule& matched = rule.matched;
        const auto* ranges = &matched.ranges;
        if (direction == Direction::kIngress && !matched.names.empty()) {
          ranges = &resolved.emplace_back(WithNamedPorts(matched, ports));
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
  BuiltTable built;
  CC_ASSIGN_OR_RETURN(built.rule_sets, std::move(cells).TakeRefs());
  built.table =
      *contents_.insert(std::make_shared<const CompiledTable>(std::move(table)))
           .first;
  return built;
}

}  // namespace ciliumcore
