// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/event_reader_internal.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "absl/time/clock.h"

namespace ciliumcore::internal {

size_t EventReader::Read(absl::Span<const RingBuffer::Record> records,
                         Visit visit) {
  size_t count = 0;
  for (const RingBuffer::Record& record : records) {
    const absl::StatusOr<FlowEvent> event = DecodeEvent(record);
    if (event.ok()) {
      visit(*event);
      ++count;
    } else {
      ++undecodable_;
    }
  }
  return count;
}

size_t EventReader::Consume(absl::Duration timeout, Visit visit) {
  size_t count = 0;
  for (; !pending_.empty(); ++count) {
    visit(pending_.front());
    pending_.pop_front();
  }
  const auto read = [&](absl::Span<const RingBuffer::Record> records) {
    count += Read(records, visit);
  };
  ring_.Consume(read);
  if (count != 0) return count;
  // The ring wakes us once in many events: look by ourselves in between.
  const absl::Time deadline = absl::Now() + timeout;
  while (count == 0) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) break;
    constexpr absl::Duration kLook = absl::Milliseconds(50);
    const auto wait = std::chrono::milliseconds(
        std::max<int64_t>(1, absl::ToInt64Milliseconds(std::min(left, kLook))));
    if (!ring_.Poll(wait, read).ok()) break;
  }
  return count;
}

std::optional<FlowEvent> EventReader::Next(absl::Duration timeout) {
  if (pending_.empty()) {
    Consume(timeout,
            [this](const FlowEvent& event) { pending_.push_back(event); });
  }
  if (pending_.empty()) return std::nullopt;
  const FlowEvent event = pending_.front();
  pending_.pop_front();
  return event;
}

uint64_t EventReader::lost() const {
  uint64_t total = 0;
  const absl::Status read =
      lost_.ForEach([&](uint32_t, const std::vector<uint64_t>& counts) {
        for (const uint64_t count : counts) total += count;
      });
  return read.ok() ? total : 0;
}

}  // namespace ciliumcore::internal
