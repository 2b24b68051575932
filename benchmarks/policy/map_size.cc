// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/policy/map_size.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "ciliumcore/abi/policy.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/grace_internal.h"
#include "lib/datapath/table_writer_internal.h"

namespace ciliumcore::bench {
namespace {

using internal::PublishedMaps;

// policy_key and policy_entry of Cilium 1.20.
constexpr uint64_t kFlowBytes = 12 + 12;

// Room enough: pages are numbered below CC_PORT_DEEP.
constexpr uint32_t kPages = 16384;
// No page of a writer begins so: no table has as many intervals.
constexpr uint16_t kUnwritten = 0xffff;

// Runs of intervals in which `row` says something else than `other`, each of
// one verdict.
uint64_t RunsBeside(absl::Span<const Cell> row, absl::Span<const Cell> other) {
  const auto says = [](const Cell& cell) {
    return std::make_pair(cell.verdict, cell.proxy_port);
  };
  uint64_t runs = 0;
  bool is_in_run = false;
  for (size_t i = 0; i < row.size(); ++i) {
    const bool differs = says(row[i]) != says(other[i]);
    if (differs && !(is_in_run && says(row[i]) == says(row[i - 1]))) ++runs;
    is_in_run = differs;
  }
  return runs;
}

}  // namespace

absl::StatusOr<MapSize> SizeAsTables(absl::Span<const TableRef> tables) {
  internal::MapSizes room = {.tables = static_cast<uint32_t>(tables.size()) + 1,
                             .classes = 1,
                             .cells = 1,
                             .port_pages = kPages};
  for (const TableRef& table : tables) {
    room.classes += static_cast<uint32_t>(table->classes.size());
    room.cells += static_cast<uint32_t>(table->cells.size());
  }
  CC_ASSIGN_OR_RETURN(PublishedMaps maps, PublishedMaps::CreateInMemory(room));
  for (cc_port_page& page : maps.port_pages.entries()) {
    page.entry[0] = kUnwritten;
  }
  internal::GraceKeeper grace([] { return absl::OkStatus(); });
  internal::TableWriter writer(&maps, &grace);
  internal::Staging staging;
  CC_RETURN_IF_ERROR(writer
                         .Stage(
                             tables, [](uint32_t) { return true; }, 1, staging)
                         .status());

  MapSize size;
  const auto add = [&size](uint64_t entries, uint64_t bytes_each) {
    size.entries += entries;
    size.bytes += entries * bytes_each;
  };
  for (const cc_table& table : maps.tables.entries()) {
    if (table.interval_count == 0) continue;
    add(1, sizeof(table));
    add(uint64_t{table.class_count} * table.interval_count, sizeof(cc_cell));
  }
  for (const cc_port_page& page : maps.port_pages.entries()) {
    if (page.entry[0] != kUnwritten) add(1, sizeof(page));
  }
  CC_RETURN_IF_ERROR(maps.classes.ForEach(
      [&](const cc_class_key& key, const cc_class_value& value) {
        add(1, sizeof(key) + sizeof(value));
      }));
  return size;
}

MapSize SizeAsFlows(const CompiledTable& table) {
  const auto row = [&](uint32_t cls) {
    return absl::MakeConstSpan(table.cells)
        .subspan(cls * table.intervals(), table.intervals());
  };
  const std::vector<Cell> nothing(table.intervals());
  std::vector<uint64_t> runs = {RunsBeside(row(0), nothing)};
  for (uint32_t cls = 1; cls < table.class_count; ++cls) {
    runs.push_back(
        std::min(RunsBeside(row(cls), row(0)), RunsBeside(row(cls), nothing)));
  }
  MapSize size = {.entries = runs[0]};
  for (const auto& [peer, cls] : table.classes) size.entries += runs[cls];
  size.bytes = size.entries * kFlowBytes;
  return size;
}

absl::StatusOr<PolicySize> SizeOf(const CompiledPolicy& compiled) {
  PolicySize size;
  CC_ASSIGN_OR_RETURN(size.tables, SizeAsTables(compiled.tables));
  std::vector<MapSize> flows;
  for (const TableRef& table : compiled.tables) {
    flows.push_back(SizeAsFlows(*table));
  }
  for (const CompiledEndpoint& endpoint : compiled.endpoints) {
    for (const uint32_t table : {endpoint.ingress, endpoint.egress}) {
      if (table == kNoTable) continue;
      size.flows.entries += flows[table].entries;
      size.flows.bytes += flows[table].bytes;
    }
  }
  return size;
}

absl::StatusOr<PolicySize> SizeOf(const CompiledPolicy& compiled,
                                  uint32_t endpoint) {
  CompiledPolicy alone;
  CompiledEndpoint& own = alone.endpoints.emplace_back();
  const CompiledEndpoint& tables = compiled.endpoints[endpoint];
  for (const auto& [from, to] : {std::make_pair(tables.ingress, &own.ingress),
                                 std::make_pair(tables.egress, &own.egress)}) {
    if (from == kNoTable) continue;
    *to = static_cast<uint32_t>(alone.tables.size());
    alone.tables.push_back(compiled.tables[from]);
  }
  return SizeOf(alone);
}

}  // namespace ciliumcore::bench
