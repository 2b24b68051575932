// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/net/cgroup.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ciliumcore {
namespace {

// Where the hierarchy of version 2 is mounted; empty if it is nowhere.
std::string MountedHierarchy() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.size() > 2 && words[2] == "cgroup2") return words[1];
  }
  return "";
}

// The process's own cgroup in it, from "0::/path".
std::string OwnCgroup() {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (absl::StartsWith(line, "0::")) return line.substr(3);
  }
  return "/";
}

absl::Status MoveTo(const std::string& cgroup) {
  errno = 0;
  std::ofstream procs(cgroup + "/cgroup.procs");
  procs << getpid() << std::flush;
  if (procs.good()) return absl::OkStatus();
  return absl::ErrnoToStatus(errno == 0 ? EIO : errno,
                             absl::StrCat("moving into cgroup ", cgroup));
}

void Unmount(const std::string& directory) {
  if (directory.empty()) return;
  umount2(directory.c_str(), MNT_DETACH);
  rmdir(directory.c_str());
}

}  // namespace

absl::StatusOr<Cgroup> Cgroup::Create(const std::string& name) {
  std::string root = MountedHierarchy();
  std::string mounted;
  if (root.empty()) {
    char directory[] = "/tmp/ciliumcore-cgroup-XXXXXX";
    if (mkdtemp(directory) == nullptr)
      return absl::ErrnoToStatus(errno, "a directory for cgroups");
    if (mount("none", directory, "cgroup2", 0, nullptr) != 0) {
      const int error = errno;
      rmdir(directory);
      if (error == ENODEV) {
        return absl::UnimplementedError(
            "the kernel has no cgroups of version 2");
      }
      return absl::ErrnoToStatus(error, "mounting cgroups of version 2");
    }
    root = mounted = directory;
  }
  std::string home = root + OwnCgroup();
  while (home.size() > 1 && home.back() == '/') home.pop_back();
  std::string path = absl::StrCat(home, "/", name);
  if (mkdir(path.c_str(), 0755) != 0) {
    const absl::Status failed =
        absl::ErrnoToStatus(errno, absl::StrCat("cgroup ", path));
    Unmount(mounted);
    return failed;
  }
  return Cgroup(std::move(home), std::move(path), std::move(mounted));
}

Cgroup::Cgroup(Cgroup&& other) noexcept
    : home_(std::move(other.home_)),
      path_(std::exchange(other.path_, "")),
      mounted_(std::exchange(other.mounted_, "")),
      entered_(std::exchange(other.entered_, false)) {}

Cgroup& Cgroup::operator=(Cgroup&& other) noexcept {
  std::swap(home_, other.home_);
  std::swap(path_, other.path_);
  std::swap(mounted_, other.mounted_);
  std::swap(entered_, other.entered_);
  return *this;
}

Cgroup::~Cgroup() {
  if (path_.empty()) return;
  if (entered_) Leave().IgnoreError();
  rmdir(path_.c_str());
  Unmount(mounted_);
}

absl::Status Cgroup::Enter() {
  absl::Status moved = MoveTo(path_);
  entered_ = entered_ || moved.ok();
  return moved;
}

absl::Status Cgroup::Leave() {
  absl::Status moved = MoveTo(home_);
  if (moved.ok()) entered_ = false;
  return moved;
}

}  // namespace ciliumcore
