// SPDX-License-Identifier: Apache-2.0

// The programs of services: on the sockets of a cgroup.

#ifndef CILIUMCORE_LIB_DATAPATH_SOCK_PROGRAMS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_SOCK_PROGRAMS_INTERNAL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/datapath/options.h"
#include "lib/datapath/bpf_objects_internal.h"
#include "lib/datapath/pins_internal.h"
#include "lib/datapath/program_set_internal.h"

namespace ciliumcore::internal {

// Destroying detaches them, unless the links are pinned.
class SockPrograms {
 public:
  // Loads them with the maps that they share with `programs`; `options.cgroup`
  // is set. NotFound or InvalidArgument if that is no cgroup of version 2.
  // `pins` and `reuse` as ProgramSet's: what sockets remember is of what is
  // under way.
  static absl::StatusOr<std::unique_ptr<SockPrograms>> Load(
      const DatapathOptions& options, const ProgramSet& programs,
      const Pins* pins, Reuse reuse);

  // As ProgramSet's.
  static absl::StatusOr<bool> HasSameRoom(const DatapathOptions& options,
                                          const Pins& pins);
  static uint64_t HashBuild(uint64_t hash);
  const BpfObject& object() const { return object_; }

  // Attaches to the cgroup, or finds the links of an earlier process. Does
  // nothing the second time.
  absl::Status Attach();

  // As Attachment's.
  absl::Status TakeOver();

 private:
  // A program and where it goes.
  using Hook = std::pair<std::string, bpf_attach_type>;

  SockPrograms(BpfObject object, std::vector<Hook> hooks, UniqueFd cgroup,
               const Pins* pins)
      : object_(std::move(object)),
        hooks_(std::move(hooks)),
        cgroup_(std::move(cgroup)),
        pins_(pins) {}

  const BpfObject object_;
  const std::vector<Hook> hooks_;
  const UniqueFd cgroup_;
  const Pins* const pins_;
  std::vector<AttachedLink> links_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_SOCK_PROGRAMS_INTERNAL_H_
