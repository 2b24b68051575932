// SPDX-License-Identifier: Apache-2.0

// The maps that the publisher writes, typed.

#ifndef CILIUMCORE_LIB_DATAPATH_PUBLISHED_MAPS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_PUBLISHED_MAPS_INTERNAL_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/maps/map.h"
#include "ciliumcore/maps/mapped_array.h"

namespace ciliumcore::internal {

// Room in maps that are made in memory.
struct MapSizes {
  uint32_t endpoints = 1024;
  uint32_t subjects = 4096;
  uint32_t addresses = 16384;
  uint32_t prefixes = 4096;
  uint32_t places = 32768;
  uint32_t hops = 1024;
  uint32_t tables = 4096;
  uint32_t classes = 262144;
  uint32_t cells = 262144;
  uint32_t port_pages = 1024;
};

struct PublishedMaps {
  MappedArray<cc_state> state;
  MappedArray<cc_endpoint> endpoints;
  MappedArray<cc_subject> subjects;
  Map<uint32_t, uint32_t> ifindex;
  Map<uint32_t, uint32_t> ifindex_far;
  MappedArray<cc_addr_heads> addresses;
  Map<cc_prefix_key, uint32_t> prefixes;
  MappedArray<cc_place> places;
  MappedArray<cc_hop> hops;
  MappedArray<cc_table> tables;
  Map<cc_class_key, cc_class_value> classes;
  MappedArray<cc_cell> cells;
  MappedArray<cc_port_page> port_pages;

  // The maps of loaded programs; `fd_of` gives a descriptor of the map of that
  // name, which becomes ours.
  static absl::StatusOr<PublishedMaps> Adopt(
      const std::function<absl::StatusOr<UniqueFd>(const char* name)>& fd_of);

  // Maps of this process, for the datapath that runs without a kernel.
  static absl::StatusOr<PublishedMaps> CreateInMemory(
      const MapSizes& sizes = {});
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_PUBLISHED_MAPS_INTERNAL_H_
