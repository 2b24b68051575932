// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/datapath/tables.h"

#include <fcntl.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>

#include "benchmarks/datapath/harness.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/abi/policy.h"

namespace ciliumcore::bench {
namespace {

// Interval 0 is every port that is not listed.
uint16_t IntervalOfPort(const TableSpec& spec, uint32_t port) {
  const auto at = std::find(spec.ports.begin(), spec.ports.end(), port);
  return at == spec.ports.end()
             ? 0
             : static_cast<uint16_t>(1 + (at - spec.ports.begin()));
}

// Each port is an interval of one, between intervals that deny.
cc_table InlineTable(const TableSpec& spec) {
  cc_table table = {};
  std::fill(std::begin(table.axis), std::end(table.axis), ~0u);
  for (const uint32_t port : spec.ports) {
    table.axis[table.bound_count++] = IPPROTO_TCP << 16 | port;
    table.axis[table.bound_count++] = IPPROTO_TCP << 16 | (port + 1);
  }
  table.interval_count = table.bound_count + 1;
  return table;
}

cc_table PagedTable(const TableMaps& maps, const TableSpec& spec) {
  cc_table table = {};
  table.bound_count = CC_BOUNDS_PAGED;
  table.interval_count = spec.ports.size() + 1;

  uint32_t page = spec.first_page;
  const uint32_t nothing = page++, root = page++;
  cc_port_page root_page = {};
  std::map<uint32_t, cc_port_page> deep;
  for (const uint32_t port : spec.ports) {
    deep[port >> 8].entry[port & 0xff] = IntervalOfPort(spec, port);
  }
  for (const auto& [high, ports] : deep) {
    root_page.entry[high] = CC_PORT_DEEP | page;
    Put(maps.port_pages, page++, ports);
  }
  Put(maps.port_pages, nothing, cc_port_page{});
  Put(maps.port_pages, root, root_page);
  for (uint32_t& axis : table.axis) axis = nothing;
  table.axis[CC_ROOT_TCP] = root;
  table.axis[CC_ROOT_OTHER] = 0;
  return table;
}

template <typename T>
MappedArray<T> Mapped(int fd) {
  absl::StatusOr<MappedArray<T>> mapped =
      MappedArray<T>::Adopt(UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0)));
  Require(mapped.ok(), "mapping an array");
  return *std::move(mapped);
}

}  // namespace

void WriteTable(const TableMaps& maps, const TableSpec& spec) {
  const bool is_inline = spec.ports.size() * 2 <= CC_INLINE_BOUNDS;
  cc_table table = is_inline ? InlineTable(spec) : PagedTable(maps, spec);
  table.cells = spec.first_cell;
  table.class_count = spec.classes + 1;

  for (uint32_t cls = 0; cls <= spec.classes; ++cls) {
    for (uint32_t interval = 0; interval < table.interval_count; ++interval) {
      const bool is_port = is_inline ? interval % 2 == 1 : interval > 0;
      const bool allowed = cls > 0 && is_port;
      Put(maps.cells, table.cells + cls * table.interval_count + interval,
          cc_cell{.rule_set = cls + 1,
                  .verdict = static_cast<__u8>(allowed ? CC_VERDICT_ALLOW
                                                       : CC_VERDICT_DENY)});
    }
  }
  for (size_t i = 0; i < spec.peers.size(); ++i) {
    const uint32_t peer = spec.peers[i];
    Put(maps.classes, cc_class_key{.table = spec.index, .peer = peer},
        cc_class_value{.check = cc_class_check(spec.index, peer),
                       .cls = static_cast<__u32>(1 + i % spec.classes)});
  }
  Put(maps.tables, spec.index, table);
}

Places::Places(const PlaceMaps& maps)
    : state_(Mapped<cc_state>(maps.state)),
      heads_(Mapped<cc_addr_heads>(maps.addrs)),
      places_(Mapped<cc_place>(maps.places)),
      index_(&state_[0], heads_.entries(), places_.entries()) {}

void Places::Write(const cc_addr& address, uint32_t peer, uint16_t where) {
  places_[next_] = {.which = 0, .value = {{.peer = peer, .where = where}}};
  Require(index_.Link(abi::FromAddr(address), next_++).ok(),
          "linking an address");
}

}  // namespace ciliumcore::bench
