// SPDX-License-Identifier: Apache-2.0

// What every loaded object has: maps to share and to pin, links to take over.

#ifndef CILIUMCORE_LIB_DATAPATH_BPF_OBJECTS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_BPF_OBJECTS_INTERNAL_H_

#include <bpf/libbpf.h>

#include <functional>
#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/base/unique_fd.h"
#include "lib/datapath/pins_internal.h"

namespace ciliumcore::internal {

// What an object takes of an earlier process.
enum class Reuse {
  kNothing,
  kConnections,  // maps of what is under way, where they are of its kind
  kMaps,         // every map
  kAll,          // its programs too
};

// The maps and programs of an object in the kernel.
class BpfObject {
 public:
  // Loads `object`, or finds all of it pinned if `reuse` is kAll. Its maps have
  // been prepared by ReuseMaps. `object` may go afterwards.
  static absl::StatusOr<BpfObject> Load(bpf_object* object, const Pins* pins,
                                        Reuse reuse);

  // Of the pinned programs that have the names of these.
  std::set<uint32_t> PinnedProgramIds(const Pins& pins) const;

  // -1 if there is none.
  int program(absl::string_view name) const;
  // A new descriptor of the map of that name.
  absl::StatusOr<UniqueFd> MapFd(absl::string_view name) const;

  // Pins every map and every program in the directory `state`; those that are
  // there already are another object's too.
  absl::Status Pin(const std::string& state) const;
  // Pins the programs in place of those that are pinned.
  absl::Status ReplacePrograms(const Pins& pins) const;

 private:
  std::map<std::string, UniqueFd, std::less<>> maps_, programs_;
};

// Whether every map of `object`, which is not loaded yet, is pinned with the
// room that it wants. FailedPrecondition, with every difference, if one is of
// another kind or is missing.
absl::StatusOr<bool> HasSameRoom(const bpf_object* object, const Pins& pins);

// FNV-1a, so that equal bytes have equal hashes in every process.
uint64_t HashBytes(uint64_t hash, const void* bytes, size_t count);
inline constexpr uint64_t kHashBegin = 0xcbf29ce484222325;

// Makes `object` use the pinned maps instead of new ones.
absl::Status ReuseMaps(bpf_object* object, const Pins& pins);

// A program on a hook. The kernel detaches it when nothing holds the link.
struct AttachedLink {
  UniqueFd fd;
  int program = -1;
  std::string pin;          // empty: not pinned
  bool is_adopted = false;  // an earlier process made it

  // Attaches `program` to `target`; or adopts the link pinned at `pin`, if that
  // is not empty and `is_same` says that it is on this hook.
  static absl::StatusOr<AttachedLink> Make(
      int program, int target, bpf_attach_type type, std::string pin,
      const std::function<bool(int link)>& is_same);

  // Puts our program in place of an earlier process's, in one step; does
  // nothing if they are one.
  absl::Status TakeOver();
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_BPF_OBJECTS_INTERNAL_H_
