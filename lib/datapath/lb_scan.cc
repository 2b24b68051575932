// SPDX-License-Identifier: Apache-2.0

// What a load balancer's writer does as time passes: it forgets flows that have
// ended, and stops asking for flows where none is left.

#include <algorithm>

#include "lib/base/status_macros_internal.h"
#include "lib/datapath/lb_writer_internal.h"

namespace ciliumcore::internal {
namespace {

// Seconds between two looks at all flows. With the longest silence there is, a
// record is found dead well before its time stamp looks young again.
constexpr uint32_t kScanEvery = 16;

// Seconds by which a record may seem older than its flow is silent.
constexpr uint32_t kSlack = 2;

}  // namespace

// One look at all records.
class LbWriter::Scan {
 public:
  explicit Scan(LbWriter* writer) : writer_(*writer) {
    services_.resize(writer_.maps_.services.size());
    for (const Frontend& frontend : writer_.restless_) {
      Live& live = writer_.live_.at(frontend);
      // Whoever reads the state before could still record an older backend.
      const bool is_settled = writer_.grace_.IsOver(live.since);
      OfService of = {.live = &live,
                      .silence = writer_.SilenceOf(frontend),
                      .is_settled = is_settled,
                      .used = std::vector<bool>(live.rooms.size(), false),
                      .wanted = {}};
      if (is_settled && live.before == 0 && live.moving != 0)
        of.wanted.resize(live.target >> 23 & 0x1ffff);
      services_[live.index] = std::move(of);
    }
    // Before the first word is read.
    for (const RestingRoom& resting : writer_.resting_rooms_)
      over_.push_back(writer_.grace_.IsOver(resting.since));
    for (OfService& of : services_) {
      if (of.live == nullptr) continue;
      for (const auto& [since, number] : of.live->resting)
        of.rested += writer_.grace_.IsOver(since);
    }
  }

  void Run() {
    for (cc_lb_flows& bucket : writer_.maps_.flows.entries()) {
      for (__u64& word : bucket.flow) Look(word);
    }
    // Programs may have read, and still look at, what Look has just deleted.
    const bool is_read = !writer_.grace_.Pass().ok();
    for (OfService& of : services_) {
      if (of.live == nullptr) continue;
      EndMoves(of);
      if (!is_read && of.is_settled) {
        GiveBackNumbers(of);
        GiveBackRooms(of);
      }
      writer_.Settle(of.live->options.frontend, *of.live);
    }
    if (is_read) return;
    size_t kept = 0;
    auto& rooms = writer_.resting_rooms_;
    for (size_t i = 0; i < rooms.size(); ++i) {
      if (over_[i]) {
        writer_.backends_.Return(rooms[i].room.first, rooms[i].room.count);
      } else {
        rooms[kept++] = rooms[i];
      }
    }
    rooms.resize(kept);
  }

 private:
  struct OfService {
    Live* live = nullptr;  // null: nothing moves there
    uint32_t silence = 0;
    bool is_settled = false;
    size_t rested = 0;              // of its resting numbers, the first so many
    std::vector<bool> used = {};    // its rooms
    std::vector<bool> wanted = {};  // slots with a flow that is elsewhere
  };

