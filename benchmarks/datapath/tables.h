// SPDX-License-Identifier: Apache-2.0

// Verdict tables written straight into the datapath's maps.

#ifndef CILIUMCORE_BENCHMARKS_TABLES_H_
#define CILIUMCORE_BENCHMARKS_TABLES_H_

#include <cstdint>
#include <vector>

#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/maps/mapped_array.h"
#include "lib/datapath/address_index_internal.h"

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
  int state = -1, addrs = -1, places = -1;
};

// Addresses written straight into them, place after place.
class Places {
 public:
  explicit Places(const PlaceMaps& maps);
  void Write(const cc_addr& address, uint32_t peer, uint16_t where);

 private:
  MappedArray<cc_state> state_;
  MappedArray<cc_addr_heads> heads_;
  MappedArray<cc_place> places_;
  internal::AddressIndex index_;
  uint32_t next_ = 1;
};

}  // namespace ciliumcore::bench

#endif  // CILIUMCORE_BENCHMARKS_TABLES_H_
