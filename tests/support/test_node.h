// SPDX-License-Identifier: Apache-2.0

// A node with pods for one test: network namespaces without names, joined by
// veth pairs. The kernel removes all of it with the test's process.

#ifndef CILIUMCORE_TESTS_SUPPORT_TEST_NODE_H_
#define CILIUMCORE_TESTS_SUPPORT_TEST_NODE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/base/unique_fd.h"

namespace ciliumcore::testing {

// Runs `work` in a network namespace, on a thread of its own.
void RunInNetns(int netns, const std::function<void()>& work);

// The calling thread's namespace becomes the node's, with forwarding on.
class TestNode {
 public:
  TestNode();

  // A namespace `name` behind the interface "veth-<name>", with a default route
  // through it. The node has routes to the addresses.
  void AddPod(const std::string& name, const std::string& v4,
              const std::string& v6 = "");

  // A namespace outside, behind "up-<name>", without programs.
  void AddOutside(const std::string& name, const std::string& v4,
                  const std::string& gateway);

  int netns(const std::string& name) const {
    return namespaces_.at(name).get();
  }

 private:
  UniqueFd NewNetns();
  std::map<std::string, UniqueFd> namespaces_;
};

// A socket bound to an address of a namespace; connected or listening.
class TestSocket {
 public:
  static TestSocket Listen(int netns, const IpAddress& address,
                           PortProtocol port);
  // Waits up to `milliseconds`; `connected()` says whether it worked. UDP:
  // sent.
  static TestSocket Connect(int netns, const IpAddress& from,
                            const IpAddress& to, PortProtocol port,
                            int milliseconds = 500);
  // The next connection of a listener.
  TestSocket Accept(int milliseconds = 500);

  bool connected() const { return connected_; }
  // Waits for `text`.
  bool Receives(const std::string& text, int milliseconds = 500);
  // Sends `text` and waits for it at `other`.
  bool Reaches(TestSocket& other, const std::string& text,
               int milliseconds = 500);
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  bool connected_ = false;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_SUPPORT_TEST_NODE_H_
