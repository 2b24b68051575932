// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ciliumcore/identity/reserved.h"
#include "lib/policy/table_builder_internal.h"

namespace ciliumcore {
namespace {

constexpr uint32_t kUnset = 0xffffffff;
constexpr uint32_t kHostNumber = static_cast<uint32_t>(Identity::kHost);

// Every key at which some rule begins or has just ended.
std::vector<uint32_t> BoundsOf(const std::vector<AppliedRule>& rules) {
  std::vector<uint32_t> bounds;
  for (const AppliedRule& rule : rules) {
    for (const PortKeyRange& range : *rule.ranges) {
      if (range.first > 0) bounds.push_back(range.first);
      if (range.last < kMaxPortKey) bounds.push_back(range.last + 1);
    }
  }
  std::sort(bounds.begin(), bounds.end());
  bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
  return bounds;
}

size_t IntervalOf(const std::vector<uint32_t>& bounds, uint32_t key) {
  return std::upper_bound(bounds.begin(), bounds.end(), key) - bounds.begin();
}

using Row = std::vector<uint32_t>;  // of a class: a set or a cell per interval

// Numbers cells as they come: different sets may have one.
class CellNumbers {
 public:
  explicit CellNumbers(absl::FunctionRef<Cell(uint32_t)> cell_of)
      : cell_of_(cell_of) {}

  uint32_t Of(uint32_t set) {
    const auto [at, inserted] = of_set_.try_emplace(set);
    if (!inserted) return at->second;
    const Cell cell = cell_of_(set);
    const auto [number, is_new] =
        numbers_.try_emplace(cell, static_cast<uint32_t>(cells_.size()));
    if (is_new) cells_.push_back(cell);
    return at->second = number->second;
  }

  const Cell& cell(uint32_t number) const { return cells_[number]; }

