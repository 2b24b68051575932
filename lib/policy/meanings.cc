// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/meanings_internal.h"

#include <utility>
#include <vector>

namespace ciliumcore {

Meanings::Meanings() { Intern({{}, {{Verdict::kAllow, 0, 0}}}); }

uint32_t Meanings::RowOf(const CompiledPolicy& policy,
                         const CompiledTable& table, uint32_t cls) {
  MeaningRow row;
  const Cell* const cells = table.cells.data() + cls * table.intervals();
  for (size_t i = 0; i < table.intervals(); ++i) {
    Cell cell = cells[i];
    cell.rule_set = RuleSetOf(policy, cell.rule_set);
    if (i != 0) {
      if (row.cells.back() == cell) continue;
      row.bounds.push_back(table.bounds[i - 1]);
    }
    row.cells.push_back(cell);
  }
  return Intern(std::move(row));
}

uint32_t Meanings::RuleSetOf(const CompiledPolicy& policy, uint32_t id) {
  const RuleSet* set = policy.FindRuleSet(id);
  if (set == nullptr) return 0;
  const auto [at, inserted] = rule_set_numbers_.try_emplace(
      *set, static_cast<uint32_t>(rule_sets_.size()) + 1);
  if (inserted) rule_sets_.push_back(*set);
  return at->second;
}

uint32_t Meanings::Intern(MeaningRow row) {
  const auto [at, inserted] =
      row_numbers_.try_emplace(row, static_cast<uint32_t>(rows_.size()));
  if (inserted) rows_.push_back(std::move(row));
  return at->second;
}

MeaningTables::MeaningTables(const CompiledPolicy& policy, Meanings& meanings) {
  // Every table splits the columns by its classes. Those it does not name keep
  // their number: its class 0 has cells that no other of its classes has.
  uint32_t column_count = 1;
  for (const auto& [number, peer] : policy.peer_map->peers)
    columns_[number] = 0;
  for (const TableRef& table : policy.tables) {
    absl::flat_hash_map<std::pair<uint32_t, uint32_t>, uint32_t> split;
    for (const auto& [peer, cls] : table->classes) {
      const auto column = columns_.find(peer);
      if (column == columns_.end()) continue;
      const auto [at, inserted] =
          split.try_emplace({column->second, cls}, column_count);
      if (inserted) ++column_count;
      column->second = at->second;
    }
  }
  // Numbers of columns that were split up wholly are left out.
  absl::flat_hash_map<uint32_t, uint32_t> used;
  for (const auto& [number, peer] : policy.peer_map->peers) {
    uint32_t& column = columns_[number];
    column = used.try_emplace(column, static_cast<uint32_t>(used.size()))
                 .first->second;
  }
  for (const TableRef& table : policy.tables) {
    std::vector<uint32_t> by_class;
    for (uint32_t cls = 0; cls < table->class_count; ++cls) {
      by_class.push_back(meanings.RowOf(policy, *table, cls));
    }
    std::vector<uint32_t>& row = rows_.emplace_back(used.size(), by_class[0]);
    for (const auto& [peer, cls] : table->classes) {
      if (const auto column = columns_.find(peer); column != columns_.end()) {
        row[column->second] = by_class[cls];
      }
    }
  }
}

}  // namespace ciliumcore
