// SPDX-License-Identifier: Apache-2.0

// How much of the datapath's maps policies take: as verdict tables, and as
// entries of peers x ports.

#ifndef CILIUMCORE_BENCHMARKS_POLICY_MAP_SIZE_H_
#define CILIUMCORE_BENCHMARKS_POLICY_MAP_SIZE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/verdict_table.h"

namespace ciliumcore::bench {

struct MapSize {
  uint64_t entries = 0;
  uint64_t bytes = 0;  // of keys and values

  friend bool operator==(const MapSize&, const MapSize&) = default;
};

// What the datapath's own writer puts into its maps for these tables: tables,
// cells, pages of ports, and the class of each peer of each table. Its errors.
absl::StatusOr<MapSize> SizeAsTables(absl::Span<const TableRef> tables);

// The least that a map takes in which a subject has an entry for each peer and
// run of ports, as Cilium's has: none for a peer whom nothing tells from any
// other, and one for ports that lie side by side and have one verdict, whatever
// its rules (a trie takes up to 30 for them).
MapSize SizeAsFlows(const CompiledTable& table);

// Both for the endpoints of `compiled`: tables are shared, and each endpoint
// has maps of its own.
struct PolicySize {
  MapSize tables;
  MapSize flows;
  double fewer() const {
    return static_cast<double>(flows.entries) / tables.entries;
  }
  double smaller() const {
    return static_cast<double>(flows.bytes) / tables.bytes;
  }
};
absl::StatusOr<PolicySize> SizeOf(const CompiledPolicy& compiled);
// As if `endpoint` were the only one.
absl::StatusOr<PolicySize> SizeOf(const CompiledPolicy& compiled,
                                  uint32_t endpoint);

}  // namespace ciliumcore::bench

#endif  // CILIUMCORE_BENCHMARKS_POLICY_MAP_SIZE_H_
