// SPDX-License-Identifier: Apache-2.0

// The prebuilt programs, loaded; and their attachments.

#ifndef CILIUMCORE_LIB_DATAPATH_PROGRAM_SET_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_PROGRAM_SET_INTERNAL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/datapath/options.h"
#include "lib/datapath/bpf_objects_internal.h"
#include "lib/datapath/pins_internal.h"

namespace ciliumcore::internal {

// The two programs on an interface. Closing detaches them. Where the kernel has
// no tcx, they are filters of a clsact qdisc, which outlive a killed process.
class Attachment {
 public:
  explicit Attachment(uint32_t ifindex) : ifindex_(ifindex) {}
  virtual ~Attachment() = default;

  uint32_t ifindex() const { return ifindex_; }

  // Puts our programs in place of those of an earlier process, in one step
  // each, if the links are such a process's. Otherwise does nothing.
  virtual absl::Status TakeOver() { return absl::OkStatus(); }

  // Closing leaves pinned links attached; this ends them too.
  virtual void Unpin() {}

 private:
  const uint32_t ifindex_;
};

class ProgramSet {
 public:
  // Loads the programs with maps and configuration as `options` say. With
  // `pins` (which outlive the programs), what `reuse` says of an earlier
  // process goes on, and links are pinned.
  static absl::StatusOr<std::unique_ptr<ProgramSet>> Load(
      const DatapathOptions& options, Pins* pins, Reuse reuse);

  // As the function of this name, for the maps of these programs.
  static absl::StatusOr<bool> HasSameRoom(const DatapathOptions& options,
                                          const Pins& pins);
  // Mixes what makes the programs into `hash`.
  static uint64_t HashBuild(uint64_t hash);
  virtual ~ProgramSet() = default;

  virtual const BpfObject& object() const = 0;

  // Attaches to an interface of the calling thread's namespace, or finds the
  // links that an earlier process left there.
  virtual absl::StatusOr<std::unique_ptr<Attachment>> Attach(
      const std::string& name, uint32_t ifindex) = 0;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_PROGRAM_SET_INTERNAL_H_
