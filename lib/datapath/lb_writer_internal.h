// SPDX-License-Identifier: Apache-2.0

// Writes the maps of a load balancer, so that they change with the epoch.

#ifndef CILIUMCORE_LIB_DATAPATH_LB_WRITER_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_LB_WRITER_INTERNAL_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/datapath/load_balancer.h"
#include "lib/datapath/grace_internal.h"
#include "lib/datapath/lb_index_internal.h"
#include "lib/datapath/lb_maps_internal.h"
#include "lib/datapath/pools_internal.h"

namespace ciliumcore::internal {

// What a frontend shall be; nothing: it shall be none.
struct LbEdit {
  Frontend frontend;
  std::optional<BalancedService> service;
};

// The one writer of a load balancer's maps. Not thread-safe.
//
// A change builds new tables beside those in use, and publishes all of them by
// the epoch. A service then has, for as long as flows may be silent, the table
// of before too: by that one go the flows that no program has seen since, which
// are recorded when one does. After that, slots go on asking the records until
// none of a live flow says otherwise than the table.
//
// A backend keeps its number while it stays, and records keep its index: who
// needs a larger room for backends gets one with copies of them, and goes on
// having the old one while records refer to it. Numbers and rooms that were
// given up rest until a scan has seen that no record has them.
class LbWriter {
 public:
  LbWriter(LbMaps maps, Barrier barrier, const LoadBalancerOptions& options);

  // All of `edits`, no two of one frontend, or nothing. Services are valid.
  // NotFound; ResourceExhausted, naming the map; a barrier's error.
  absl::Status Publish(absl::Span<const LbEdit> edits);

  // Edits that leave `wanted` and nothing else.
  std::vector<LbEdit> EditsTo(std::map<Frontend, BalancedService> wanted) const;

  // A second has passed. An error is a barrier's: no grace period ends any
  // more, and services stay as they are.
  absl::Status Tick();
  // Whether Tick has anything to do: flows move, or something rests.
  bool is_restless() const {
    return !restless_.empty() || !resting_rooms_.empty();
  }

  // Waits until nobody is under way who began before the last change.
  absl::Status WaitForGrace() { return grace_.WaitFor(epoch_); }

  struct Seen {
    const BalancedService* service;
    uint32_t index;  // of its counters
    uint32_t slots, moving;
  };
  void ForEach(const std::function<void(const Seen&)>& visit) const;
  bool Has(const Frontend& frontend) const;

  // Called with the index of a service before it is another's.
  void OnReuse(std::function<absl::Status(uint32_t index)> clear) {
    clear_ = std::move(clear);
  }

  uint32_t epoch() const { return epoch_; }
  LbMaps& maps() { return maps_; }

 private:
  struct Range {
    uint32_t first = 0, count = 0;
    bool Has(uint32_t at) const { return at - first < count; }
  };
  struct Live {
    uint32_t index = 0;   // of its entry
    uint32_t since = 0;   // the epoch that its state is from
    bool is_new = false;  // no packet can have an older word of it
    uint8_t which = 0;    // where the state is
    uint64_t target = CC_SERVICE_NONE, before = 0;
    Range lines, lines_before;
    uint32_t learns_until = 0;  // with `before`: the tick when it is not needed
    uint32_t moving = 0;        // slots
    BalancedService options;
    std::vector<Range> rooms;  // of the same numbers; the last is in use
    std::map<IpAddress, uint16_t> numbers;
    // Numbers that were given up, and at which epoch; ascending.
    std::deque<std::pair<uint32_t, uint16_t>> resting;

    bool is_restless() const {
      return before != 0 || moving != 0 || rooms.size() > 1 || !resting.empty();
    }
  };
  struct RestingRoom {
    uint32_t since;
    Range room;
  };
  class Scan;

  absl::Status CheckRoom(absl::Span<const LbEdit> edits) const;
  absl::Status Commit(
      const std::function<absl::Status(uint32_t next, Staging&)>& stage);
  absl::Status StageService(const BalancedService& service, uint32_t next,
                            Staging& staging);
  absl::Status StageRemoval(const Frontend& frontend, uint32_t next,
                            Staging& staging);
  absl::StatusOr<Live> NewEntry(const Frontend& frontend, uint32_t next);
  absl::Status NumberBackends(Live& live, uint32_t next, Staging& staging);
  absl::Status Grow(Live& live, Staging& staging);
  void SetDrains(const Live& live, Staging& staging);
  void WriteBackend(uint32_t at, const IpAddress& address, uint32_t service,
                    Staging& staging);
  void EndBackend(const Live& live, uint16_t number, uint32_t next,
                  Staging& staging);
  absl::Status BuildTable(const Live& before, Live& live, uint32_t next,
                          Staging& staging);
  absl::Status WriteTable(absl::Span<const uint16_t> slots, Live& live,
                          Staging& staging);
  std::vector<uint16_t> TableOf(uint64_t target);
  uint16_t& SlotAt(uint64_t target, uint32_t slot);
  absl::Status WaitForReaders(const Live& live);
  void RetireLines(Range lines, uint32_t next, Staging& staging);
  void Switch(Live after, uint32_t next, Staging& staging);
  void EraseUnwanted(uint32_t next);
  void Erase(std::map<Frontend, Live>::iterator at, uint32_t next);
  void Settle(const Frontend& frontend, const Live& live);
  absl::Status EndLearning();
  void ScanFlows();
  uint32_t SilenceOf(const Frontend& frontend) const;

  LbMaps maps_;
  GraceKeeper grace_;
  LbIndex index_;
  RangePool entries_, lines_, backends_;
  const size_t most_services_;
  std::function<absl::Status(uint32_t)> clear_;
  std::vector<bool> was_used_;  // entries
  std::map<Frontend, Live> live_;
  std::set<Frontend> unwanted_;  // of live_, those that stand for nothing
  std::set<Frontend> restless_;
  std::vector<RestingRoom> resting_rooms_;
  uint32_t epoch_ = 1;
  uint32_t now_ = 0;
  bool scan_is_due_ = false;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_LB_WRITER_INTERNAL_H_
