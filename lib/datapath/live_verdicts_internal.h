// SPDX-License-Identifier: Apache-2.0

// What the programs would make of the maps at one epoch: a plain value, in
// which every wrong and dangling entry has the effect that it has on them.

#ifndef CILIUMCORE_LIB_DATAPATH_LIVE_VERDICTS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_LIVE_VERDICTS_INTERNAL_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/policy/verdict_table.h"
#include "lib/datapath/live_maps_internal.h"

namespace ciliumcore::internal {

// The endpoint in a slot.
struct LiveEndpoint {
  uint32_t ifindex = 0;
  cc_addr v4 = {}, v6 = {};  // as they lie in the map
  uint16_t subject = 0;
  cc_subject judge = {};  // identity and tables
};

// What an endpoint that has these bytes for an address may send from. Nothing
// for bytes that no packet of the family has, and for what the programs take
// for none.
std::optional<IpAddress> SendsFromV4(const cc_addr& own);
std::optional<IpAddress> SendsFromV6(const cc_addr& own);

struct LiveTable {
  // The port axis: `interval` from `first` to where the next one begins.
  struct Span {
    uint32_t first = 0;
    uint32_t interval = 0;
    std::optional<uint32_t> page;  // of cc_port_pages, that says so
  };

  cc_table entry = {};  // interval_count 0: there is none, and all is denied
  std::vector<Span> axis;
  // {peer, class}, ascending; of those that programs believe.
  std::vector<std::pair<uint32_t, uint32_t>> classes;
  // By class: those of `classes` and 0. A cell for each span.
  std::map<uint32_t, std::vector<cc_cell>> rows;

  bool is_there() const { return entry.interval_count != 0; }
  uint32_t ClassOf(uint32_t peer) const;
  uint32_t LastOf(size_t span) const {
    return span + 1 < axis.size() ? axis[span + 1].first - 1 : kMaxPortKey;
  }
  // Index in cc_cells.
  uint32_t CellAt(uint32_t cls, uint32_t interval) const {
    return entry.cells + cls * entry.interval_count + interval;
  }
};

// Whom an address is taken for.
struct LivePlace {
  uint32_t index = 0;  // in cc_places; 0: no entry says anything
  cc_place_value value = {
      .peer = CC_IDENTITY_WORLD, .where = CC_REMOTE, .pad = 0};
};

struct LivePrefix {
  cc_prefix_key key = {};
  LivePlace place;
};

struct LiveVerdicts {
  uint32_t epoch = 0;
  std::map<uint32_t, uint32_t> slots;  // by interface, of those asked for
  std::map<uint32_t, LiveEndpoint> endpoints;  // by slot
  std::map<uint16_t, LiveTable> tables;        // those that endpoints have
  // Ascending; those that are found by their hash.
  std::vector<std::pair<IpAddress, LivePlace>> addresses;
  std::vector<LivePrefix> prefixes;

  // Null: nobody is there.
  const LiveEndpoint* AtInterface(uint32_t ifindex) const;
};

// Reads one epoch, for packets of `interfaces`. Unavailable if a change was
// published each time that it was tried. Cost: linear in entries in use.
absl::StatusOr<LiveVerdicts> ReadLiveVerdicts(
    const LiveMaps& maps, absl::Span<const uint32_t> interfaces);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_LIVE_VERDICTS_INTERNAL_H_
