// SPDX-License-Identifier: Apache-2.0

// Grace periods: when is nobody left that began before an epoch?

#ifndef CILIUMCORE_LIB_DATAPATH_GRACE_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_GRACE_INTERNAL_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ciliumcore::internal {

// Waits until every program run that is under way now has ended.
using Barrier = std::function<absl::Status()>;

// membarrier(MEMBARRIER_CMD_GLOBAL), or, where the kernel refuses it (with
// nohz_full), the update of a map in a map, which waits for the same.
// Unavailable if it offers neither.
absl::StatusOr<Barrier> KernelBarrier();

// Runs barriers behind the commits, on a thread of its own, so that the next
// commit finds them done. Thread-safe.
class GraceKeeper {
 public:
  explicit GraceKeeper(Barrier barrier);
  ~GraceKeeper();
  GraceKeeper(const GraceKeeper&) = delete;
  GraceKeeper& operator=(const GraceKeeper&) = delete;

  // `epoch` has just been published; a grace period for it begins.
  void Published(uint32_t epoch);

  // True if no packet is under way any more that read an epoch before `epoch`.
  bool IsOver(uint32_t epoch) const;

  // Waits for that; `epoch` has been published. The barrier's error, if it
  // failed.
  absl::Status WaitFor(uint32_t epoch);

  // Waits until every packet that is under way now has ended.
  absl::Status Pass() const { return barrier_(); }

 private:
  void Work();
  static bool Reached(uint32_t epoch, uint32_t wanted) {
    return static_cast<int32_t>(epoch - wanted) >= 0;
  }

  const Barrier barrier_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint32_t published_ = 0;
  uint32_t over_ = 0;
  absl::Status failed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_GRACE_INTERNAL_H_
