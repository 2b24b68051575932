// SPDX-License-Identifier: Apache-2.0

#include "tests/support/private_netns.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace ciliumcore::testing {

PrivateNetns::PrivateNetns() {
  before_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (before_ < 0 || ::unshare(CLONE_NEWNET) != 0) {
    ADD_FAILURE() << "network namespace: " << std::strerror(errno);
    return;
  }
  Ip("link set lo up");
}

PrivateNetns::~PrivateNetns() {
  if (before_ < 0) return;
  if (::setns(before_, CLONE_NEWNET) != 0) {
    ADD_FAILURE() << "back to the namespace: " << std::strerror(errno);
  }
  ::close(before_);
}

void PrivateNetns::AddVeth(const std::string& name, uint32_t ifindex) {
  Ip("link add " + name + " index " + std::to_string(ifindex) +
     " type veth peer name " + name + "p");
  Ip("link set " + name + " up");
  Ip("link set " + name + "p up");
}

void PrivateNetns::Ip(const std::string& arguments) {
  const std::string command = "ip " + arguments;
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

void PrivateNetns::Sysctl(const std::string& name, const std::string& value) {
  std::ofstream file("/proc/sys/net/" + name);
  file << value << std::flush;
  EXPECT_TRUE(file.good()) << name;
}

}  // namespace ciliumcore::testing
