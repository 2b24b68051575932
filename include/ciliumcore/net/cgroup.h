// SPDX-License-Identifier: Apache-2.0

// Cgroups of version 2: whose sockets programs are attached to.

#ifndef CILIUMCORE_NET_CGROUP_H_
#define CILIUMCORE_NET_CGROUP_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ciliumcore {

// Owns a cgroup below that of the calling process. Destroying moves the process
// back if it is in it, and removes it. Move-only; thread-compatible. Needs
// root, or a cgroup that was delegated.
class Cgroup {
 public:
  // A new cgroup `name`. Where nobody mounted the hierarchy, it is mounted on a
  // directory of its own for as long. Unimplemented if the kernel has none;
  // AlreadyExists, PermissionDenied.
  static absl::StatusOr<Cgroup> Create(const std::string& name);

  Cgroup(Cgroup&& other) noexcept;
  Cgroup& operator=(Cgroup&& other) noexcept;
  ~Cgroup();

  const std::string& path() const { return path_; }

  // Moves the calling process, with all its threads, in or back. Sockets belong
  // to the cgroup in which they were made.
  absl::Status Enter();
  absl::Status Leave();

 private:
  Cgroup(std::string home, std::string path, std::string mounted)
      : home_(std::move(home)),
        path_(std::move(path)),
        mounted_(std::move(mounted)) {}

  std::string home_, path_;
  std::string mounted_;  // where we mounted the hierarchy; empty: others did
  bool entered_ = false;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_NET_CGROUP_H_
