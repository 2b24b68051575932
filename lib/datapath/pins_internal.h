// SPDX-License-Identifier: Apache-2.0

// The pins of an instance, and the lock by which it has one writer.
//
//   <bpffs>/ciliumcore/<name>/state/maps/<map>
//   <bpffs>/ciliumcore/<name>/state/programs/<program>
//   <bpffs>/ciliumcore/<name>/links/from:<interface>, to:<interface>
//   <bpffs>/ciliumcore/<name>/links/sock:<program>
//
// `state` is replaced as a whole: its maps and programs are of one process.

#ifndef CILIUMCORE_LIB_DATAPATH_PINS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_PINS_INTERNAL_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/base/unique_fd.h"

namespace ciliumcore::internal {

// The process that holds an exclusive flock on the open file, as /proc/locks
// tells; nothing if none does, or none that is seen from here.
std::optional<int> LockHolder(int fd);

class Pins {
 public:
  // Makes the directories and takes the lock. FailedPrecondition if `bpffs` is
  // no bpf file system, or another process holds the lock: its pid is in the
  // message.
  static absl::StatusOr<std::unique_ptr<Pins>> Open(const std::string& bpffs,
                                                    const std::string& name);

  std::string MapPath(absl::string_view map) const {
    return MapPathIn(StatePath(), map);
  }
  std::string ProgramPath(absl::string_view program) const {
    return ProgramPathIn(StatePath(), program);
  }
  static std::string MapPathIn(absl::string_view state, absl::string_view map) {
    return absl::StrCat(state, "/maps/", map);
  }
  static std::string ProgramPathIn(absl::string_view state,
                                   absl::string_view program) {
    return absl::StrCat(state, "/programs/", program);
  }

  // Whether an earlier process left a state.
  bool HasState() const;
  // Makes the state what `pin` pins in the directory that it is given, at once.
  absl::Status ReplaceState(
      absl::FunctionRef<absl::Status(const std::string& state)> pin);

  // Where an instance has its map, for who does not write it.
  static std::string PinnedMapPath(const std::string& bpffs,
                                   const std::string& name,
                                   const std::string& map) {
    return MapPathIn(absl::StrCat(bpffs, "/ciliumcore/", name, "/state"), map);
  }
  // `program`: "from" or "to".
  std::string LinkPath(const std::string& interface, const char* program) const;

  std::string SockLinkPath(const char* program) const {
    return directory_ + "/links/" + kSock + program;
  }

  // What is pinned there, or an invalid descriptor.
  static UniqueFd Get(const std::string& path);
  // Pins `fd` where nothing is.
  static absl::Status Put(int fd, const std::string& path);
  // Pins `fd`, in place of what was there.
  static absl::Status Replace(int fd, const std::string& path);
  static void Remove(const std::string& path);

  // Calls `visit` with each pinned link, which stays ours.
  void ForEachLink(absl::FunctionRef<void(int link)> visit) const;

  // Removes the pins of an interface's links.
  void RemoveLinks(const std::string& interface) const {
    for (const char* program : {"from", "to"})
      Remove(LinkPath(interface, program));
  }

  // Detaches the socket programs of an earlier process.
  void RemoveSockLinks();

  // Removes everything, the directories too.
  void RemoveAll();

 private:
  Pins(std::string directory, UniqueFd lock)
      : directory_(std::move(directory)), lock_(std::move(lock)) {}

  std::string StatePath() const { return directory_ + "/state"; }

  static constexpr char kSock[] = "sock:";
  std::string directory_;
  UniqueFd lock_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_PINS_INTERNAL_H_
