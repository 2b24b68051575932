// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/unique_fd.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/grace_internal.h"

namespace ciliumcore::internal {
namespace {

// Replacing a map's inner map waits for a grace period (kernel:
// maybe_wait_bpf_programs).
absl::StatusOr<Barrier> MapInMapBarrier() {
  UniqueFd inner(
      bpf_map_create(BPF_MAP_TYPE_ARRAY, "cc_grace_in", 4, 4, 1, nullptr));
  if (inner.get() < 0)
    return absl::ErrnoToStatus(errno, "grace period: inner map");
  LIBBPF_OPTS(bpf_map_create_opts, options,
              .inner_map_fd = static_cast<__u32>(inner.get()));
  UniqueFd outer(bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "cc_grace", 4, 4, 1,
                                &options));
  if (outer.get() < 0)
    return absl::ErrnoToStatus(errno, "grace period: outer map");
  auto fds = std::make_shared<std::pair<UniqueFd, UniqueFd>>(std::move(inner),
                                                             std::move(outer));
  return Barrier([fds]() -> absl::Status {
    const uint32_t zero = 0;
    const int inner_fd = fds->first.get();
    if (bpf_map_update_elem(fds->second.get(), &zero, &inner_fd, BPF_ANY) !=
        0) {
      return absl::ErrnoToStatus(errno, "grace period: map update");
    }
    return absl::OkStatus();
  });
}

}  // namespace

absl::StatusOr<Barrier> KernelBarrier() {
  const long supported = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  if (supported < 0 || (supported & MEMBARRIER_CMD_GLOBAL) == 0)
    return MapInMapBarrier();
  return Barrier([]() -> absl::Status {
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0) {
      return absl::ErrnoToStatus(errno, "membarrier");
    }
    return absl::OkStatus();
  });
}

GraceKeeper::GraceKeeper(Barrier barrier)
    : barrier_(std::move(barrier)), thread_([this] { Work(); }) {}

GraceKeeper::~GraceKeeper() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void GraceKeeper::Published(uint32_t epoch) {
  {
    std::lock_guard lock(mutex_);
    published_ = epoch;
  }
  changed_.notify_all();
}

bool GraceKeeper::IsOver(uint32_t epoch) const {
  std::lock_guard lock(mutex_);
  return Reached(over_, epoch);
}

absl::Status GraceKeeper::WaitFor(uint32_t epoch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return Reached(over_, epoch) || !failed_.ok(); });
  return Reached(over_, epoch) ? absl::OkStatus() : failed_;
}

void GraceKeeper::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || published_ != over_; });
    if (stopping_) return;
    const uint32_t epoch = published_;
    lock.unlock();
    absl::Status done = barrier_();  // begins after the epoch was published
    lock.lock();
    if (!done.ok()) {
      failed_ = std::move(done);
      changed_.notify_all();
      return;
    }
    over_ = epoch;
    changed_.notify_all();
  }
}

}  // namespace ciliumcore::internal
