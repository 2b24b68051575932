// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/pins_internal.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {
namespace {

absl::Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST)
    return absl::OkStatus();
  return absl::ErrnoToStatus(errno, path);
}

// Calls `visit` with the path of each file whose name begins with `prefix`.
template <typename Visit>
void ForEachFile(const std::string& directory, absl::string_view prefix,
                 Visit visit) {
  DIR* open_directory = opendir(directory.c_str());
  if (open_directory == nullptr) return;
  while (const dirent* entry = readdir(open_directory)) {
    if (entry->d_name[0] != '.' && absl::StartsWith(entry->d_name, prefix))
      visit(absl::StrCat(directory, "/", entry->d_name));
  }
  closedir(open_directory);
}

void RemoveFiles(const std::string& directory, absl::string_view prefix = "") {
  ForEachFile(directory, prefix, Pins::Remove);
  if (prefix.empty()) rmdir(directory.c_str());
}

void RemoveState(const std::string& state) {
  RemoveFiles(state + "/maps");
  RemoveFiles(state + "/programs");
  rmdir(state.c_str());
}

std::string HolderOf(int fd) {
  const std::optional<int> holder = LockHolder(fd);
  return holder.has_value() ? absl::StrCat("process ", *holder)
                            : "another process";
}

}  // namespace

std::optional<int> LockHolder(int fd) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) return std::nullopt;
  const std::string file = absl::StrFormat("%02x:%02x:%d", major(status.st_dev),
                                           minor(status.st_dev), status.st_ino);
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    const std::vector<std::string> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    // "1: FLOCK  ADVISORY  WRITE 4711 00:1b:12 0 EOF"
    int pid = 0;
    if (words.size() >= 6 && words[1] == "FLOCK" && words[3] == "WRITE" &&
        words[5] == file && absl::SimpleAtoi(words[4], &pid)) {
      return pid;
    }
  }
  return std::nullopt;
}

absl::StatusOr<std::unique_ptr<Pins>> Pins::Open(const std::string& bpffs,
                                                 const std::string& name) {
  struct statfs status = {};
  if (statfs(bpffs.c_str(), &status) != 0)
    return absl::ErrnoToStatus(errno, bpffs);
  if (static_cast<unsigned long>(status.f_type) != BPF_FS_MAGIC) {
    return absl::FailedPreconditionError(absl::StrCat(
        bpffs, ": expected a bpf file system; mount one: mount -t bpf bpf ",
        bpffs));
  }
  const std::string directory = absl::StrCat(bpffs, "/ciliumcore/", name);
  for (const std::string& path :
       {absl::StrCat(bpffs, "/ciliumcore"), directory, directory + "/links"}) {
    if (absl::Status made = MakeDirectory(path); !made.ok()) return made;
  }
  UniqueFd lock(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.get() < 0) return absl::ErrnoToStatus(errno, directory);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "instance ", name, ": ", HolderOf(lock.get()), " writes it"));
  }
  return std::unique_ptr<Pins>(new Pins(directory, std::move(lock)));
}

// A bpffs takes no dots; interfaces do.
std::string Pins::LinkPath(const std::string& interface,
                           const char* program) const {
  return absl::StrCat(
      directory_, "/links/", program, ":",
      absl::StrReplaceAll(interface, {{"%", "%25"}, {".", "%2e"}}));
}

UniqueFd Pins::Get(const std::string& path) {
  return UniqueFd(bpf_obj_get(path.c_str()));
}

bool Pins::HasState() const { return access(StatePath().c_str(), F_OK) == 0; }

absl::Status Pins::ReplaceState(
    absl::FunctionRef<absl::Status(const std::string& state)> pin) {
  const std::string state = StatePath(), fresh = state + "+new";
  RemoveState(fresh);
  for (const std::string& path :
       {fresh, fresh + "/maps", fresh + "/programs"}) {
    CC_RETURN_IF_ERROR(MakeDirectory(path));
  }
  absl::Status done = pin(fresh);
  if (done.ok()) {
    const int flags = HasState() ? RENAME_EXCHANGE : RENAME_NOREPLACE;
    if (renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, state.c_str(), flags) != 0)
      done = absl::ErrnoToStatus(errno, state);
  }
  RemoveState(fresh);  // the old one, or what could not be finished
  return done;
}

absl::Status Pins::Put(int fd, const std::string& path) {
  if (bpf_obj_pin(fd, path.c_str()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, path);
}

// A reader finds the old or the new, never nothing.
absl::Status Pins::Replace(int fd, const std::string& path) {
  const std::string fresh = path + "+new";
  unlink(fresh.c_str());
  if (bpf_obj_pin(fd, fresh.c_str()) != 0)
    return absl::ErrnoToStatus(errno, fresh);
  if (rename(fresh.c_str(), path.c_str()) == 0) return absl::OkStatus();
  const int error = errno;
  unlink(fresh.c_str());
  return absl::ErrnoToStatus(error, path);
}

void Pins::Remove(const std::string& path) { unlink(path.c_str()); }

void Pins::ForEachLink(absl::FunctionRef<void(int link)> visit) const {
  ForEachFile(directory_ + "/links", "", [&](const std::string& path) {
    const UniqueFd link = Get(path);
    if (link.valid()) visit(link.get());
  });
}

void Pins::RemoveSockLinks() { RemoveFiles(directory_ + "/links", kSock); }

void Pins::RemoveAll() {
  RemoveFiles(directory_ + "/links");  // detaches
  RemoveState(StatePath());
  RemoveState(StatePath() + "+new");
  rmdir(directory_.c_str());
}

}  // namespace ciliumcore::internal
