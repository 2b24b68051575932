// SPDX-License-Identifier: Apache-2.0

// A bpffs of the test's own, so that a pin it makes cannot outlive it, not even
// if it is killed.

#ifndef CILIUMCORE_TESTS_SUPPORT_PRIVATE_BPFFS_H_
#define CILIUMCORE_TESTS_SUPPORT_PRIVATE_BPFFS_H_

#include <string>

namespace ciliumcore::testing {

// Moves the calling thread into a mount namespace of its own and mounts a bpffs
// there, over a new temporary directory. Threads started later see it too. The
// kernel drops mount and pins with the last thread in the namespace. Fails the
// running test if it cannot.
class PrivateBpffs {
 public:
  PrivateBpffs();
  ~PrivateBpffs();
  PrivateBpffs(const PrivateBpffs&) = delete;
  PrivateBpffs& operator=(const PrivateBpffs&) = delete;

  const std::string& root() const { return root_; }
  std::string Path(const std::string& name) const { return root_ + "/" + name; }

 private:
  std::string root_;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_SUPPORT_PRIVATE_BPFFS_H_
