// SPDX-License-Identifier: Apache-2.0

// Reads what the programs count.

#ifndef CILIUMCORE_LIB_DATAPATH_METER_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_METER_INTERNAL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/abi/metrics.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/maps/per_cpu_map.h"

namespace ciliumcore::internal {

// Owns descriptors of the counters' maps. Not thread-safe.
class Meter {
 public:
  // `map`: a new descriptor of the map of that name.
  static absl::StatusOr<Meter> Adopt(
      const std::function<absl::StatusOr<UniqueFd>(const char* name)>& map);

  // Of the node.
  absl::StatusOr<std::vector<Counter>> Read() const;

  // By endpoint, since each was attached.
  absl::StatusOr<std::vector<Counter>> ReadEndpoints() const;

  // Endpoints have these slots now. A slot counts on from where its endpoint
  // before left it; from then on that does not count.
  absl::Status Note(const std::map<std::string, uint16_t>& slots);

 private:
  using Node = PerCpuMap<uint32_t, cc_metric>;
  using Forwarded = PerCpuMap<uint32_t, cc_forwarded>;
  using Drops = PerCpuMap<cc_drop_key, cc_metric>;
  // Slot, direction, reason.
  using Key = std::tuple<uint16_t, uint8_t, uint8_t>;
  using Totals = std::map<Key, cc_metric>;

  Meter(Node node, Forwarded forwarded, Drops drops)
      : node_(std::move(node)),
        forwarded_(std::move(forwarded)),
        drops_(std::move(drops)) {}

  absl::Status AddForwarded(Totals& totals) const;
  absl::StatusOr<Totals> BySlot() const;

  Node node_;
  Forwarded forwarded_;
  Drops drops_;
  std::map<std::string, uint16_t> slots_;
  std::set<uint16_t> used_;  // slots that endpoints had
  Totals before_;            // what slots had counted for others
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_METER_INTERNAL_H_
