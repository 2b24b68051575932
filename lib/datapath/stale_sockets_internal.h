// SPDX-License-Identifier: Apache-2.0

// Sockets that are connected to backends that have gone.

#ifndef CILIUMCORE_LIB_DATAPATH_STALE_SOCKETS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_STALE_SOCKETS_INTERNAL_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/net/netns.h"
#include "ciliumcore/service/service.h"
#include "lib/datapath/bpf_objects_internal.h"

namespace ciliumcore::internal {

// Thread-safe.
class StaleSockets {
 public:
  // Whether the frontend has the backend now.
  using IsServed =
      absl::FunctionRef<bool(const Frontend& frontend, const Backend& backend)>;

  // Loads the programs with the maps of `sockets`. Unimplemented if the kernel
  // has no bpf_sock_destroy.
  static absl::StatusOr<StaleSockets> Load(const BpfObject& sockets);

  // Ends those of all namespaces of the processes in the cgroup at that path
  // and below; how many. Processes that end meanwhile are passed over.
  absl::StatusOr<uint64_t> EndOf(const std::string& cgroup,
                                 IsServed is_served) const;

 private:
  StaleSockets(UniqueFd doubt, UniqueFd end, UniqueFd doomed)
      : doubt_(std::move(doubt)),
        end_(std::move(end)),
        doomed_(std::move(doomed)) {}

  absl::StatusOr<uint64_t> EndIn(const NetNs& netns, IsServed is_served) const;

  UniqueFd doubt_, end_;  // links of the iterators
  UniqueFd doomed_;       // the map
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_STALE_SOCKETS_INTERNAL_H_
