// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ciliumcore/identity/reserved.h"
#include "lib/policy/sorted_internal.h"
#include "lib/policy/table_builder_internal.h"
#include "lib/policy/table_rows_internal.h"

namespace ciliumcore {
namespace {

constexpr uint32_t kUnset = 0xffffffff;
constexpr uint32_t kHostNumber = static_cast<uint32_t>(Identity::kHost);

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

void TableBuilder::SetNumber(uint32_t peer, uint32_t number) {
  if (peer >= numbers_.size()) {
    numbers_.resize(peer + 1);
    class_of_.resize(peer + 1);
  }
  numbers_[peer] = number;
}

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
  std::vector<uint32_t> bounds;
  for (const AppliedRule& rule : rules) AddBounds(*rule.ranges, bounds);
  SortUnique(bounds);

  // A row of cells for each class; equal rows are one class.
  TableRows rows(bounds);
  absl::flat_hash_map<uint32_t, uint32_t> cell_of_set;
  std::vector<uint32_t> row_of;
  for (const std::vector<uint32_t>& own : matched) {
    TableRows::Row row(bounds.size() + 1);
    for (uint32_t position : own) {
      const AppliedRule& rule = rules[position];
      for (const PortKeyRange& range : *rule.ranges) {
        const size_t last = IntervalOf(bounds, range.last);
        for (size_t i = IntervalOf(bounds, range.first); i <= last; ++i) {
          row[i] = trie_.With(row[i], rule.rule);
        }
      }
    }
    for (uint32_t& at : row) {
      const auto [cell, inserted] = cell_of_set.try_emplace(at);
      if (inserted) cell->second = rows.NumberOf(cell_of(at));
      at = cell->second;
    }
    row_of.push_back(rows.Add(std::move(row)));
  }

  std::vector<std::pair<uint32_t, uint32_t>> peers;
  for (uint32_t peer : touched_) {
    const uint32_t row = row_of[class_of_[peer]];
    class_of_[peer] = 0;
    if (numbers_[peer] == kHostNumber) continue;  // above every rule
    if (row != row_of[0]) peers.emplace_back(numbers_[peer], row);
  }
  peers.emplace_back(
      kHostNumber,
      rows.Add(TableRows::Row(bounds.size() + 1, rows.NumberOf(own_node))));
  std::sort(peers.begin(), peers.end());
  return rows.Minimal(row_of[0], std::move(peers));
}

}  // namespace ciliumcore
