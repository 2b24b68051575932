// SPDX-License-Identifier: Apache-2.0

// Verdict tables from rows of cells: one way to the minimal table, whether it
// is made of rules or of another table.

#ifndef CILIUMCORE_LIB_POLICY_TABLE_ROWS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_TABLE_ROWS_INTERNAL_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "ciliumcore/policy/verdict_table.h"

namespace ciliumcore {

// Every key at which some range begins or has just ended, in any order.
void AddBounds(const std::vector<PortKeyRange>& ranges,
               std::vector<uint32_t>& bounds);

// The number of bounds <= key.
size_t IntervalOf(const std::vector<uint32_t>& bounds, uint32_t key);

// Rows over the same intervals; equal ones are one.
class TableRows {
 public:
  // The numbers of cells, one for each interval.
  using Row = std::vector<uint32_t>;

  // `bounds` must outlive it.
  explicit TableRows(const std::vector<uint32_t>& bounds) : bounds_(bounds) {}

  uint32_t NumberOf(const Cell& cell);
  uint32_t Add(Row row);
  // Of cells over intervals whose bounds are among those here.
  uint32_t Add(const std::vector<uint32_t>& bounds,
               absl::Span<const Cell> cells);

  // The table in which the peers, {number, row} and ascending, have their rows,
  // and everybody else has `others`.
  CompiledTable Minimal(uint32_t others,
                        std::vector<std::pair<uint32_t, uint32_t>> peers) const;

 private:
  const std::vector<uint32_t>& bounds_;
  absl::flat_hash_map<Cell, uint32_t> number_of_cell_;
  std::vector<Cell> cells_;
  absl::flat_hash_map<Row, uint32_t> number_of_row_;
  std::vector<Row> rows_;
};

// What one peer gets in a table, by interval; no cells: what everybody does
// whom the table does not name.
struct PeerRow {
  uint32_t peer = 0;
  std::vector<uint32_t> bounds = {};
  std::vector<Cell> cells = {};
};

// The table with other rows for `changed`, which ascend by peer. O(size of the
// table).
CompiledTable WithPeers(const CompiledTable& table,
                        absl::Span<const PeerRow> changed);

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_TABLE_ROWS_INTERNAL_H_