 private:
  const absl::FunctionRef<Cell(uint32_t)> cell_of_;
  absl::flat_hash_map<uint32_t, uint32_t> of_set_;
  absl::flat_hash_map<Cell, uint32_t> numbers_;
  std::vector<Cell> cells_;
};

// The intervals in which some row differs from the interval before.
std::vector<size_t> DistinctColumns(const std::vector<Row>& rows) {
  std::vector<size_t> kept = {0};
  for (size_t column = 1; column < rows.front().size(); ++column) {
    if (std::any_of(rows.begin(), rows.end(), [column](const Row& row) {
          return row[column] != row[column - 1];
        })) {
      kept.push_back(column);
    }
  }
  return kept;
}

}  // namespace

uint32_t RuleTrie::With(uint32_t set, uint32_t rule) {
  if (set != 0 && nodes_[set].rule == rule) return set;
  const uint32_t fresh = static_cast<uint32_t>(nodes_.size());
  const auto [at, inserted] =
      next_.try_emplace(uint64_t{set} << 32 | rule, fresh);
  if (inserted) nodes_.push_back({set, rule});
  return at->second;
}

std::vector<uint32_t> RuleTrie::Rules(uint32_t set) const {
  std::vector<uint32_t> rules;
  for (; set != 0; set = nodes_[set].parent) rules.push_back(nodes_[set].rule);
  std::reverse(rules.begin(), rules.end());
  return rules;
}

TableBuilder::TableBuilder(std::vector<uint32_t> numbers, RuleTrie& trie)
    : numbers_(std::move(numbers)), trie_(trie), class_of_(numbers_.size()) {}

std::vector<std::vector<uint32_t>> TableBuilder::Classify(
    const std::vector<AppliedRule>& rules) {
  struct Refined {
    uint32_t parent = 0;
    uint32_t rule = 0;   // position in `rules`
    uint32_t size = 0;   // peers in it
    uint32_t split = 0;  // what a peer of it becomes under the rule `split_by`
    uint32_t split_by = kUnset;
  };
  std::vector<Refined> classes(1);
  touched_.clear();
  for (uint32_t rule = 0; rule < rules.size(); ++rule) {
    if (rules[rule].peers == nullptr) continue;
    for (uint32_t peer : *rules[rule].peers) {
      const uint32_t old = class_of_[peer];
      if (classes[old].split_by != rule) {
        classes[old].split_by = rule;
        classes[old].split = static_cast<uint32_t>(classes.size());
        classes.push_back({.parent = old, .rule = rule});
      }
      if (old == 0) touched_.push_back(peer);
      if (old != 0) --classes[old].size;
      class_of_[peer] = classes[old].split;
      ++classes[class_of_[peer]].size;
    }
  }

  // Keep what has peers (and class 0), and add the rules for every peer.
  std::vector<uint32_t> every;
  for (uint32_t rule = 0; rule < rules.size(); ++rule) {
    if (rules[rule].peers == nullptr) every.push_back(rule);
  }
  std::vector<std::vector<uint32_t>> matched;
  std::vector<uint32_t> renumbered(classes.size(), kUnset);
  for (uint32_t old = 0; old < classes.size(); ++old) {
    if (old != 0 && classes[old].size == 0) continue;
    renumbered[old] = static_cast<uint32_t>(matched.size());
    std::vector<uint32_t>& own = matched.emplace_back(every);
    for (uint32_t at = old; at != 0; at = classes[at].parent) {
      own.push_back(classes[at].rule);
    }
    std::sort(own.begin(), own.end());
  }
  for (uint32_t peer : touched_) class_of_[peer] = renumbered[class_of_[peer]];
  return matched;
}

CompiledTable TableBuilder::Build(const std::vector<AppliedRule>& rules,
                                  absl::FunctionRef<Cell(uint32_t)> cell_of,
                                  const Cell& own_node) {
  const std::vector<std::vector<uint32_t>> matched = Classify(rules);
  const std::vector<uint32_t> bounds = BoundsOf(rules);

  // A row of cells for each class; equal rows are one class.
  CellNumbers numbers(cell_of);
  std::vector<Row> rows;
  std::vector<uint32_t> row_of;
  absl::flat_hash_map<Row, uint32_t> known;
  for (const std::vector<uint32_t>& own : matched) {
    Row row(bounds.size() + 1);
    for (uint32_t position : own) {
      const AppliedRule& rule = rules[position];
      for (const PortKeyRange& range : *rule.ranges) {
        const size_t last = IntervalOf(bounds, range.last);
        for (size_t i = IntervalOf(bounds, range.first); i <= last; ++i) {
          row[i] = trie_.With(row[i], rule.rule);
        }
      }
    }
    for (uint32_t& set : row) set = numbers.Of(set);
    const auto [at, inserted] =
        known.try_emplace(row, static_cast<uint32_t>(rows.size()));
    if (inserted) rows.push_back(std::move(row));
    row_of.push_back(at->second);
  }

  CompiledTable table;
  std::vector<size_t> columns = DistinctColumns(rows);
  for (size_t i = 1; i < columns.size(); ++i) {
    table.bounds.push_back(bounds[columns[i] - 1]);
  }

  // Classes in the order of their first peer, behind class 0.
  for (uint32_t peer : touched_) {
    const uint32_t row = row_of[class_of_[peer]];
    class_of_[peer] = 0;
    if (numbers_[peer] == kHostNumber) continue;  // above every rule
    if (row != row_of[0]) table.classes.emplace_back(numbers_[peer], row);
  }
  const uint32_t host_row = static_cast<uint32_t>(rows.size());
  table.classes.emplace_back(kHostNumber, host_row);
  std::sort(table.classes.begin(), table.classes.end());
  std::vector<uint32_t> order = {row_of[0]};
  std::vector<uint32_t> class_of_row(rows.size() + 1, kUnset);
  for (auto& [number, cls] : table.classes) {
    if (class_of_row[cls] == kUnset) {
      class_of_row[cls] = static_cast<uint32_t>(order.size());
      order.push_back(cls);
    }
    cls = class_of_row[cls];
  }
  table.class_count = static_cast<uint32_t>(order.size());

  table.cells.reserve(order.size() * columns.size());
  for (uint32_t row : order) {
    for (size_t column : columns) {
      table.cells.push_back(row == host_row ? own_node
                                            : numbers.cell(rows[row][column]));
    }
  }
  return table;
}

}  // namespace ciliumcore
