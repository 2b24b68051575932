// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/net/netns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "ciliumcore/net/netlink.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore {
namespace {

constexpr char kOwnNetNs[] = "/proc/thread-self/ns/net";

absl::StatusOr<UniqueFd> OpenFile(const std::string& path, int flags) {
  UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, path);
  return fd;
}

std::string SysctlPath(absl::string_view name) {
  return absl::StrCat("/proc/sys/", name);
}

}  // namespace

absl::StatusOr<NetNs> NetNs::Create() {
  absl::StatusOr<UniqueFd> fd;
  std::thread([&fd] {
    fd = unshare(CLONE_NEWNET) == 0
             ? OpenFile(kOwnNetNs, O_RDONLY)
             : absl::ErrnoToStatus(errno, "creating a network namespace");
  }).join();
  if (!fd.ok()) return fd.status();
  NetNs netns(*std::move(fd));
  CC_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open(netns));
  CC_RETURN_IF_ERROR(netlink.SetUp("lo"));
  return netns;
}

absl::StatusOr<NetNs> NetNs::Current() {
  CC_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(kOwnNetNs, O_RDONLY));
  return NetNs(std::move(fd));
}

absl::StatusOr<NetNs> NetNs::Open(absl::string_view path) {
  const std::string subject = absl::StrCat("network namespace ", path);
  UniqueFd fd(open(std::string(path).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, subject);
  if (ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    return absl::InvalidArgumentError(
        absl::StrCat(subject, ": it is something else"));
  }
  return NetNs(std::move(fd));
}

std::string NetNs::path() const {
  return absl::StrCat("/proc/", getpid(), "/fd/", fd());
}

absl::Status NetNs::Run(absl::FunctionRef<absl::Status()> work) const {
  absl::Status result;
  std::thread([&] {
    result = Enter();
    if (result.ok()) result = work();
  }).join();
  return result;
}

absl::Status NetNs::Enter() const {
  if (setns(fd(), CLONE_NEWNET) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "entering a network namespace");
}

absl::Status NetNs::WriteSysctl(absl::string_view name,
                                absl::string_view value) const {
  return Run([&]() -> absl::Status {
    const std::string path = SysctlPath(name);
    CC_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(path, O_WRONLY));
    const std::string line = absl::StrCat(value, "\n");
    if (write(fd.get(), line.data(), line.size()) < 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat(path, ": ", value));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::string> NetNs::ReadSysctl(absl::string_view name) const {
  std::string value;
  CC_RETURN_IF_ERROR(Run([&]() -> absl::Status {
    const std::string path = SysctlPath(name);
    CC_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(path, O_RDONLY));
    char buffer[4096];
    const ssize_t got = read(fd.get(), buffer, sizeof(buffer));
    if (got < 0) return absl::ErrnoToStatus(errno, path);
    value.assign(buffer, static_cast<size_t>(got));
    return absl::OkStatus();
  }));
  return std::string(absl::StripSuffix(value, "\n"));
}

}  // namespace ciliumcore
