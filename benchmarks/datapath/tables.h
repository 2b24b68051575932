// SPDX-License-Identifier: Apache-2.0

// Verdict tables written straight into the datapath's maps.

#ifndef CILIUMCORE_BENCHMARKS_TABLES_H_
#define CILIUMCORE_BENCHMARKS_TABLES_H_

#include <cstdint>
#include <vector>

#include "ciliumcore/abi/identity.h"

namespace ciliumcore::bench {

// File descriptors of the maps that hold tables.
struct TableMaps {
  int tables = -1, classes = -1, cells = -1, port_pages = -1;
};

// A table under which `peers`, spread over `classes` classes, may reach TCP
// `ports`, ascending, and nobody anything else. Its cells begin at first_cell
// and its pages, if it needs them, at first_page.
struct TableSpec {
  uint32_t index = 0;
  uint32_t first_cell = 0, first_page = 0;
  std::vector<uint32_t> peers;
  uint32_t classes = 16;
  std::vector<uint16_t> ports;
};
void WriteTable(const TableMaps& maps, const TableSpec& spec);

// File descriptors of the maps that tell who an address is.
struct PlaceMaps {
  int addrs = -1, places = -1;
};

// `address` is `peer`, at `where`, by way of the place `place`.
void WritePlace(const PlaceMaps& maps, const cc_addr& address, uint32_t place,
                uint32_t peer, uint16_t where);

}  // namespace ciliumcore::bench

#endif  // CILIUMCORE_BENCHMARKS_TABLES_H_
