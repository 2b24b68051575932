// SPDX-License-Identifier: Apache-2.0

// Room in the datapath's arrays. What a change retires may still be read by
// packets that began before it: it is given out again only when the grace
// period of the epoch that retired it is over.

#ifndef CILIUMCORE_LIB_DATAPATH_POOLS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_POOLS_INTERNAL_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "ciliumcore/datapath/plan.h"
#include "lib/datapath/grace_internal.h"
#include "lib/datapath/journal_internal.h"

namespace ciliumcore::internal {

// Ranges of [first, end) of one array. Not thread-safe.
class RangePool {
 public:
  // `name`: of the map, for errors.
  RangePool(std::string name, uint32_t first, uint32_t end)
      : name_(std::move(name)), capacity_(end - first) {
    free_[first] = end - first;
  }

  // The first of `count` consecutive indexes. ResourceExhausted if they are not
  // there even after a grace period for what is retired.
  absl::StatusOr<uint32_t> Take(uint32_t count, GraceKeeper& grace) {
    Reclaim(grace);
    if (std::optional<uint32_t> at = FirstFit(count)) return *at;
    if (!retired_.empty()) {
      // Not WaitFor: the epoch that retired some may be the one being prepared.
      if (absl::Status over = grace.Pass(); !over.ok()) return over;
      while (!retired_.empty()) ReturnOldest();
      if (std::optional<uint32_t> at = FirstFit(count)) return *at;
    }
    return absl::ResourceExhaustedError(
        absl::StrCat("map ", name_, " is full: ", used_, " of ", capacity_,
                     " entries in use, ", count, " more wanted"));
  }

  // Takes just that range; false if not all of it is free.
  bool Reserve(uint32_t at, uint32_t count) {
    auto it = free_.upper_bound(at);
    if (it == free_.begin()) return false;
    --it;
    const auto [first, size] = *it;
    if (uint64_t{at} + count > uint64_t{first} + size) return false;
    free_.erase(it);
    if (at > first) free_[first] = at - first;
    if (first + size > at + count)
      free_[at + count] = first + size - at - count;
    used_ += count;
    return true;
  }

  // Nobody has seen the range.
  void Return(uint32_t at, uint32_t count) {
    used_ -= count;
    Insert(at, count);
  }

  // No packet finds the range any more, but those that began before `epoch` may
  // still read it.
  void Retire(uint32_t at, uint32_t count, uint32_t epoch) {
    retired_.push_back({epoch, at, count});
  }

  // What `count` more would take.
  PlannedRoom Plan(uint64_t count) const {
    return {
        .map = name_, .wanted = count, .used = used_, .capacity = capacity_};
  }

  uint32_t used() const { return used_; }
  uint32_t capacity() const { return capacity_; }

 private:
  struct Retired {
    uint32_t epoch, at, count;
  };

  void Reclaim(const GraceKeeper& grace) {
    while (!retired_.empty() && grace.IsOver(retired_.front().epoch)) {
      ReturnOldest();
    }
  }

  void ReturnOldest() {
    Return(retired_.front().at, retired_.front().count);
    retired_.pop_front();
  }

  std::optional<uint32_t> FirstFit(uint32_t count) {
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      if (it->second < count) continue;
      const auto [at, size] = *it;
      free_.erase(it);
      if (size > count) free_[at + count] = size - count;
      used_ += count;
      return at;
    }
    return std::nullopt;
  }

  void Insert(uint32_t at, uint32_t count) {
    auto next = free_.lower_bound(at);
    if (next != free_.end() && at + count == next->first) {
      count += next->second;
      next = free_.erase(next);
    }
    if (next != free_.begin()) {
      auto previous = std::prev(next);
      if (previous->first + previous->second == at) {
        previous->second += count;
        return;
      }
    }
    free_[at] = count;
  }

  std::string name_;
  uint32_t capacity_;
  uint32_t used_ = 0;
  std::map<uint32_t, uint32_t> free_;  // first -> count, none adjacent
  std::deque<Retired> retired_;        // ascending by epoch
};

// What to do with a change that is being prepared: undo it, or finish it once
// it is published. Undoing runs backwards.
class Staging {
 public:
  // `step` takes back what was written.
  void OnUndo(std::function<void()> step) { undo_.push_back(std::move(step)); }
  // `step` runs if the change is undone; nothing was written.
  void OnFailure(std::function<void()> step) {
    failed_.push_back(std::move(step));
  }
  void OnPublished(std::function<void()> step) {
    published_.push_back(std::move(step));
  }
  // What the journal of a pinned instance shall say once it is published.
  void Record(JournalRecord record) { records_.push_back(std::move(record)); }

  // Whether there is anything to publish.
  bool empty() const { return undo_.empty() && records_.empty(); }
  absl::Span<const JournalRecord> records() const { return records_; }

  void Undo() {
    while (!undo_.empty()) {
      undo_.back()();
      undo_.pop_back();
    }
    for (auto& step : failed_) step();
  }

  void Published() {
    for (auto& step : published_) step();
  }

 private:
  std::deque<std::function<void()>> undo_, failed_, published_;
  std::vector<JournalRecord> records_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_POOLS_INTERNAL_H_
