// SPDX-License-Identifier: Apache-2.0

// The programs of services: on the sockets of a cgroup.

#ifndef CILIUMCORE_LIB_DATAPATH_SOCK_PROGRAMS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_SOCK_PROGRAMS_INTERNAL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/datapath/options.h"
#include "lib/datapath/bpf_objects_internal.h"
#include "lib/datapath/pins_internal.h"
#include "lib/datapath/program_set_internal.h"

struct sock;  // the skeleton

namespace ciliumcore::internal {

// Destroying detaches them, unless the links are pinned.
class SockPrograms {
 public:
  // Loads them with the maps that they share with `programs`; `options.cgroup`
  // is set. NotFound or InvalidArgument if that is no cgroup of version 2. With
  // `pins` (which outlive this), what sockets remember goes on.
  static absl::StatusOr<std::unique_ptr<SockPrograms>> Load(
      const DatapathOptions& options, const ProgramSet& programs,
      const Pins* pins);
  ~SockPrograms();

  absl::StatusOr<UniqueFd> MapFd(const char* name) const;

  // Attaches to the cgroup, or finds the links of an earlier process. Does
  // nothing the second time.
  absl::Status Attach();

  // As Attachment's and ProgramSet's.
  absl::Status TakeOver();
  absl::Status PinMaps();

 private:
  SockPrograms(sock* skeleton, UniqueFd cgroup, const Pins* pins)
      : skeleton_(skeleton), cgroup_(std::move(cgroup)), pins_(pins) {}

  sock* const skeleton_;
  const UniqueFd cgroup_;
  const Pins* const pins_;
  std::vector<AttachedLink> links_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_SOCK_PROGRAMS_INTERNAL_H_
