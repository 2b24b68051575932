// SPDX-License-Identifier: Apache-2.0

// What every loaded object has: maps to share and to pin, links to take over.

#ifndef CILIUMCORE_LIB_DATAPATH_BPF_OBJECTS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_BPF_OBJECTS_INTERNAL_H_

#include <bpf/libbpf.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/unique_fd.h"
#include "lib/datapath/pins_internal.h"

namespace ciliumcore::internal {

// A new descriptor of the object's map of that name.
absl::StatusOr<UniqueFd> CopyMapFd(const bpf_object* object, const char* name);

// Pins every map, in place of those of an earlier process.
absl::Status PinAllMaps(const bpf_object* object, const Pins& pins);

// A program on a hook. The kernel detaches it when nothing holds the link.
struct AttachedLink {
  UniqueFd fd;
  int program = -1;
  std::string pin;          // empty: not pinned
  bool is_adopted = false;  // an earlier process made it, for its own program

  // Attaches `program` to `target`; or adopts the link pinned at `pin`, if that
  // is not empty and `is_same` says that it is on this hook.
  static absl::StatusOr<AttachedLink> Make(
      int program, int target, bpf_attach_type type, std::string pin,
      const std::function<bool(int link)>& is_same);

  // Puts our program in place of an earlier process's, in one step.
  absl::Status TakeOver();
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_BPF_OBJECTS_INTERNAL_H_
