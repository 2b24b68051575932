// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/stale_sockets_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/datapath/features.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/libbpf_log_internal.h"

// The skeleton names types of the abi headers: it comes last.
#include "bpf/stale.skel.h"

namespace ciliumcore::internal {
namespace {

// Of the process and all in the cgroups below `directory`.
void CollectProcesses(const std::filesystem::path& directory,
                      std::set<int>& pids) {
  std::ifstream processes(directory / "cgroup.procs");
  for (int pid = 0; processes >> pid;) pids.insert(pid);
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(directory, error)) {
    if (entry.is_directory(error)) CollectProcesses(entry.path(), pids);
  }
}

}  // namespace

absl::StatusOr<StaleSockets> StaleSockets::Load(const BpfObject& sockets) {
  CC_ASSIGN_OR_RETURN(const bool has,
                      HasKernelFeature(KernelFeature::kSockDestroy));
  if (!has) {
    return absl::UnimplementedError(
        "ending sockets: the kernel lacks bpf_sock_destroy, in Linux since "
        "6.5");
  }
  const LibbpfLog log;
  const std::unique_ptr<stale, decltype(&stale::destroy)> skeleton(
      stale::open(), &stale::destroy);
  if (skeleton == nullptr) return LoadError("loading cc_end_stale", errno);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton->obj) {
    const std::string name = bpf_map__name(map);
    if (bpf_map__is_internal(map)) continue;
    CC_ASSIGN_OR_RETURN(const UniqueFd shared, sockets.MapFd(name));
    if (const int error = bpf_map__reuse_fd(map, shared.get()); error != 0)
      return absl::ErrnoToStatus(-error, absl::StrCat("map ", name));
  }
  if (const int error = stale::load(skeleton.get()); error != 0)
    return LoadError("loading cc_end_stale", -error);
  UniqueFd link(bpf_link_create(bpf_program__fd(skeleton->progs.cc_end_stale),
                                0, BPF_TRACE_ITER, nullptr));
  if (!link.valid())
    return absl::ErrnoToStatus(errno, "attaching cc_end_stale");
  return StaleSockets(std::move(link));
}

absl::StatusOr<uint64_t> StaleSockets::EndIn(const NetNs& netns) const {
  uint64_t ended = 0;
  // An iterator is of the namespace where it is made.
  CC_RETURN_IF_ERROR(netns.Run([&]() -> absl::Status {
    const UniqueFd iterator(bpf_iter_create(link_.get()));
    if (!iterator.valid())
      return absl::ErrnoToStatus(errno, "iterating over UDP sockets");
    char bytes[4096];
    while (true) {
      const ssize_t count = read(iterator.get(), bytes, sizeof(bytes));
      if (count == 0) return absl::OkStatus();
      if (count > 0) {
        ended += static_cast<uint64_t>(count);
      } else if (errno != EINTR && errno != EAGAIN) {
        return absl::ErrnoToStatus(errno, "iterating over UDP sockets");
      }
    }
  }));
  return ended;
}

absl::StatusOr<uint64_t> StaleSockets::EndOf(const std::string& cgroup) const {
  std::set<int> pids;
  CollectProcesses(cgroup, pids);
  std::set<std::pair<dev_t, ino_t>> seen;
  uint64_t ended = 0;
  for (const int pid : pids) {
    const absl::StatusOr<NetNs> netns =
        NetNs::Open(absl::StrCat("/proc/", pid, "/ns/net"));
    struct stat status = {};
    if (!netns.ok() || fstat(netns->fd(), &status) != 0) continue;
    if (!seen.emplace(status.st_dev, status.st_ino).second) continue;
    CC_ASSIGN_OR_RETURN(const uint64_t here, EndIn(*netns));
    ended += here;
  }
  return ended;
}

}  // namespace ciliumcore::internal
