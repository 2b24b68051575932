// SPDX-License-Identifier: Apache-2.0

// Doing things in another network namespace, and asking the kernel about links.

#ifndef CILIUMCORE_LIB_DATAPATH_NETNS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_NETNS_INTERNAL_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/unique_fd.h"

namespace ciliumcore::internal {

// A network namespace; the caller's own if it was opened from an empty path.
class Netns {
 public:
  // NotFound or InvalidArgument, with the path, if it names no namespace.
  static absl::StatusOr<Netns> Open(const std::string& path);

  // Runs `work` in the namespace, on another thread where that is needed.
  absl::Status Run(const std::function<absl::Status()>& work) const;

 private:
  explicit Netns(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

struct LinkInfo {
  uint32_t ifindex = 0;
  std::array<uint8_t, 6> mac = {};
  std::optional<std::array<uint8_t, 6>>
      peer_mac;          // of a pair's other end, if it can be seen
  bool is_pair = false;  // veth or netkit
};

// In the calling thread's namespace. NotFound: "interface veth-web: not found".
absl::StatusOr<LinkInfo> FindLink(const std::string& name);
absl::StatusOr<std::vector<IpAddress>> ListAddresses();

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_NETNS_INTERNAL_H_
