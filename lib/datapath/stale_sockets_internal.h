// SPDX-License-Identifier: Apache-2.0

// Sockets that are connected to backends that have gone.

#ifndef CILIUMCORE_LIB_DATAPATH_STALE_SOCKETS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_STALE_SOCKETS_INTERNAL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/net/netns.h"
#include "lib/datapath/bpf_objects_internal.h"

namespace ciliumcore::internal {

// Thread-safe.
class StaleSockets {
 public:
  // Loads the program with the maps of `sockets`. Unimplemented if the kernel
  // has no bpf_sock_destroy.
  static absl::StatusOr<StaleSockets> Load(const BpfObject& sockets);

  // Ends those of a namespace; how many.
  absl::StatusOr<uint64_t> EndIn(const NetNs& netns) const;

  // The same in all namespaces of the processes in the cgroup at that path and
  // below. Processes that end meanwhile are passed over.
  absl::StatusOr<uint64_t> EndOf(const std::string& cgroup) const;

 private:
  explicit StaleSockets(UniqueFd link) : link_(std::move(link)) {}

  UniqueFd link_;  // of the iterator
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_STALE_SOCKETS_INTERNAL_H_
