// SPDX-License-Identifier: Apache-2.0

// Makes the maps say what is desired, all of it by one store.

#ifndef CILIUMCORE_LIB_DATAPATH_PUBLISHER_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_PUBLISHER_INTERNAL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/datapath/desired_internal.h"
#include "lib/datapath/endpoint_writer_internal.h"
#include "lib/datapath/grace_internal.h"
#include "lib/datapath/place_writer_internal.h"
#include "lib/datapath/published_maps_internal.h"
#include "lib/datapath/service_writer_internal.h"
#include "lib/datapath/table_writer_internal.h"

namespace ciliumcore::internal {

// The one writer of a datapath's maps. Not thread-safe.
//
// A change is prepared beside what is in use: new tables, new values in the
// free slots of switch words that take effect at the next epoch. Then one
// release store of the epoch makes all of it true. A packet reads the epoch
// once, so it sees the whole change or nothing of it. If anything does not fit,
// everything prepared is undone and the error says what did not.
class Publisher {
 public:
  // `epoch`: where to begin; later than any that conntrack records remember.
  Publisher(PublishedMaps maps, Barrier barrier, uint32_t epoch);

  // Services from now on; `tick_seconds` as of the programs' clock.
  void AddServices(ServiceMaps maps, double tick_seconds);
  ServiceMaps* service_maps() {
    return services_.has_value() ? &services_->maps() : nullptr;
  }

  // Publishes `desired`. `attach` runs when all is prepared and nothing is
  // visible; if it fails, nothing will have been. Returns the epoch.
  absl::StatusOr<uint32_t> Publish(
      const DesiredState& desired, const std::function<absl::Status()>& attach =
                                       [] { return absl::OkStatus(); });

  uint32_t epoch() const { return epoch_; }
  const EndpointWriter& endpoints() const { return endpoints_; }
  PublishedMaps& maps() { return maps_; }

 private:
  absl::Status Stage(const DesiredState& desired, uint32_t next,
                     Staging& staging);
  absl::StatusOr<uint16_t> WhereOf(const DesiredAddress& address,
                                   absl::Span<const uint16_t> slots);
  absl::StatusOr<uint16_t> TakeHop(const DesiredHop& hop);

  PublishedMaps maps_;
  GraceKeeper grace_;
  EndpointWriter endpoints_;
  TableWriter tables_;
  PlaceWriter places_;
  std::optional<ServiceWriter> services_;
  RangePool hop_pool_;
  std::map<DesiredHop, uint16_t>
      hops_;  // grows with the neighbours of the node
  uint32_t epoch_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_PUBLISHER_INTERNAL_H_
