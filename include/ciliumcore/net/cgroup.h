// SPDX-License-Identifier: Apache-2.0

// Cgroups of version 2: whose sockets programs are attached to.

#ifndef CILIUMCORE_NET_CGROUP_H_
#define CILIUMCORE_NET_CGROUP_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/unique_fd.h"

namespace ciliumcore {

// Owns a cgroup. Destroying moves the process back if it entered it, and
// removes it unless it is kept. Move-only; thread-compatible. Needs root, or a
// cgroup that was delegated.
class Cgroup {
 public:
  // A new cgroup "<prefix>-<pid>" below that of the process; empty ones of that
  // prefix whose process was killed are removed. Where nobody mounted the
  // hierarchy, it is mounted for this object alone, out of everybody's sight.
  // Unimplemented if the kernel has none; AlreadyExists, PermissionDenied.
  static absl::StatusOr<Cgroup> Create(const std::string& prefix);

  // The cgroup "<name>" at the top of the hierarchy, which stays when this
  // object and the process go: found, or made. Errors as Create.
  static absl::StatusOr<Cgroup> Keep(const std::string& name);

  Cgroup(Cgroup&& other) noexcept;
  Cgroup& operator=(Cgroup&& other) noexcept;
  ~Cgroup();

  // Good in this process only, where the mount is its own.
  const std::string& path() const { return path_; }

  // Moves the calling process, with all its threads, in or back. Sockets belong
  // to the cgroup in which they were made.
  absl::Status Enter();
  absl::Status Leave();

  // The ids of the processes in it.
  absl::StatusOr<std::vector<int>> Processes() const;

  // Removes it now, also one that is kept. FailedPrecondition while there are
  // processes in it.
  absl::Status Remove();

 private:
  Cgroup(std::string home, std::string path, UniqueFd mount, bool is_kept)
      : home_(std::move(home)),
        path_(std::move(path)),
        mount_(std::move(mount)),
        is_kept_(is_kept) {}

  std::string home_, path_;
  UniqueFd mount_;  // of the hierarchy, if others did not mount it
  bool is_kept_ = false;
  bool entered_ = false;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_NET_CGROUP_H_
