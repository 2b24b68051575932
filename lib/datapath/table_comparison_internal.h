// SPDX-License-Identifier: Apache-2.0

// A table as the policy has it against one as the programs read it.

#ifndef CILIUMCORE_LIB_DATAPATH_TABLE_COMPARISON_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_TABLE_COMPARISON_INTERNAL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "absl/types/span.h"
#include "ciliumcore/policy/verdict_table.h"
#include "lib/datapath/live_verdicts_internal.h"

namespace ciliumcore::internal {

// What a cell does to a packet. Equal ones are one verdict, whatever the bytes.
struct CellOutcome {
  Verdict verdict = Verdict::kDeny;
  uint16_t proxy_port = 0;     // of kRedirect
  uint8_t authentication = 0;  // of all but kDeny

  friend bool operator==(const CellOutcome&, const CellOutcome&) = default;
};
CellOutcome OutcomeOf(const Cell& cell);
CellOutcome OutcomeOf(const cc_cell& cell);

// Where a row of each differs first: ports that fare alike in either.
struct RowDifference {
  PortKeyRange ports;
  Cell wanted;
  cc_cell live = {};
  size_t span = 0;  // of the live axis
};

struct RowResult {
  std::optional<RowDifference> verdict;
  std::optional<RowDifference> rules;  // the verdict is the same
};

// Where two tables differ first: of the lowest peer.
struct TableDifference {
  std::optional<uint32_t> peer;  // nothing: any that neither names
  RowDifference row;
};

struct TableResult {
  std::optional<TableDifference> verdict;
  std::optional<TableDifference> rules;
};

// Compares each pair of tables, and of their rows, once. Not thread-safe.
class TableComparison {
 public:
  // `identities`, ascending, are compared by number. All outlive it.
  TableComparison(absl::Span<const TableRef> wanted,
                  absl::Span<const uint32_t> identities,
                  const LiveVerdicts& live)
      : wanted_(wanted), identities_(identities), live_(live) {}

  // A table that denies all, for who has none.
  static const CompiledTable& NoTable();
  const CompiledTable& Wanted(std::optional<uint32_t> table) const {
    return table.has_value() ? *wanted_[*table] : NoTable();
  }
  const LiveTable& Live(uint16_t table) const { return live_.tables.at(table); }

  // All identities, and any that is not among them.
  const TableResult& CompareTables(std::optional<uint32_t> wanted,
                                   uint16_t live);
  // What one table says of one peer with what the other says of another.
  const RowResult& ComparePeers(std::optional<uint32_t> wanted,
                                uint32_t wanted_peer, uint16_t live,
                                uint32_t live_peer);

  uint64_t rows() const { return rows_.size(); }

 private:
  static constexpr uint32_t kNone = 0xffffffff;  // of tables wanted

  const RowResult& CompareRows(std::optional<uint32_t> wanted,
                               uint32_t wanted_class, uint16_t live,
                               uint32_t live_class);

  const absl::Span<const TableRef> wanted_;
  const absl::Span<const uint32_t> identities_;
  const LiveVerdicts& live_;
  absl::node_hash_map<std::tuple<uint32_t, uint16_t>, TableResult> tables_;
  absl::node_hash_map<std::tuple<uint32_t, uint16_t, uint32_t, uint32_t>,
                      RowResult>
      rows_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_TABLE_COMPARISON_INTERNAL_H_
