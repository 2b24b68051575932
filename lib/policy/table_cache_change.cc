// SPDX-License-Identifier: Apache-2.0

// Tables that stay but for a few peers.

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "lib/base/status_macros_internal.h"
#include "lib/policy/sorted_internal.h"
#include "lib/policy/table_cache_internal.h"

namespace ciliumcore {
namespace {

bool AreIn(const std::vector<PortKeyRange>& ranges, uint32_t key) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [key](const PortKeyRange& range) {
                       return range.first <= key && key <= range.last;
                     });
}

}  // namespace

absl::Status TableCache::Change(const PeerChanges& changes,
                                const std::vector<MatchedPeer>& matched) {
  for (uint32_t peer : changes.come) {
    builder_->SetNumber(peer, universe_->peers()[peer]->number);
  }
  // In the order of `matched`: of a number that goes and comes, what comes is
  // the last word.
  std::map<Entry*, ChangedPeers, ByNumber> changed;
  for (const MatchedPeer& peer : matched) {
    for (const PolicyUnit::Rule* rule : peer.rules) {
      // Then no table has to name the peer for it.
      if (rule->matched.every_peer && rule->matched.names.empty()) continue;
      const auto entries = entries_of_unit_.find(rule->unit);
      if (entries == entries_of_unit_.end()) continue;
      for (Entry* entry : entries->second) {
        if (entry->direction != rule->rule->ref.section) continue;
        changed[entry][peer.peer->number] = &peer;
      }
    }
  }
  for (const auto& [entry, peers] : changed) {
    CC_RETURN_IF_ERROR(ChangePeers(peers, *entry));
  }
  // Now and then: those that were changed are of no use but to who holds them.
  if (contents_.size() > 2 * entries_.size() + 16) SweepContents();
  return absl::OkStatus();
}

absl::Status TableCache::ChangePeers(const ChangedPeers& changed,
                                     Entry& entry) {
  CellDecision cells(rule_sets_, *proxies_, entry.direction, entry.units);
  std::vector<PeerRow> rows;
  for (const auto& [number, peer] : changed) {
    rows.push_back(peer->has_gone ? PeerRow{.peer = number}
                                  : RowOf(*peer, entry, cells));
  }
  CC_ASSIGN_OR_RETURN(std::vector<RuleSetRef> rule_sets,
                      std::move(cells).TakeRefs());
  BuiltTable& built = entry.built;
  CompiledTable table = WithPeers(*built.table, rows);
  if (table.cells != built.table->cells) {
    rule_sets.insert(rule_sets.end(), built.rule_sets->begin(),
                     built.rule_sets->end());
    built.rule_sets = NeededBy(table, std::move(rule_sets));
  }
  built.table = Interned(std::move(table));
  return absl::OkStatus();
}

PeerRow TableCache::RowOf(const MatchedPeer& peer, const Entry& entry,
                          CellDecision& cells) const {
  // The rules of this table that match the peer, and where.
  std::vector<const PolicyUnit::Rule*> rules = entry.every;
  for (const PolicyUnit::Rule* rule : peer.rules) {
    if (rule->matched.every_peer) continue;
    if (rule->rule->ref.section != entry.direction) continue;
    const auto unit = std::lower_bound(
        entry.units.begin(), entry.units.end(), rule->unit,
        [](const PolicyUnit* of, uint32_t id) { return of->id < id; });
    if (unit != entry.units.end() && (*unit)->id == rule->unit) {
      rules.push_back(rule);
    }
  }
  std::sort(rules.begin(), rules.end(),
            [](const PolicyUnit::Rule* a, const PolicyUnit::Rule* b) {
              return a->number < b->number;
            });
  PeerRow row = {.peer = peer.peer->number};
  std::vector<std::vector<PortKeyRange>> ranges;
  for (const PolicyUnit::Rule* rule : rules) {
    ranges.push_back(
        WithNamedPorts(rule->matched, entry.direction == Direction::kIngress
                                          ? entry.ports
                                          : peer.peer->variety.ports));
    AddBounds(ranges.back(), row.bounds);
  }
  SortUnique(row.bounds);
  for (size_t interval = 0; interval <= row.bounds.size(); ++interval) {
    const uint32_t key = interval == 0 ? 0 : row.bounds[interval - 1];
    std::vector<const PolicyUnit::Rule*> here;
    size_t every_here = 0;  // with rules of names, they may match more here
    for (size_t i = 0; i < rules.size(); ++i) {
      if (!AreIn(ranges[i], key)) continue;
      here.push_back(rules[i]);
      every_here +=
          rules[i]->matched.every_peer && AreIn(rules[i]->matched.ranges, key);
    }
    // As everybody else: the table has that cell, and a denial by default is
    // long to make.
    const CompiledTable& table = *entry.built.table;
    row.cells.push_back(here.size() == every_here
                            ? table.cells[table.IntervalOf(key)]
                            : cells.Of(here));
  }
  return row;
}

}  // namespace ciliumcore
