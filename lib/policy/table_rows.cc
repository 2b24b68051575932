// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/table_rows_internal.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "lib/policy/sorted_internal.h"

namespace ciliumcore {
namespace {

constexpr uint32_t kUnset = 0xffffffff;

}  // namespace

void AddBounds(const std::vector<PortKeyRange>& ranges,
               std::vector<uint32_t>& bounds) {
  for (const PortKeyRange& range : ranges) {
    if (range.first > 0) bounds.push_back(range.first);
    if (range.last < kMaxPortKey) bounds.push_back(range.last + 1);
  }
}

size_t IntervalOf(const std::vector<uint32_t>& bounds, uint32_t key) {
  return std::upper_bound(bounds.begin(), bounds.end(), key) - bounds.begin();
}

uint32_t TableRows::NumberOf(const Cell& cell) {
  const auto [at, inserted] =
      number_of_cell_.try_emplace(cell, static_cast<uint32_t>(cells_.size()));
  if (inserted) cells_.push_back(cell);
  return at->second;
}

uint32_t TableRows::Add(Row row) {
  const auto [at, inserted] =
      number_of_row_.try_emplace(row, static_cast<uint32_t>(rows_.size()));
  if (inserted) rows_.push_back(std::move(row));
  return at->second;
}

uint32_t TableRows::Add(const std::vector<uint32_t>& bounds,
                        absl::Span<const Cell> cells) {
  Row row;
  row.reserve(bounds_.size() + 1);
  size_t from = 0;
  for (size_t to = 0; to <= bounds_.size(); ++to) {
    if (to > 0 && from < bounds.size() && bounds[from] == bounds_[to - 1]) {
      ++from;
    }
    row.push_back(NumberOf(cells[from]));
  }
  return Add(std::move(row));
}

CompiledTable TableRows::Minimal(
    uint32_t others, std::vector<std::pair<uint32_t, uint32_t>> peers) const {
  // Classes in the order of their first peer, behind class 0.
  CompiledTable table;
  std::vector<uint32_t> order = {others};
  std::vector<uint32_t> class_of_row(rows_.size(), kUnset);
  class_of_row[others] = 0;
  size_t kept = 0;
  for (const auto& [peer, row] : peers) {
    if (row == others) continue;
    uint32_t& cls = class_of_row[row];
    if (cls == kUnset) {
      cls = static_cast<uint32_t>(order.size());
      order.push_back(row);
    }
    peers[kept++] = {peer, cls};
  }
  peers.resize(kept);
  table.classes = std::move(peers);
  table.class_count = static_cast<uint32_t>(order.size());

  // The intervals in which some row differs from the interval before.
  std::vector<size_t> columns = {0};
  for (size_t column = 1; column <= bounds_.size(); ++column) {
    if (std::any_of(order.begin(), order.end(), [&](uint32_t row) {
          return rows_[row][column] != rows_[row][column - 1];
        })) {
      columns.push_back(column);
      table.bounds.push_back(bounds_[column - 1]);
    }
  }
  table.cells.reserve(order.size() * columns.size());
  for (uint32_t row : order) {
    for (size_t column : columns) {
      table.cells.push_back(cells_[rows_[row][column]]);
    }
  }
  return table;
}

CompiledTable WithPeers(const CompiledTable& table,
                        absl::Span<const PeerRow> changed) {
  std::vector<uint32_t> bounds = table.bounds;
  for (const PeerRow& row : changed) {
    bounds.insert(bounds.end(), row.bounds.begin(), row.bounds.end());
  }
  SortUnique(bounds);
  TableRows rows(bounds);
  std::vector<uint32_t> row_of_class;
  for (uint32_t cls = 0; cls < table.class_count; ++cls) {
    row_of_class.push_back(
        rows.Add(table.bounds,
                 absl::MakeSpan(table.cells)
                     .subspan(cls * table.intervals(), table.intervals())));
  }
  std::vector<std::pair<uint32_t, uint32_t>> peers;
  peers.reserve(table.classes.size() + changed.size());
  auto at = table.classes.begin();
  for (const PeerRow& row : changed) {
    for (; at != table.classes.end() && at->first < row.peer; ++at) {
      peers.emplace_back(at->first, row_of_class[at->second]);
    }
    if (at != table.classes.end() && at->first == row.peer) ++at;
    if (row.cells.empty()) continue;
    peers.emplace_back(row.peer, rows.Add(row.bounds, row.cells));
  }
  for (; at != table.classes.end(); ++at) {
    peers.emplace_back(at->first, row_of_class[at->second]);
  }
  return rows.Minimal(row_of_class[0], std::move(peers));
}

}  // namespace ciliumcore
