// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/service_maps_internal.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros_internal.h"
#include "lib/datapath/named_array_internal.h"
#include "lib/datapath/service_index_internal.h"

namespace ciliumcore::internal {
namespace {

// Lines of a table of 509 slots: of a service with 2 to 5 equal backends that
// remembers its clients.
constexpr uint32_t kLinesOfAService = 16;

}  // namespace

ServiceMapSizes ServiceMapSizesFor(const DatapathCapacity& capacity) {
  const uint32_t services = std::max(1u, capacity.services);
  return {
      .heads = ServiceIndex::LinesFor(services),
      // Those on their way out need room too.
      .services = services + services / 8 + 64,
      .slots = std::clamp<uint32_t>(services * kLinesOfAService, 16384,
                                    CC_SERVICE_MAX_LINES),
      .backends = std::clamp<uint32_t>(capacity.backends * 2, 64,
                                       CC_SERVICE_MAX_BACKENDS),
  };
}

absl::StatusOr<ServiceMaps> ServiceMaps::Adopt(
    const std::function<absl::StatusOr<UniqueFd>(const char* name)>& fd_of) {
  CC_ASSIGN_OR_RETURN(auto heads,
                      AdoptNamed<cc_service_heads>(fd_of, "cc_frontends"));
  CC_ASSIGN_OR_RETURN(auto services,
                      AdoptNamed<cc_service>(fd_of, "cc_services"));
  CC_ASSIGN_OR_RETURN(auto slots,
                      AdoptNamed<cc_service_slots>(fd_of, "cc_maglev"));
  CC_ASSIGN_OR_RETURN(auto backends,
                      AdoptNamed<cc_backend>(fd_of, "cc_backends"));
  return ServiceMaps{std::move(heads), std::move(services), std::move(slots),
                     std::move(backends)};
}

absl::StatusOr<ServiceMaps> ServiceMaps::CreateInMemory(
    const ServiceMapSizes& sizes) {
  CC_ASSIGN_OR_RETURN(auto heads,
                      MappedArray<cc_service_heads>::CreateInMemory(
                          {.name = "cc_frontends", .size = sizes.heads}));
  CC_ASSIGN_OR_RETURN(auto services,
                      MappedArray<cc_service>::CreateInMemory(
                          {.name = "cc_services", .size = sizes.services}));
  CC_ASSIGN_OR_RETURN(auto slots,
                      MappedArray<cc_service_slots>::CreateInMemory(
                          {.name = "cc_maglev", .size = sizes.slots}));
  CC_ASSIGN_OR_RETURN(auto backends,
                      MappedArray<cc_backend>::CreateInMemory(
                          {.name = "cc_backends", .size = sizes.backends}));
  return ServiceMaps{std::move(heads), std::move(services), std::move(slots),
                     std::move(backends)};
}

}  // namespace ciliumcore::internal
