// SPDX-License-Identifier: Apache-2.0

// Writes services, so that they change with the epoch.

#ifndef CILIUMCORE_LIB_DATAPATH_SERVICE_WRITER_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_SERVICE_WRITER_INTERNAL_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/service/service.h"
#include "lib/datapath/adoption_internal.h"
#include "lib/datapath/desired_internal.h"
#include "lib/datapath/grace_internal.h"
#include "lib/datapath/journal_codec_internal.h"
#include "lib/datapath/pools_internal.h"
#include "lib/datapath/service_index_internal.h"
#include "lib/datapath/service_maps_internal.h"

namespace ciliumcore::internal {

// A service's entry stays where it is while what it stands for changes: a new
// table is built beside the old one, backends that stay keep their numbers, so
// that clients who remember them find them again. One that nobody wants any
// more stands for nothing, and is erased after that epoch's grace period.
class ServiceWriter {
 public:
  // `tick_seconds`: of the programs' clock.
  ServiceWriter(cc_state* state, ServiceMaps maps, GraceKeeper* grace,
                double tick_seconds);

  // Goes on where an earlier process ended; before anything is staged.
  // DataLoss if the maps are not such as a writer leaves.
  absl::Status Adopt(const Found& found);

  // What Stage would do.
  void Plan(const ServiceTable& desired, ChangePlan& plan) const;

  // Prepares `desired` to be true from epoch `next` on. On an error the caller
  // undoes `staging`. O(what differs from what is true now).
  absl::Status Stage(const ServiceTable& desired, uint32_t next,
                     Staging& staging);

  ServiceMaps& maps() { return maps_; }

 private:
  using Range = JournalRange;
  struct Live {
    uint32_t index = 0;   // of its entry
    uint32_t since = 0;   // the epoch that its target is from
    bool is_new = false;  // no packet can have an older word of it
    uint8_t which = 0;    // where the target is
    uint64_t target = CC_SERVICE_NONE;
    bool is_far_for_now = false;  // the next change can copy its backends
    ServiceRef options = std::make_shared<const ServiceOptions>();
    Range lines, room;  // of its slots; of its backends
    std::map<std::pair<IpAddress, uint16_t>, uint16_t> numbers;  // in the room
    // Numbers that were given up, and at which epoch; ascending.
    std::deque<std::pair<uint32_t, uint16_t>> resting;
  };

  absl::Status AdoptOne(uint32_t index, const Found& found,
                        std::map<Frontend, ServiceRef>& services);
  absl::Status AdoptBackends(Live& live, uint32_t epoch);
  void EraseStrayBackends(uint32_t epoch);
  uint32_t AffinityTicks(const ServiceOptions& service) const;

  absl::Status StageService(const ServiceRef& service, uint32_t next,
                            Staging& staging);
  absl::Status StageRemoval(const Frontend& frontend, uint32_t next,
                            Staging& staging);
  absl::StatusOr<Live> NewEntry(const Frontend& frontend, uint32_t next);
  // Gives every backend of `options` a number, and takes back those of others.
  absl::Status NumberBackends(Live& live, uint32_t next, Staging& staging);
  absl::Status MoveBackends(Live& live, absl::Span<const Backend> backends,
                            uint32_t next, Staging& staging);
  void WriteBackend(uint32_t at, const Backend& backend, uint32_t service,
                    uint32_t next);
  // Nobody has these entries of cc_backends then.
  void EraseIfUndone(std::vector<uint32_t> written, Staging& staging);
  void EndBackend(uint32_t at, uint32_t next, Staging& staging);
  // The word for the numbered backends; its slots are in `live.lines`. `before`
  // is what programs may still read.
  absl::StatusOr<uint64_t> BuildTarget(const Live& before, Live& live,
                                       Staging& staging);
  uint64_t BuildFew(const Live& before, Live& live,
                    absl::Span<const uint16_t> slots);
  absl::Status WaitForReaders(const Live& live);
  // Makes `target` true from `next` on, and `after` what is known of it then.
  // Nobody reads what was before the last change.
  void Switch(Live after, uint64_t target, uint32_t next, Staging& staging);
  size_t room() const { return ServiceIndex::EntriesOf(maps_.heads.size()); }
  void EraseUnwanted(const ServiceTable& desired, uint32_t next);

  ServiceMaps maps_;
  GraceKeeper* const grace_;
  const double tick_seconds_;
  ServiceIndex index_;
  RangePool entries_, lines_, backends_;
  uint32_t born_;  // of the next backend
  ServiceTable current_;
  std::map<Frontend, Live> live_;
  std::set<Frontend> unwanted_;  // of live_, those that stand for nothing
  std::set<Frontend> far_;       // those that are far for now
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_SERVICE_WRITER_INTERNAL_H_
