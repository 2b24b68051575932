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

class TableCache::Cells {
 public:
  Cells(TableCache& cache, Direction direction, const SubjectUnits& units)
      : cache_(cache), direction_(direction), units_(units) {}

  Cell NotIsolated() { return Allow(RuleSet::Kind::kNotIsolated); }
  Cell OwnNode() { return Allow(RuleSet::Kind::kOwnNode); }

  // Of the set of that number in the trie.
  Cell Of(uint32_t set) {
    const auto [at, inserted] = known_.try_emplace(set);
    if (inserted) at->second = set == 0 ? DefaultDeny() : AllowedBy(set);
    return at->second;
  }

  // The references; an error if some cell has none.
  absl::StatusOr<std::vector<RuleSetRef>> TakeRefs() && {
    if (!status_.ok()) return status_;
    return std::move(refs_);
  }

 private:
  Cell Allow(RuleSet::Kind kind) {
    return Explained(Verdict::kAllow, {kind, direction_, {}, {}});
  }

  Cell AllowedBy(uint32_t set) {
    RuleSet allowed = {RuleSet::Kind::kRules, direction_, {}, {}};
    for (uint32_t rule : cache_.trie_.Rules(set)) {
      allowed.rules.push_back(cache_.units_->RefOf(rule));
    }
    std::sort(allowed.rules.begin(), allowed.rules.end());
    return Explained(Verdict::kAllow, std::move(allowed));
  }

  Cell DefaultDeny() {
    RuleSet denied = {RuleSet::Kind::kDefaultDeny, direction_, {}, {}};
    for (const PolicyUnit* unit : units_) denied.policies.push_back(unit->ref);
    std::sort(denied.policies.begin(), denied.policies.end());
    return Explained(Verdict::kDeny, std::move(denied));
  }

  Cell Explained(Verdict verdict, RuleSet set) {
    absl::StatusOr<RuleSetRef> ref = cache_.rule_sets_.Intern(std::move(set));
    if (!ref.ok()) {
      status_.Update(ref.status());
      return {};
    }
    const uint32_t id = (*ref)->id;
    refs_.push_back(*std::move(ref));
    return {verdict, 0, id};
  }

  TableCache& cache_;
  const Direction direction_;
  const SubjectUnits& units_;
  absl::flat_hash_map<uint32_t, Cell> known_;
  std::vector<RuleSetRef> refs_;
  absl::Status status_;
};

void TableCache::Reset(const Universe& universe, const PolicyUnits& units) {
  units_ = &units;
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
  Cells cells(*this, direction, units);
  CompiledTable table;
  if (units.empty()) {
    table.cells = {cells.NotIsolated()};
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
        applied, [&](uint32_t set) { return cells.Of(set); }, cells.OwnNode());
  }
  BuiltTable built;
  CC_ASSIGN_OR_RETURN(built.rule_sets, std::move(cells).TakeRefs());
  built.table =
      *contents_.insert(std::make_shared<const CompiledTable>(std::move(table)))
           .first;
  return built;
}

}  // namespace ciliumcore
