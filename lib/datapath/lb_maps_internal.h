// SPDX-License-Identifier: Apache-2.0

// The maps of a load balancer, typed.

#ifndef CILIUMCORE_LIB_DATAPATH_LB_MAPS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_LB_MAPS_INTERNAL_H_

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/datapath/load_balancer.h"
#include "ciliumcore/maps/mapped_array.h"

namespace ciliumcore::internal {

// Entries of the maps for that room.
struct LbMapSizes {
  uint32_t heads, services, slots, backends, flows;
};
LbMapSizes LbMapSizesFor(const LoadBalancerCapacity& capacity);

struct LbMaps {
  MappedArray<cc_lb_state> state;
  MappedArray<cc_service_heads> heads;
  MappedArray<cc_lb_service> services;
  MappedArray<cc_service_slots> slots;
  MappedArray<cc_lb_backend> backends;
  MappedArray<cc_lb_flows> flows;

  // As PublishedMaps.
  static absl::StatusOr<LbMaps> Adopt(
      const std::function<absl::StatusOr<UniqueFd>(const char* name)>& fd_of);
  static absl::StatusOr<LbMaps> CreateInMemory(const LbMapSizes& sizes);
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_LB_MAPS_INTERNAL_H_
