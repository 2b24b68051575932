// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/live_maps_internal.h"

#include <cstddef>

#include "lib/base/status_macros_internal.h"
#include "lib/datapath/map_decoders_internal.h"

namespace ciliumcore::internal {
namespace {

const char* SlotMapOf(uint32_t ifindex) {
  return ifindex < CC_IFINDEX_DIRECT ? "cc_ifindex" : "cc_ifindex_far";
}

template <typename K, typename V>
absl::StatusOr<const MapReader*> Checked(InstanceView& view, const char* map) {
  CC_ASSIGN_OR_RETURN(const MapReader* reader, view.Find(map));
  CC_RETURN_IF_ERROR(reader->Check(abi::ShapeOf<K>(), abi::ShapeOf<V>()));
  return reader;
}

}  // namespace

LiveMaps LiveMaps::Of(const PublishedMaps& maps) {
  return {
      .state = maps.state.entries(),
      .endpoints = maps.endpoints.entries(),
      .subjects = maps.subjects.entries(),
      .address_lines = maps.addresses.entries(),
      .places = maps.places.entries(),
      .tables = maps.tables.entries(),
      .port_pages = maps.port_pages.entries(),
      .cells = maps.cells.entries(),
      .slot_of = [&maps](uint32_t ifindex) -> absl::StatusOr<uint32_t> {
        const auto& map =
            ifindex < CC_IFINDEX_DIRECT ? maps.ifindex : maps.ifindex_far;
        absl::StatusOr<uint32_t> slot = map.Lookup(ifindex);
        if (absl::IsNotFound(slot.status())) return 0;
        return slot;
      },
      .for_each_class =
          [&maps](ClassVisitor visit) { return maps.classes.ForEach(visit); },
      .for_each_prefix =
          [&maps](PrefixVisitor visit) {
            return maps.prefixes.ForEach(visit);
          }};
}

absl::StatusOr<LiveMaps> LiveMaps::Of(InstanceView& view) {
  for (const uint32_t ifindex : {0u, uint32_t{CC_IFINDEX_DIRECT}}) {
    CC_RETURN_IF_ERROR(
        (Checked<uint32_t, uint32_t>(view, SlotMapOf(ifindex)).status()));
  }
  CC_ASSIGN_OR_RETURN(
      const MapReader* classes,
      (Checked<cc_class_key, cc_class_value>(view, "cc_classes")));
  CC_ASSIGN_OR_RETURN(const MapReader* prefixes,
                      (Checked<cc_prefix_key, uint32_t>(view, "cc_prefixes")));
  CC_ASSIGN_OR_RETURN(MapReader* const state, view.Find("cc_state"));
  CC_ASSIGN_OR_RETURN(const auto states, state->Entries<cc_state>());
  for (const char* map :
       {"cc_endpoints", "cc_subjects", "cc_addrs", "cc_places", "cc_tables",
        "cc_port_pages", "cc_cells"}) {
    CC_RETURN_IF_ERROR(view.Find(map).status());
  }
  return LiveMaps{
      .state = states,
      .endpoints = view.endpoints,
      .subjects = view.subjects,
      .address_lines = view.address_lines,
      .places = view.places,
      .tables = view.tables,
      .port_pages = view.port_pages,
      .cells = view.cells,
      .slot_of = [&view](uint32_t ifindex) -> absl::StatusOr<uint32_t> {
        CC_ASSIGN_OR_RETURN(const MapReader* map,
                            view.Find(SlotMapOf(ifindex)));
        uint32_t slot = 0;
        const absl::Status found = map->Lookup(&ifindex, &slot);
        if (!found.ok() && !absl::IsNotFound(found)) return found;
        return slot;
      },
      .for_each_class =
          [classes](ClassVisitor visit) {
            return classes->ForEach(
                [&](const std::byte* key, const std::byte* value) {
                  visit(Read<cc_class_key>(key), Read<cc_class_value>(value));
                  return true;
                });
          },
      .for_each_prefix =
          [prefixes](PrefixVisitor visit) {
            return prefixes->ForEach(
                [&](const std::byte* key, const std::byte* place) {
                  visit(Read<cc_prefix_key>(key), Read<uint32_t>(place));
                  return true;
                });
          }};
}

}  // namespace ciliumcore::internal
