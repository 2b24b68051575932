// SPDX-License-Identifier: Apache-2.0

// The maps of services that the publisher writes, typed.

#ifndef CILIUMCORE_LIB_DATAPATH_SERVICE_MAPS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_SERVICE_MAPS_INTERNAL_H_

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/datapath/options.h"
#include "ciliumcore/maps/mapped_array.h"

namespace ciliumcore::internal {

// Entries of the maps for that room.
struct ServiceMapSizes {
  uint32_t heads, services, slots, backends;
};
ServiceMapSizes ServiceMapSizesFor(const DatapathCapacity& capacity);

// Whether a client that remembers the backend may have it at `epoch`.
inline bool IsInForce(const cc_backend& backend, uint32_t epoch) {
  return backend.born != 0 && (backend.until == 0 ||
                               static_cast<int32_t>(epoch - backend.until) < 0);
}

struct ServiceMaps {
  MappedArray<cc_service_heads> heads;
  MappedArray<cc_service> services;
  MappedArray<cc_service_slots> slots;
  MappedArray<cc_backend> backends;

  // As PublishedMaps.
  static absl::StatusOr<ServiceMaps> Adopt(
      const std::function<absl::StatusOr<UniqueFd>(const char* name)>& fd_of);
  static absl::StatusOr<ServiceMaps> CreateInMemory(
      const ServiceMapSizes& sizes);
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_SERVICE_MAPS_INTERNAL_H_
