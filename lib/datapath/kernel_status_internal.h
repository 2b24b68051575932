// SPDX-License-Identifier: Apache-2.0

// What the kernel says of programs and links.

#ifndef CILIUMCORE_LIB_DATAPATH_KERNEL_STATUS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_KERNEL_STATUS_INTERNAL_H_

#include <bpf/libbpf.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ciliumcore/datapath/inspect.h"

namespace ciliumcore::internal {

// A program and the maps that it uses.
struct KernelProgram {
  ProgramStatus status;
  std::vector<uint32_t> maps;
};

// NotFound if there is no such program any more.
absl::StatusOr<KernelProgram> FindProgram(uint32_t id);

// What is pinned at `path`, whose last part says what it was made for.
absl::StatusOr<LinkStatus> FindLink(const std::string& path);

// True if the link's interface is one of the calling thread's namespace: if
// that of its number there has its program.
bool IsOnInterface(const LinkStatus& tcx);

// The filters of the datapath's kind on an interface of the calling thread's
// namespace.
std::vector<LinkStatus> FindFilters(uint32_t ifindex,
                                    const std::string& interface);

// The epoch in a cc_state, if the map is one.
std::optional<uint32_t> EpochOfMap(uint32_t id);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_KERNEL_STATUS_INTERNAL_H_
