// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/net/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

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

// A mount of it that nobody else sees, and that ends with its descriptor.
absl::StatusOr<UniqueFd> MountForUs() {
  const UniqueFd context(
      static_cast<int>(syscall(SYS_fsopen, "cgroup2", FSOPEN_CLOEXEC)));
  if (context.get() < 0 && (errno == ENODEV || errno == ENOSYS)) {
    return absl::UnimplementedError("the kernel has no cgroups of version 2");
  }
  UniqueFd mount;
  if (context.get() >= 0 &&
      syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr,
              nullptr, 0) == 0) {
    mount = UniqueFd(static_cast<int>(
        syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
  }
  if (mount.get() < 0)
    return absl::ErrnoToStatus(errno, "mounting cgroups of version 2");
  return mount;
}

// The process's own cgroup in it, from "0::/path".
std::string OwnCgroup() {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (absl::StartsWith(line, "0::")) return line.substr(3);
  }
  return "/";
}

// Where cgroups are, and which one the process is in.
struct Hierarchy {
  std::string root, home;
  UniqueFd mount;  // that keeps it, if others did not mount it
};

absl::StatusOr<Hierarchy> FindHierarchy() {
  Hierarchy found = {.root = MountedHierarchy(), .home = "", .mount = {}};
  if (found.root.empty()) {
    absl::StatusOr<UniqueFd> ours = MountForUs();
    if (!ours.ok()) return ours.status();
    found.mount = *std::move(ours);
    found.root = absl::StrCat("/proc/self/fd/", found.mount.get());
  }
  found.home = found.root + OwnCgroup();
  while (found.home.size() > 1 && found.home.back() == '/')
    found.home.pop_back();
  return found;
}

absl::Status MoveTo(const std::string& cgroup) {
  errno = 0;
  std::ofstream procs(cgroup + "/cgroup.procs");
  procs << getpid() << std::flush;
  if (procs.good()) return absl::OkStatus();
  return absl::ErrnoToStatus(errno == 0 ? EIO : errno,
                             absl::StrCat("moving into cgroup ", cgroup));
}

// Removes what processes that were killed left in `home`: empty cgroups
// "<prefix>-<pid>".
void Sweep(const std::string& home, const std::string& prefix) {
  DIR* directory = opendir(home.c_str());
  if (directory == nullptr) return;
  while (const dirent* entry = readdir(directory)) {
    absl::string_view pid = entry->d_name;
    int number = 0;
    if (absl::ConsumePrefix(&pid, prefix + "-") &&
        absl::SimpleAtoi(pid, &number) && kill(number, 0) != 0 &&
        errno == ESRCH) {
      rmdir(absl::StrCat(home, "/", entry->d_name).c_str());
    }
  }
  closedir(directory);
}

}  // namespace

absl::StatusOr<Cgroup> Cgroup::Create(const std::string& prefix) {
  absl::StatusOr<Hierarchy> hierarchy = FindHierarchy();
  if (!hierarchy.ok()) return hierarchy.status();
  std::string& home = hierarchy->home;
  Sweep(home, prefix);
  std::string path = absl::StrCat(home, "/", prefix, "-", getpid());
  if (mkdir(path.c_str(), 0755) != 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("cgroup ", path));
  return Cgroup(std::move(home), std::move(path), std::move(hierarchy->mount),
                /*is_kept=*/false);
}

absl::StatusOr<Cgroup> Cgroup::Keep(const std::string& name) {
  absl::StatusOr<Hierarchy> hierarchy = FindHierarchy();
  if (!hierarchy.ok()) return hierarchy.status();
  std::string path = absl::StrCat(hierarchy->root, "/", name);
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
    return absl::ErrnoToStatus(errno, absl::StrCat("cgroup ", path));
  return Cgroup(std::move(hierarchy->home), std::move(path),
                std::move(hierarchy->mount), /*is_kept=*/true);
}

Cgroup::Cgroup(Cgroup&& other) noexcept
    : home_(std::move(other.home_)),
      path_(std::exchange(other.path_, "")),
      mount_(std::move(other.mount_)),
      is_kept_(other.is_kept_),
      entered_(std::exchange(other.entered_, false)) {}

Cgroup& Cgroup::operator=(Cgroup&& other) noexcept {
  std::swap(home_, other.home_);
  std::swap(path_, other.path_);
  std::swap(mount_, other.mount_);
  std::swap(is_kept_, other.is_kept_);
  std::swap(entered_, other.entered_);
  return *this;
}

Cgroup::~Cgroup() {
  if (path_.empty()) return;
  if (entered_) Leave().IgnoreError();
  if (!is_kept_) rmdir(path_.c_str());
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

absl::StatusOr<std::vector<int>> Cgroup::Processes() const {
  errno = 0;
  std::ifstream procs(path_ + "/cgroup.procs");
  if (!procs.is_open()) {
    return absl::ErrnoToStatus(errno == 0 ? EIO : errno,
                               absl::StrCat("cgroup ", path_));
  }
  std::vector<int> processes;
  for (int pid = 0; procs >> pid;) processes.push_back(pid);
  return processes;
}

absl::Status Cgroup::Remove() {
  if (rmdir(path_.c_str()) == 0 || errno == ENOENT) {
    path_.clear();
    return absl::OkStatus();
  }
  const std::string subject = absl::StrCat("cgroup ", path_);
  if (errno != EBUSY) return absl::ErrnoToStatus(errno, subject);
  return absl::FailedPreconditionError(
      absl::StrCat(subject, ": there are processes in it"));
}

}  // namespace ciliumcore
