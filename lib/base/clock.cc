// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/base/clock.h"

#include <ctime>

namespace ciliumcore {
namespace {

class MonotonicClock final : public Clock {
 public:
  std::chrono::nanoseconds Now() const override {
    timespec now = {};
    // Cannot fail: the clock exists on every Linux and `now` is ours.
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::chrono::seconds(now.tv_sec) +
           std::chrono::nanoseconds(now.tv_nsec);
  }
};

}  // namespace

const Clock& Clock::Monotonic() {
  static const MonotonicClock clock;
  return clock;
}

}  // namespace ciliumcore
