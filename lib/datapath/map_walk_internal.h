// SPDX-License-Identifier: Apache-2.0

// Reads the maps the way the programs do.

#ifndef CILIUMCORE_LIB_DATAPATH_MAP_WALK_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_MAP_WALK_INTERNAL_H_

#include "absl/status/statusor.h"
#include "ciliumcore/abi/identity.h"
#include "ciliumcore/abi/policy.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "lib/datapath/published_maps_internal.h"

namespace ciliumcore::internal {

// Who and where an address is now.
absl::StatusOr<cc_place_value> PlaceOf(const PublishedMaps& maps,
                                       const IpAddress& address);

// How a judgement is found.
struct JudgementWalk {
  uint32_t table = 0;
  uint32_t cls = 0;
  uint32_t interval = 0;
  cc_cell* cell = nullptr;  // null: there is no table, which denies
};

// What the endpoint in `slot` says of `peer` now.
JudgementWalk WalkJudgement(PublishedMaps& maps, uint16_t slot,
                            cc_direction direction, uint32_t peer,
                            PortProtocol port);

// The cell that judges this flow's ingress now. NotFound if `destination` is no
// endpoint's address or its table has no such cell.
absl::StatusOr<cc_cell*> FindCell(PublishedMaps& maps, const IpAddress& source,
                                  const IpAddress& destination,
                                  PortProtocol port);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_MAP_WALK_INTERNAL_H_
