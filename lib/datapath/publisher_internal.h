// SPDX-License-Identifier: Apache-2.0

// Makes the maps say what is desired, all of it by one store.

#ifndef CILIUMCORE_LIB_DATAPATH_PUBLISHER_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_PUBLISHER_INTERNAL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/datapath/plan.h"
#include "lib/datapath/desired_internal.h"
#include "lib/datapath/endpoint_writer_internal.h"
#include "lib/datapath/grace_internal.h"
#include "lib/datapath/journal_internal.h"
#include "lib/datapath/journal_names_internal.h"
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

  // Passes over epochs, before anything is published.
  void Skip(uint32_t epochs);

  // Keeps `journal`, which is empty, from now on.
  void KeepJournal(Journal journal) { journal_ = std::move(journal); }

  // Goes on where an earlier process ended, at the epoch of the constructor;
  // `journal` is of that epoch, `names` are what it says. Before anything is
  // published, and after AddServices. DataLoss if the maps are not such as a
  // publisher leaves.
  absl::StatusOr<std::vector<EndpointWriter::Adopted>> Adopt(
      Journal journal, const RecoveredNames& names);

  // Null if none is kept.
  Journal* journal() { return journal_.has_value() ? &*journal_ : nullptr; }
  const Journal* journal() const {
    return journal_.has_value() ? &*journal_ : nullptr;
  }

  // What Publish would write. Writes nothing.
  ChangePlan Plan(const DesiredState& desired) const;

  // Publishes `desired`. `attach` runs when all is prepared and nothing is
  // visible; if it fails, nothing will have been. Returns the epoch, which
  // stays what it is if nothing changes.
  absl::StatusOr<uint32_t> Publish(
      const DesiredState& desired, const std::function<absl::Status()>& attach =
                                       [] { return absl::OkStatus(); });

  uint32_t epoch() const { return epoch_; }
  const EndpointWriter& endpoints() const { return endpoints_; }
  PublishedMaps& maps() { return maps_; }
  const PublishedMaps& maps() const { return maps_; }

 private:
  absl::Status Stage(const DesiredState& desired, uint32_t next,
                     Staging& staging);
  absl::Status AdoptHops();
  absl::Status StagePlaces(const EndpointWriter::SlotsRef& slots, uint32_t next,
                           Staging& staging);
  // From what `before`, the nodes in force, say of addresses.
  absl::StatusOr<std::vector<PlaceWriter::AddressChange>> AddressChanges(
      const DesiredNodes& before, const EndpointWriter::Slots& slots);
  absl::StatusOr<uint16_t> WhereOf(const DesiredAddress& address,
                                   absl::Span<const uint16_t> slots);
  uint16_t KnownWhere(const DesiredAddress& address,
                      const DesiredState& desired) const;
  static void AddPrefixes(const DesiredNodes& nodes, PlaceTable& places);
  absl::StatusOr<uint16_t> TakeHop(const DesiredHop& hop);

  PublishedMaps maps_;
  GraceKeeper grace_;
  EndpointWriter endpoints_;
  TableWriter tables_;
  PlaceWriter places_;
  std::optional<ServiceWriter> services_;
  EndpointWriter::SlotsRef placed_;  // what the places in force are of
  RangePool hop_pool_;
  std::map<DesiredHop, uint16_t>
      hops_;  // grows with the neighbours of the node
  std::optional<Journal> journal_;
  JournalNames names_;
  uint32_t epoch_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_PUBLISHER_INTERNAL_H_
