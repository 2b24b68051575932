// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/config_internal.h"

#include <time.h>

#include <algorithm>
#include <cstdint>

namespace ciliumcore::internal {
namespace {

// A tick is a power of two of jiffies, near a second.
uint32_t ClockShift(double* tick_seconds) {
  timespec jiffy = {};
  clock_getres(CLOCK_MONOTONIC_COARSE, &jiffy);
  double seconds = static_cast<double>(jiffy.tv_sec) +
                   static_cast<double>(jiffy.tv_nsec) / 1e9;
  uint32_t shift = 0;
  for (; seconds * 2 <= 1.1; ++shift) seconds *= 2;
  *tick_seconds = seconds;
  return shift;
}

}  // namespace

double TickSeconds() {
  double tick = 1;
  ClockShift(&tick);
  return tick;
}

cc_config ConfigOf(const DatapathOptions& options) {
  double tick = 1;
  cc_config config = {};
  config.clock_shift = ClockShift(&tick);
  const auto ticks = [tick](absl::Duration duration) {
    const double count = absl::ToDoubleSeconds(duration) / tick;
    return static_cast<uint32_t>(std::clamp(count, 1.0, 1e9));
  };
  config.ticks_tcp = ticks(options.timeouts.tcp);
  config.ticks_syn = ticks(options.timeouts.tcp_opening);
  config.ticks_close = ticks(options.timeouts.tcp_closing);
  config.ticks_any = ticks(options.timeouts.other);
  config.event_wake_bytes =
      std::min<uint32_t>(options.capacity.event_bytes / 4, 256 << 10);
  config.emit_new = options.report_new;
  config.emit_drops = options.report_drops;
  config.emit_end = options.report_ends;
  config.emit_verdicts = options.report_verdicts;
  config.drop_sample_shift = options.drop_sample_shift;
  config.forward =
      options.forward == Forward::kFib ? CC_FORWARD_FIB : CC_FORWARD_STACK;
  config.audit_only = options.audit_only;
  return config;
}

}  // namespace ciliumcore::internal
