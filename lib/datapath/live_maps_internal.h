// SPDX-License-Identifier: Apache-2.0

// The maps that judgements depend on, to be read: of an open datapath, or of an
// instance that another process writes.

#ifndef CILIUMCORE_LIB_DATAPATH_LIVE_MAPS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_LIVE_MAPS_INTERNAL_H_

#include <cstdint>
#include <functional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/layouts.h"
#include "lib/datapath/instance_view_internal.h"
#include "lib/datapath/published_maps_internal.h"

namespace ciliumcore::internal {

// A view; what it was made of outlives it.
struct LiveMaps {
  using ClassVisitor =
      absl::FunctionRef<void(const cc_class_key&, const cc_class_value&)>;
  using PrefixVisitor =
      absl::FunctionRef<void(const cc_prefix_key&, uint32_t place)>;

  absl::Span<const cc_state> state;
  absl::Span<const cc_endpoint> endpoints;
  absl::Span<const cc_subject> subjects;
  absl::Span<const cc_addr_heads> address_lines;
  absl::Span<const cc_place> places;
  absl::Span<const cc_table> tables;
  absl::Span<const cc_port_page> port_pages;
  absl::Span<const cc_cell> cells;
  // The slot that packets of an interface are judged by, 0 for none.
  std::function<absl::StatusOr<uint32_t>(uint32_t ifindex)> slot_of;
  std::function<absl::Status(ClassVisitor)> for_each_class;
  std::function<absl::Status(PrefixVisitor)> for_each_prefix;

  static LiveMaps Of(const PublishedMaps& maps);
  // NotFound, or FailedPrecondition for another layout, if the instance lacks
  // one of the maps.
  static absl::StatusOr<LiveMaps> Of(InstanceView& view);
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_LIVE_MAPS_INTERNAL_H_
