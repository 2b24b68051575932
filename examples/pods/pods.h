// SPDX-License-Identifier: Apache-2.0

// What the examples need of a node: pods as network namespaces without names,
// which the kernel removes with the process.

#ifndef CILIUMCORE_EXAMPLES_PODS_PODS_H_
#define CILIUMCORE_EXAMPLES_PODS_PODS_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/ciliumcore.h"
#include "ciliumcore/net/netlink.h"
#include "ciliumcore/net/netns.h"

namespace ciliumcore::examples {

// A node of its own, in which the calling thread is from then on.
class Node {
 public:
  static absl::StatusOr<Node> Create();

  // A pod behind the interface "veth-<name>".
  absl::Status AddPod(const std::string& name, const IpAddress& address);
  // What a datapath is told of it.
  EndpointOptions Endpoint(const std::string& name);

  // Accepts TCP connections to that port of the pod from now on.
  absl::Status Listen(const std::string& pod, uint16_t port);
  // Connects from the pod; whom it reached, or why it did not.
  absl::StatusOr<IpAddress> Connect(const std::string& pod, const IpAddress& to,
                                    uint16_t port);

 private:
  struct Pod {
    NetNs netns;
    IpAddress address;
    IdentityRef identity;
    UniqueFd listener = {};
  };
  explicit Node(NetNs netns) : netns_(std::move(netns)) {}

  NetNs netns_;
  IdentityAllocator identities_;
  std::map<std::string, Pod> pods_;
};

}  // namespace ciliumcore::examples

#endif  // CILIUMCORE_EXAMPLES_PODS_PODS_H_
