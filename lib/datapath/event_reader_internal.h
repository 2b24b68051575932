// SPDX-License-Identifier: Apache-2.0

// The reading end of the programs' events.

#ifndef CILIUMCORE_LIB_DATAPATH_EVENT_READER_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_EVENT_READER_INTERNAL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "ciliumcore/flow/event.h"
#include "ciliumcore/maps/per_cpu_map.h"
#include "ciliumcore/maps/ring_buffer.h"

namespace ciliumcore::internal {

// Owns the ring. Thread-compatible, but for lost and undecodable.
class EventReader {
 public:
  using LostCounters = PerCpuMap<uint32_t, uint64_t>;
  using Visit = absl::FunctionRef<void(const FlowEvent& event)>;

  EventReader(RingBuffer ring, LostCounters lost)
      : ring_(std::move(ring)), lost_(std::move(lost)) {}

  // See FlowReader.
  size_t Consume(absl::Duration timeout, Visit visit);
  std::optional<FlowEvent> Next(absl::Duration timeout);
  uint64_t lost() const;
  uint64_t undecodable() const { return undecodable_; }

 private:
  size_t Read(absl::Span<const RingBuffer::Record> records, Visit visit);

  RingBuffer ring_;
  LostCounters lost_;
  std::deque<FlowEvent> pending_;  // read by Next, and not given yet
  std::atomic<uint64_t> undecodable_ = 0;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_EVENT_READER_INTERNAL_H_
