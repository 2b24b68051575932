// SPDX-License-Identifier: Apache-2.0

// FlowTail: reads the events of a pinned instance from another process than the
// one that writes it.

#ifndef CILIUMCORE_DATAPATH_FLOW_TAIL_H_
#define CILIUMCORE_DATAPATH_FLOW_TAIL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ciliumcore/flow/event.h"
#include "ciliumcore/flow/flow.h"

namespace ciliumcore {

namespace internal {
class EventReader;
class JournalDirectory;
}  // namespace internal

// Move-only, thread-compatible. Events have one reader: what a tail reads, the
// instance's own FlowReader and other tails do not.
class FlowTail {
 public:
  // NotFound if no such instance is pinned under `bpffs`; PermissionDenied
  // without CAP_BPF; FailedPrecondition if its maps are another build's.
  static absl::StatusOr<FlowTail> Open(
      const std::string& name, const std::string& bpffs = "/sys/fs/bpf");

  FlowTail(FlowTail&&) noexcept;
  FlowTail& operator=(FlowTail&&) noexcept;
  ~FlowTail();

  // As those of FlowReader.
  size_t Consume(absl::Duration timeout,
                 absl::FunctionRef<void(const FlowEvent& event)> visit);
  uint64_t lost() const;
  uint64_t undecodable() const;

  // What the numbers in the events mean, as the instance's writer noted it: for
  // ResolveFlow. Lives as long as the tail. Names of pods are not in it.
  const FlowDirectory& directory() const;

 private:
  FlowTail(std::unique_ptr<internal::EventReader> reader,
           std::unique_ptr<internal::JournalDirectory> directory);
  std::unique_ptr<internal::EventReader> reader_;
  std::unique_ptr<internal::JournalDirectory> directory_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_DATAPATH_FLOW_TAIL_H_
