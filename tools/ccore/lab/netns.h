// SPDX-License-Identifier: Apache-2.0

// Network namespaces without names: they, and all that is in them, go when the
// last descriptor does, at the latest with the process.

#ifndef CILIUMCORE_TOOLS_CCORE_LAB_NETNS_H_
#define CILIUMCORE_TOOLS_CCORE_LAB_NETNS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/unique_fd.h"

namespace ciliumcore::ccore {

class Netns {
 public:
  // A new one, with its loopback up.
  static absl::StatusOr<Netns> Create();

  int fd() const { return fd_.get(); }
  // By which other programs and libraries of this process can open it.
  std::string path() const;

  // Runs `work` in it, on a thread of its own. Sockets stay in the namespace
  // that they were made in.
  absl::Status Run(const std::function<absl::Status()>& work) const;

  // Runs commands of ip(8) in it, one a line, without the leading "ip". The
  // error has what ip said.
  absl::Status Ip(const std::vector<std::string>& commands) const;

  // Writes a file below /proc/sys.
  absl::Status Sysctl(const std::string& name, const std::string& value) const;

 private:
  explicit Netns(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_LAB_NETNS_H_
