// SPDX-License-Identifier: Apache-2.0

// Writes endpoints, and who they are.

#ifndef CILIUMCORE_LIB_DATAPATH_ENDPOINT_WRITER_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_ENDPOINT_WRITER_INTERNAL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/datapath/plan.h"
#include "lib/datapath/adoption_internal.h"
#include "lib/datapath/desired_internal.h"
#include "lib/datapath/grace_internal.h"
#include "lib/datapath/journal_codec_internal.h"
#include "lib/datapath/pools_internal.h"
#include "lib/datapath/published_maps_internal.h"

namespace ciliumcore::internal {

class EndpointWriter {
 public:
  EndpointWriter(PublishedMaps* maps, GraceKeeper* grace);

  // An endpoint that an earlier process left.
  struct Adopted {
    std::string interface;
    uint32_t ifindex = 0;
    bool closes = false;
  };
  // Goes on where that process ended; before anything is staged. DataLoss if
  // the maps are not such as a writer leaves.
  absl::StatusOr<std::vector<Adopted>> Adopt(const Found& found);
  std::optional<uint16_t> SlotOf(const std::string& name) const {
    const auto live = live_.find(name);
    return live == live_.end() ? std::nullopt
                               : std::optional(live->second.slot);
  }
  // The tables that endpoints use.
  std::set<uint16_t> TablesInUse() const;

  // What Stage would do; `kept_tables` by the index that endpoints know them
  // by, 0 for a new one.
  void Plan(const DesiredState& desired, absl::Span<const uint16_t> kept_tables,
            ChangePlan& plan) const;

  // Where the endpoints of nodes are.
  struct Slots;
  using SlotsRef = std::shared_ptr<const Slots>;

  // Finds or makes a slot for each endpoint; one that is new is nobody until
  // Stage says who. FailedPrecondition if an endpoint's interface changed.
  // O(1), and the same object, for the nodes in force.
  absl::StatusOr<SlotsRef> StageSlots(
      const std::shared_ptr<const DesiredNodes>& nodes, uint32_t next,
      Staging& staging);

  // Prepares who the endpoints of `slots` are from `next` on; `tables` by the
  // index that `verdicts` know them by. Endpoints not among them end.
  absl::Status Stage(const SlotsRef& slots,
                     absl::Span<const DesiredVerdicts> verdicts,
                     absl::Span<const uint16_t> tables, uint32_t next,
                     Staging& staging);

  // The slots that endpoints have now, by name.
  std::map<std::string, uint16_t> SlotsByName() const;

 private:
  // Identity, egress table, ingress table.
  using SubjectKey = std::tuple<uint32_t, uint16_t, uint16_t>;
  struct Subject {
    uint32_t at = 0;
    uint32_t users = 0;
  };
  struct Live {
    DesiredEndpoint fixed;  // all but identity and tables
    uint16_t slot = 0;
    uint32_t since = 0;
    SubjectKey subject;
    uint16_t subject_at = 0;
  };

  // An endpoint that becomes another subject.
  struct Change {
    Live* live;
    SubjectKey subject;
    uint16_t subject_at;
  };

  absl::StatusOr<Live*> NewLive(const DesiredEndpoint& endpoint, uint32_t next,
                                Staging& staging);
  // Appends to `changes`, which the staging knows, unless nothing changes.
  absl::Status StageOne(Live& live, SubjectKey subject, uint32_t next,
                        std::vector<Change>& changes);
  void StageEnd(const std::string& name, uint32_t next, Staging& staging);
  absl::StatusOr<uint16_t> TakeSubject(SubjectKey key);
  void DropSubject(SubjectKey key, uint32_t epoch);
  absl::Status AdoptOne(const Found& found, uint32_t slot,
                        const JournalEndpoint& endpoint);
  absl::Status DropStrangers();
  absl::Status PutIfindex(uint32_t ifindex, uint32_t slot);

  PublishedMaps* const maps_;
  GraceKeeper* const grace_;
  RangePool slots_, subjects_;
  std::map<std::string, Live> live_;               // by name
  std::map<uint32_t, uint32_t> owner_of_ifindex_;  // its slot
  absl::flat_hash_map<SubjectKey, Subject> subject_index_;
  SlotsRef in_force_;
};

struct EndpointWriter::Slots {
  std::shared_ptr<const DesiredNodes> nodes;
  std::vector<uint16_t> slots;  // by endpoint
  std::vector<Live*> lives;     // by endpoint
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_ENDPOINT_WRITER_INTERNAL_H_
