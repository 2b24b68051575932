// SPDX-License-Identifier: Apache-2.0

#include "tests/support/private_bpffs.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace ciliumcore::testing {

PrivateBpffs::PrivateBpffs() {
  const char* temporary = std::getenv("TEST_TMPDIR");
  std::string pattern = temporary != nullptr ? temporary : "/tmp";
  pattern += "/bpffs_XXXXXX";
  if (::unshare(CLONE_NEWNS) != 0 ||
      // Or the mount would spread to the namespace we came from.
      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mkdtemp(pattern.data()) == nullptr) {
    ADD_FAILURE() << "private bpffs: " << std::strerror(errno);
    return;
  }
  root_ = pattern;
  if (::mount("bpffs", root_.c_str(), "bpf", 0, "mode=0700") != 0) {
    ADD_FAILURE() << "private bpffs at " << root_ << ": "
                  << std::strerror(errno);
  }
}

PrivateBpffs::~PrivateBpffs() {
  if (root_.empty()) return;
  ::umount2(root_.c_str(), MNT_DETACH);
  ::rmdir(root_.c_str());
}

}  // namespace ciliumcore::testing
