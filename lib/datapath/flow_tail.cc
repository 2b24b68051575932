// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/datapath/flow_tail.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "lib/datapath/event_reader_internal.h"
#include "lib/datapath/journal_directory_internal.h"
#include "lib/datapath/pins_internal.h"

namespace ciliumcore {

absl::StatusOr<FlowTail> FlowTail::Open(const std::string& name,
                                        const std::string& bpffs) {
  using internal::EventReader;
  const auto path = [&](const char* map) {
    return internal::Pins::PinnedMapPath(bpffs, name, map);
  };
  const auto status = [&](const absl::Status& why) {
    return Annotate(why, absl::StrCat("instance ", name));
  };
  absl::StatusOr<RingBuffer> ring = RingBuffer::OpenPinned(path("cc_events"));
  if (!ring.ok()) return status(ring.status());
  absl::StatusOr<EventReader::LostCounters> lost =
      EventReader::LostCounters::OpenPinned(path("cc_events_lost"));
  if (!lost.ok()) return status(lost.status());
  absl::StatusOr<internal::Journal::Lines> journal =
      internal::Journal::Lines::OpenPinned(path("cc_journal"));
  if (!journal.ok()) return status(journal.status());
  return FlowTail(
      std::make_unique<EventReader>(*std::move(ring), *std::move(lost)),
      std::make_unique<internal::JournalDirectory>(*std::move(journal)));
}

FlowTail::FlowTail(std::unique_ptr<internal::EventReader> reader,
                   std::unique_ptr<internal::JournalDirectory> directory)
    : reader_(std::move(reader)), directory_(std::move(directory)) {}
FlowTail::FlowTail(FlowTail&&) noexcept = default;
FlowTail& FlowTail::operator=(FlowTail&&) noexcept = default;
FlowTail::~FlowTail() = default;

size_t FlowTail::Consume(
    absl::Duration timeout,
    absl::FunctionRef<void(const FlowEvent& event)> visit) {
  return reader_->Consume(timeout, visit);
}
uint64_t FlowTail::lost() const { return reader_->lost(); }
const FlowDirectory& FlowTail::directory() const { return *directory_; }
uint64_t FlowTail::undecodable() const { return reader_->undecodable(); }

}  // namespace ciliumcore
