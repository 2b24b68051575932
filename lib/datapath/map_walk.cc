// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/map_walk_internal.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/policy/verdict_table.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/address_index_internal.h"

namespace ciliumcore::internal {
namespace {

uint32_t IntervalOf(const PublishedMaps& maps, const cc_table& table,
                    PortProtocol port) {
  const uint32_t at = PortKey(port.protocol, port.port);
  if (table.bound_count != CC_BOUNDS_PAGED) {
    return static_cast<uint32_t>(
        std::upper_bound(table.axis, table.axis + table.bound_count, at) -
        table.axis);
  }
  const auto root = port.protocol == Protocol::kTcp      ? CC_ROOT_TCP
                    : port.protocol == Protocol::kUdp    ? CC_ROOT_UDP
                    : port.protocol == Protocol::kSctp   ? CC_ROOT_SCTP
                    : port.protocol == Protocol::kIcmp   ? CC_ROOT_ICMP
                    : port.protocol == Protocol::kIcmpv6 ? CC_ROOT_ICMPV6
                                                         : CC_ROOT_OTHER;
  if (root == CC_ROOT_OTHER) return table.axis[root];
  uint32_t entry = maps.port_pages[table.axis[root]].entry[port.port >> 8];
  if ((entry & CC_PORT_DEEP) != 0) {
    entry = maps.port_pages[entry & ~CC_PORT_DEEP].entry[port.port & 0xff];
  }
  return entry;
}

}  // namespace

absl::StatusOr<cc_place_value> PlaceOf(const PublishedMaps& maps,
                                       const IpAddress& address) {
  const cc_addr addr = abi::ToAddr(address);
  absl::StatusOr<uint32_t> at = AddressIndex::Find(
      maps.state[0], maps.addresses.entries(), maps.places.entries(), address);
  if (*at == 0) at = maps.prefixes.Lookup({.bits = 128, .addr = addr});
  if (absl::IsNotFound(at.status())) {
    return cc_place_value{
        .peer = CC_IDENTITY_WORLD, .where = CC_REMOTE, .pad = 0};
  }
  if (!at.ok()) return at.status();
  const cc_place& place = maps.places[*at];
  return place.value[cc_switch_pick(place.which, maps.state[0].epoch)];
}

JudgementWalk WalkJudgement(PublishedMaps& maps, uint16_t slot,
                            cc_direction direction, uint32_t peer,
                            PortProtocol port) {
  const uint16_t subject =
      cc_switch_pick(maps.endpoints[slot].subject, maps.state[0].epoch);
  JudgementWalk walk = {.table = maps.subjects[subject].table[direction]};
  const cc_table& table = maps.tables[walk.table];
  if (table.interval_count == 0) return walk;
  const absl::StatusOr<cc_class_value> cls =
      maps.classes.Lookup({.table = walk.table, .peer = peer});
  walk.cls = cls.ok() ? cls->cls : 0;
  walk.interval = IntervalOf(maps, table, port);
  walk.cell = &maps.cells[table.cells + walk.cls * table.interval_count +
                          walk.interval];
  return walk;
}

absl::StatusOr<cc_cell*> FindCell(PublishedMaps& maps, const IpAddress& source,
                                  const IpAddress& destination,
                                  PortProtocol port) {
  CC_ASSIGN_OR_RETURN(const cc_place_value from, PlaceOf(maps, source));
  CC_ASSIGN_OR_RETURN(const cc_place_value to, PlaceOf(maps, destination));
  if (to.where == 0 || (to.where & CC_REMOTE) != 0) {
    return absl::NotFoundError(
        absl::StrCat(destination.ToString(), ": no endpoint has this address"));
  }
  const JudgementWalk walk =
      WalkJudgement(maps, to.where, CC_INGRESS, from.peer, port);
  if (walk.cell == nullptr) {
    return absl::NotFoundError(
        absl::StrCat(destination.ToString(), ": its endpoint has no table"));
  }
  return walk.cell;
}

}  // namespace ciliumcore::internal
