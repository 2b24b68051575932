// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/lb_maps_internal.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "lib/base/status_macros_internal.h"
#include "lib/datapath/lb_index_internal.h"
#include "lib/datapath/named_array_internal.h"

namespace ciliumcore::internal {

LbMapSizes LbMapSizesFor(const LoadBalancerCapacity& capacity) {
  const uint32_t services = std::max(1u, capacity.services);
  // Those on their way out need room too, in the index as well.
  const uint32_t entries = services + services / 8 + 64;
  // A room is at least 4, and less than 2.5 times the backends it was made for.
  const uint64_t backends =
      uint64_t{3} * capacity.backends + uint64_t{4} * services + 1;
  return {
      .heads = LbIndex::LinesFor(entries),
      .services = 1 + entries,
      .slots = std::clamp<uint32_t>(capacity.slots / CC_SERVICE_SLOTS, 64,
                                    CC_SERVICE_MAX_LINES),
      .backends = static_cast<uint32_t>(
          std::clamp<uint64_t>(backends, 64, CC_SERVICE_MAX_BACKENDS)),
      .flows = std::bit_ceil(std::clamp<uint32_t>(capacity.flows / CC_LB_WAYS,
                                                  2, uint32_t{1} << 24)),
  };
}

absl::StatusOr<LbMaps> LbMaps::Adopt(
    const std::function<absl::StatusOr<UniqueFd>(const char* name)>& fd_of) {
  CC_ASSIGN_OR_RETURN(auto state,
                      AdoptNamed<cc_lb_state>(fd_of, "cc_lb_state"));
  CC_ASSIGN_OR_RETURN(auto heads,
                      AdoptNamed<cc_service_heads>(fd_of, "cc_lb_frontends"));
  CC_ASSIGN_OR_RETURN(auto services,
                      AdoptNamed<cc_lb_service>(fd_of, "cc_lb_services"));
  CC_ASSIGN_OR_RETURN(auto slots,
                      AdoptNamed<cc_service_slots>(fd_of, "cc_lb_slots"));
  CC_ASSIGN_OR_RETURN(auto backends,
                      AdoptNamed<cc_lb_backend>(fd_of, "cc_lb_backends"));
  CC_ASSIGN_OR_RETURN(auto flows,
                      AdoptNamed<cc_lb_flows>(fd_of, "cc_lb_flows"));
  return LbMaps{std::move(state), std::move(heads),    std::move(services),
                std::move(slots), std::move(backends), std::move(flows)};
}

absl::StatusOr<LbMaps> LbMaps::CreateInMemory(const LbMapSizes& sizes) {
  CC_ASSIGN_OR_RETURN(auto state, MappedArray<cc_lb_state>::CreateInMemory(
                                      {.name = "cc_lb_state", .size = 1}));
  CC_ASSIGN_OR_RETURN(auto heads,
                      MappedArray<cc_service_heads>::CreateInMemory(
                          {.name = "cc_lb_frontends", .size = sizes.heads}));
  CC_ASSIGN_OR_RETURN(auto services,
                      MappedArray<cc_lb_service>::CreateInMemory(
                          {.name = "cc_lb_services", .size = sizes.services}));
  CC_ASSIGN_OR_RETURN(auto slots,
                      MappedArray<cc_service_slots>::CreateInMemory(
                          {.name = "cc_lb_slots", .size = sizes.slots}));
  CC_ASSIGN_OR_RETURN(auto backends,
                      MappedArray<cc_lb_backend>::CreateInMemory(
                          {.name = "cc_lb_backends", .size = sizes.backends}));
  CC_ASSIGN_OR_RETURN(auto flows,
                      MappedArray<cc_lb_flows>::CreateInMemory(
                          {.name = "cc_lb_flows", .size = sizes.flows}));
  return LbMaps{std::move(state), std::move(heads),    std::move(services),
                std::move(slots), std::move(backends), std::move(flows)};
}

}  // namespace ciliumcore::internal
