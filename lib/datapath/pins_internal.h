// SPDX-License-Identifier: Apache-2.0

// The pins of an instance, and the lock by which it has one writer.
//
//   <bpffs>/ciliumcore/<name>/maps/<map>
//   <bpffs>/ciliumcore/<name>/links/from:<interface>, to:<interface>
//   <bpffs>/ciliumcore/<name>/links/sock:<program>

#ifndef CILIUMCORE_LIB_DATAPATH_PINS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_PINS_INTERNAL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/unique_fd.h"

namespace ciliumcore::internal {

class Pins {
 public:
  // Makes the directories and takes the lock. FailedPrecondition if `bpffs` is
  // no bpf file system, or another process holds the lock: its pid is in the
  // message.
  static absl::StatusOr<std::unique_ptr<Pins>> Open(const std::string& bpffs,
                                                    const std::string& name);

  std::string MapPath(const std::string& map) const {
    return directory_ + "/maps/" + map;
  }
  // Where an instance has its map, for who does not write it.
  static std::string PinnedMapPath(const std::string& bpffs,
                                   const std::string& name,
                                   const std::string& map) {
    return bpffs + "/ciliumcore/" + name + "/maps/" + map;
  }
  // `program`: "from" or "to".
  std::string LinkPath(const std::string& interface, const char* program) const;

  std::string SockLinkPath(const char* program) const {
    return directory_ + "/links/" + kSock + program;
  }

  // What is pinned there, or an invalid descriptor.
  static UniqueFd Get(const std::string& path);
  // Pins `fd`, in place of what was there.
  static absl::Status Replace(int fd, const std::string& path);
  static void Remove(const std::string& path);

  // Detaches the socket programs of an earlier process.
  void RemoveSockLinks();

  // Removes everything, the directories too.
  void RemoveAll();

 private:
  Pins(std::string directory, UniqueFd lock)
      : directory_(std::move(directory)), lock_(std::move(lock)) {}

  static constexpr char kSock[] = "sock:";
  std::string directory_;
  UniqueFd lock_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_PINS_INTERNAL_H_