  void Look(__u64& at) {
    __u64 word = __atomic_load_n(&at, __ATOMIC_RELAXED);
    const uint32_t index = CC_LB_FLOW_BACKEND(word);
    if (index == 0) return;
    const cc_lb_backend& backend = writer_.maps_.backends[index];
    OfService& of = services_[backend.service];
    if ((IsGone(backend) || (of.live != nullptr && IsDead(word, of.silence))) &&
        __atomic_compare_exchange_n(&at, &word, __u64{CC_LB_FLOW_GONE}, false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
      return;
    if (of.live == nullptr) return;
    const auto& rooms = of.live->rooms;
    const auto room = std::find_if(rooms.begin(), rooms.end(),
                                   [&](Range r) { return r.Has(index); });
    if (room == rooms.end()) return;
    of.used[static_cast<size_t>(room - rooms.begin())] = true;
    if (of.wanted.empty()) return;
    const uint32_t slot = cc_lb_slot(CC_LB_FLOW_TAG(word),
                                     static_cast<uint32_t>(of.wanted.size()));
    const uint32_t number =
        writer_.SlotAt(of.live->target, slot) & (CC_LB_SLOT_MOVES - 1);
    if (number != index - room->first) of.wanted[slot] = true;
  }

  // No program that runs now would use it, or record it again.
  bool IsGone(const cc_lb_backend& backend) const {
    return backend.until != 0 && writer_.grace_.IsOver(backend.until);
  }

  bool IsDead(uint64_t word, uint32_t silence) const {
    const uint32_t age =
        (writer_.now_ - CC_LB_FLOW_SEEN(word)) & (CC_LB_SEEN_PERIOD - 1);
    return age > silence + kSlack;
  }

  void EndMoves(OfService& of) {
    for (uint32_t slot = 0; slot < of.wanted.size(); ++slot) {
      uint16_t& at = writer_.SlotAt(of.live->target, slot);
      if ((at & CC_LB_SLOT_MOVES) == 0 || of.wanted[slot]) continue;
      __atomic_store_n(&at, static_cast<uint16_t>(at & ~CC_LB_SLOT_MOVES),
                       __ATOMIC_RELEASE);
      --of.live->moving;
    }
  }

  // Numbers that no record has, and no table that is read.
  void GiveBackNumbers(OfService& of) {
    if (of.rested == 0) return;
    std::vector<bool> is_named(CC_LB_NOBODY + 1);
    if (of.live->before != 0) {
      for (const uint16_t slot : writer_.TableOf(of.live->before))
        is_named[slot & (CC_LB_SLOT_MOVES - 1)] = true;
    }
    auto& resting = of.live->resting;
    const auto end = resting.begin() + static_cast<ptrdiff_t>(of.rested);
    resting.erase(
        std::remove_if(resting.begin(), end,
                       [&](const auto& r) { return !is_named[r.second]; }),
        end);
  }

  // Rooms of which the same is true.
  void GiveBackRooms(OfService& of) {
    Live& live = *of.live;
    size_t kept = 0;
    for (size_t i = 0; i < live.rooms.size(); ++i) {
      const Range room = live.rooms[i];
      const auto begins_in = [&](uint64_t target) {
        return target > CC_SERVICE_EMPTY &&
               room.Has(target & (CC_SERVICE_MAX_BACKENDS - 1));
      };
      if (i + 1 == live.rooms.size() || of.used[i] || begins_in(live.target) ||
          begins_in(live.before)) {
        live.rooms[kept++] = room;
      } else {
        writer_.backends_.Return(room.first, room.count);
      }
    }
    live.rooms.resize(kept);
  }

  LbWriter& writer_;
  std::vector<OfService> services_;  // by index
  std::vector<bool> over_;           // of the rooms that rest
};

void LbWriter::ScanFlows() { Scan(this).Run(); }

absl::Status LbWriter::Tick() {
  if (!is_restless()) return absl::OkStatus();
  StoreRelease(&maps_.state[0].now, uint32_t{++now_});
  const uint32_t epoch = epoch_;
  CC_RETURN_IF_ERROR(EndLearning());
  scan_is_due_ |= now_ % kScanEvery == 0;
  // What has just been published is read before it is over: a second later.
  if (scan_is_due_ && epoch_ == epoch) {
    scan_is_due_ = false;
    ScanFlows();
  }
  return absl::OkStatus();
}

// Flows that nobody has recorded by now are dead: those of the table before are
// over.
absl::Status LbWriter::EndLearning() {
  std::vector<Frontend> over;
  for (const Frontend& frontend : restless_) {
    const Live& live = live_.at(frontend);
    if (live.before != 0 && static_cast<int32_t>(now_ - live.learns_until) >= 0)
      over.push_back(frontend);
  }
  return Commit([&](uint32_t next, Staging& staging) -> absl::Status {
    for (const Frontend& frontend : over) {
      Live after = live_.at(frontend);
      CC_RETURN_IF_ERROR(WaitForReaders(after));
      RetireLines(after.lines_before, next, staging);
      after.lines_before = {};
      after.before = 0;
      Switch(std::move(after), next, staging);
    }
    return absl::OkStatus();
  });
}

}  // namespace ciliumcore::internal
