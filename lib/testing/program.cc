// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/testing/program.h"

#include <cstring>

#include "ciliumcore/abi/state.h"
#include "lib/testing/program_internal.h"

namespace ciliumcore::testing {

bool AddEvent(const void* record, size_t size, ProgramOutput& output) {
  cc_event event;
  if (size < sizeof(event)) return false;
  std::memcpy(&event, record, sizeof(event));
  output.events.push_back(event);
  if (event.kind != CC_EVENT_END)
    return size == sizeof(event) && event.bytes == size;
  cc_event_end end;
  if (size != sizeof(end) || event.bytes != size) return false;
  std::memcpy(&end, record, sizeof(end));
  output.ends.push_back(end);
  return true;
}

absl::Status ProgramRunner::Clear(absl::string_view map) {
  absl::StatusOr<std::map<std::string, std::string>> entries = Dump(map);
  if (!entries.ok()) return entries.status();
  for (const auto& [key, value] : *entries) {
    absl::Status erased = EraseOrZero(map, key);
    if (!erased.ok()) return erased;
  }
  return absl::OkStatus();
}

absl::Status ProgramRunner::SetEpoch(uint32_t epoch) {
  const auto entries = Dump("cc_state");
  if (!entries.ok()) return entries.status();
  cc_state state = {};
  if (!entries->empty()) {
    std::memcpy(&state, entries->begin()->second.data(), sizeof(state));
  }
  state.epoch = epoch;
  return Put("cc_state", uint32_t{0}, state);
}

absl::Status ProgramRunner::SetTicks(uint32_t ticks) {
  return Put("cc_clock", uint32_t{0}, cc_clock{.ticks = ticks, .pad = 0});
}

}  // namespace ciliumcore::testing
