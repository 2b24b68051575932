// SPDX-License-Identifier: Apache-2.0

// The time as an argument: code that ages entries takes a Clock, so that tests
// decide what time it is.

#ifndef CILIUMCORE_BASE_CLOCK_H_
#define CILIUMCORE_BASE_CLOCK_H_

#include <atomic>
#include <chrono>

namespace ciliumcore {

// A monotonic clock. Implementations are thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Time since boot, not counting suspension: the clock that BPF programs read
  // with bpf_ktime_get_ns().
  virtual std::chrono::nanoseconds Now() const = 0;

  // The real one; lives as long as the program.
  static const Clock& Monotonic();
};

// Stands still until told. Starts at zero unless given another time.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::chrono::nanoseconds now = {}) : now_(now.count()) {}

  std::chrono::nanoseconds Now() const override {
    return std::chrono::nanoseconds(now_.load(std::memory_order_acquire));
  }

  void Advance(std::chrono::nanoseconds by) {
    now_.fetch_add(by.count(), std::memory_order_acq_rel);
  }

 private:
  std::atomic<std::chrono::nanoseconds::rep> now_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_BASE_CLOCK_H_
