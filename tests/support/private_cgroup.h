// SPDX-License-Identifier: Apache-2.0

// A cgroup for one test.

#ifndef CILIUMCORE_TESTS_SUPPORT_PRIVATE_CGROUP_H_
#define CILIUMCORE_TESTS_SUPPORT_PRIVATE_CGROUP_H_

#include <memory>
#include <string>
#include <utility>

namespace ciliumcore::testing {

// Removed, with the process moved back, when it goes.
class PrivateCgroup {
 public:
  // Moves the calling process into a new cgroup of version 2. It mounts the
  // hierarchy for itself, away from everybody's sight, where nobody has. Null
  // if the kernel has none.
  static std::unique_ptr<PrivateCgroup> EnterOrNull();
  ~PrivateCgroup();
  PrivateCgroup(const PrivateCgroup&) = delete;
  PrivateCgroup& operator=(const PrivateCgroup&) = delete;

  const std::string& path() const { return path_; }
  // Moves the process back.
  void Leave();

 private:
  PrivateCgroup(std::string home, std::string path)
      : home_(std::move(home)), path_(std::move(path)) {}
  const std::string home_, path_;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_SUPPORT_PRIVATE_CGROUP_H_
