// SPDX-License-Identifier: Apache-2.0

// What the tables of several compilations say, in common numbers: equal numbers
// mean equal verdicts for equal reasons.

#ifndef CILIUMCORE_LIB_POLICY_MEANINGS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_MEANINGS_INTERNAL_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/rule_set.h"
#include "ciliumcore/policy/verdict_table.h"

namespace ciliumcore {

// What one class of one table says. No two neighbouring cells are equal, and
// their rule sets are numbers of the Meanings.
struct MeaningRow {
  std::vector<uint32_t> bounds;  // as in CompiledTable
  std::vector<Cell> cells;       // one more

  friend bool operator==(const MeaningRow&, const MeaningRow&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const MeaningRow& row) {
    return H::combine(std::move(h), row.bounds, row.cells);
  }
};

// Thread-compatible.
class Meanings {
 public:
  // The row of who is no subject: nobody judges.
  static constexpr uint32_t kNobody = 0;

  Meanings();

  // The row of class `cls` of a table of `policy`.
  uint32_t RowOf(const CompiledPolicy& policy, const CompiledTable& table,
                 uint32_t cls);

  const MeaningRow& row(uint32_t number) const { return rows_[number]; }
  // The one numbered 1 first.
  const std::vector<RuleSet>& rule_sets() const { return rule_sets_; }

 private:
  uint32_t RuleSetOf(const CompiledPolicy& policy, uint32_t id);
  uint32_t Intern(MeaningRow row);

  std::vector<MeaningRow> rows_;
  absl::flat_hash_map<MeaningRow, uint32_t> row_numbers_;
  std::vector<RuleSet> rule_sets_;
  absl::flat_hash_map<RuleSet, uint32_t> rule_set_numbers_;
};

// One compilation by meaning. Its *columns* are the peers that some table tells
// apart.
class MeaningTables {
 public:
  // Both must outlive the result; `meanings` may get more meanwhile.
  MeaningTables(const CompiledPolicy& policy, Meanings& meanings);

  uint32_t ColumnOf(uint32_t peer) const { return columns_.at(peer); }

  // What a subject's table (maybe kNoTable) says of a column.
  uint32_t Row(uint32_t table, uint32_t column) const {
    return table == kNoTable ? Meanings::kNobody : rows_[table][column];
  }

 private:
  absl::flat_hash_map<uint32_t, uint32_t> columns_;  // by peer
  std::vector<std::vector<uint32_t>> rows_;          // by table and column
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_MEANINGS_INTERNAL_H_
