// SPDX-License-Identifier: Apache-2.0

// NetNs: a network namespace, held by a descriptor and not by a name, so that
// what is made in it cannot outlive the process, however that ends.

#ifndef CILIUMCORE_NET_NETNS_H_
#define CILIUMCORE_NET_NETNS_H_

#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/base/unique_fd.h"

namespace ciliumcore {

// Owns one descriptor of the namespace. The kernel removes a namespace, with
// its links, routes and programs, when no descriptor, socket or thread is left
// in it. Move-only; thread-safe, but for moves.
class NetNs {
 public:
  // A new namespace with its loopback up, which nobody else can find by name.
  // PermissionDenied without CAP_SYS_ADMIN.
  static absl::StatusOr<NetNs> Create();

  // The one that the calling thread is in.
  static absl::StatusOr<NetNs> Current();

  // The one at a path: /run/netns/NAME, /proc/PID/ns/net. NotFound or another
  // code of open(2), naming the path; InvalidArgument if it is no network
  // namespace.
  static absl::StatusOr<NetNs> Open(absl::string_view path);

  int fd() const { return fd_.get(); }

  // Where this process, and others while this object lives, can open it.
  std::string path() const;

  // Runs `work` in the namespace and returns what it returns. The caller stays
  // where it is, whatever happens: `work` runs on a thread of its own (about
  // 30 us). Sockets that it makes stay in this namespace.
  absl::Status Run(absl::FunctionRef<absl::Status()> work) const;

  // Moves the calling thread into the namespace, for threads that visit many.
  // PermissionDenied without CAP_SYS_ADMIN.
  absl::Status Enter() const;

  // Reads or writes a setting by its path below /proc/sys/, such as
  // "net/ipv4/ip_forward". NotFound if this kernel has no such setting;
  // InvalidArgument if it refuses the value.
  absl::Status WriteSysctl(absl::string_view name,
                           absl::string_view value) const;
  absl::StatusOr<std::string> ReadSysctl(absl::string_view name) const;

 private:
  explicit NetNs(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_NET_NETNS_H_
