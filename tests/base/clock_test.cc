// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/base/clock.h"

#include <gtest/gtest.h>

namespace ciliumcore {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(ClockTest, MonotonicNeverGoesBack) {
  nanoseconds last = Clock::Monotonic().Now();
  EXPECT_GT(last, nanoseconds(0));
  for (int i = 0; i < 1000; ++i) {
    const nanoseconds now = Clock::Monotonic().Now();
    EXPECT_GE(now, last);
    last = now;
  }
}

TEST(ManualClockTest, StandsStillUntilTold) {
  ManualClock clock(seconds(5));
  EXPECT_EQ(clock.Now(), seconds(5));
  clock.Advance(nanoseconds(1));
  EXPECT_EQ(clock.Now(), nanoseconds(5'000'000'001));
}

}  // namespace
}  // namespace ciliumcore
