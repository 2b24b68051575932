// SPDX-License-Identifier: Apache-2.0

// A network namespace of the test's own, so that nothing it makes is seen
// outside or outlives it, not even if it is killed.

#ifndef CILIUMCORE_TESTS_SUPPORT_PRIVATE_NETNS_H_
#define CILIUMCORE_TESTS_SUPPORT_PRIVATE_NETNS_H_

#include <cstdint>
#include <string>

namespace ciliumcore::testing {

// Moves the calling thread into a new network namespace, with its loopback up,
// and back when destroyed. Fails the running test if it cannot.
class PrivateNetns {
 public:
  PrivateNetns();
  ~PrivateNetns();
  PrivateNetns(const PrivateNetns&) = delete;
  PrivateNetns& operator=(const PrivateNetns&) = delete;

  // A veth named `name` with this ifindex, up; its peer is `name`p.
  void AddVeth(const std::string& name, uint32_t ifindex);
  // Runs "ip ARGUMENTS" there.
  void Ip(const std::string& arguments);
  // Writes a file below /proc/sys/net.
  void Sysctl(const std::string& name, const std::string& value);

 private:
  int before_ = -1;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_SUPPORT_PRIVATE_NETNS_H_
