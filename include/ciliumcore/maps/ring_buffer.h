// SPDX-License-Identifier: Apache-2.0

// RingBuffer: the reader of a BPF ring buffer, by which programs send records
// to user space in the order they were reserved.

#ifndef CILIUMCORE_MAPS_RING_BUFFER_H_
#define CILIUMCORE_MAPS_RING_BUFFER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/base/unique_fd.h"

namespace ciliumcore {

struct RingBufferOptions {
  std::string name;
  uint32_t bytes = 0;  // a power of two, and a multiple of the page size
};

// Owns a ring buffer and its reading end. Programs may write without waking the
// reader (BPF_RB_NO_WAKEUP) and wake it once in many records; what they wrote
// silently is read when they do or when Poll's time is up, whichever is first.
//
// Thread-compatible. A ring has one reader: two on one ring read each other's
// records. What did not fit was lost in the program, which knows; the ring does
// not count it.
class RingBuffer {
 public:
  using Record = absl::Span<const std::byte>;

  // Sees records in order, several at a time. They are the ring's own memory,
  // valid until it returns; only then can programs write there again.
  using Visit = absl::FunctionRef<void(absl::Span<const Record> records)>;

  struct Counts {
    uint64_t records = 0;
    uint64_t bytes = 0;      // of records, without their headers
    uint64_t discarded = 0;  // records that programs took back
    uint64_t wakeups = 0;    // returns of Poll because a program woke it
    uint64_t timeouts = 0;   // because its time was up
  };

  // A new ring. InvalidArgument for a size the kernel refuses.
  static absl::StatusOr<RingBuffer> Create(const RingBufferOptions& options);

  // Takes `fd`. FailedPrecondition if it is no ring buffer.
  static absl::StatusOr<RingBuffer> Adopt(UniqueFd fd);

  // Adopts the ring pinned at `path`; NotFound if nothing is there.
  static absl::StatusOr<RingBuffer> OpenPinned(const std::string& path);

  RingBuffer(RingBuffer&&) noexcept;
  RingBuffer& operator=(RingBuffer&&) noexcept;
  ~RingBuffer();

  int fd() const;

  // Reads what is there, without waiting; returns the number of records.
  size_t Consume(Visit visit);

  // Waits until a program wakes the reader or `timeout` has passed, then reads
  // what is there, woken or not. Returns the number of records. A signal ends
  // the waiting early.
  absl::StatusOr<size_t> Poll(std::chrono::milliseconds timeout, Visit visit);

  // Bytes written and not yet read, headers included.
  uint64_t unread_bytes() const;

  const Counts& counts() const;

 private:
  struct State;
  explicit RingBuffer(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_MAPS_RING_BUFFER_H_
