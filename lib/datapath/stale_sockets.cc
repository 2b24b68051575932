// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/stale_sockets_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/convert.h"
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

absl::StatusOr<UniqueFd> LinkIterator(const bpf_program* program) {
  UniqueFd link(
      bpf_link_create(bpf_program__fd(program), 0, BPF_TRACE_ITER, nullptr));
  if (link.valid()) return link;
  return absl::ErrnoToStatus(
      errno, absl::StrCat("attaching ", bpf_program__name(program)));
}

// What the iterator writes about the namespace of the calling thread.
absl::StatusOr<std::string> Iterate(const UniqueFd& link) {
  const UniqueFd iterator(bpf_iter_create(link.get()));
  if (!iterator.valid())
    return absl::ErrnoToStatus(errno, "iterating over UDP sockets");
  std::string text;
  char bytes[4096];
  while (true) {
    const ssize_t count = read(iterator.get(), bytes, sizeof(bytes));
    if (count == 0) return text;
    if (count > 0) {
      text.append(bytes, static_cast<size_t>(count));
    } else if (errno != EINTR && errno != EAGAIN) {
      return absl::ErrnoToStatus(errno, "iterating over UDP sockets");
    }
  }
}

// The cookies of sockets whose backends have gone from all services that they
// got them of.
std::set<uint64_t> DoomedOf(absl::string_view doubtful,
                            StaleSockets::IsServed is_served) {
  std::set<uint64_t> doomed, fine;
  for (; doubtful.size() >= sizeof(cc_doubtful);
       doubtful.remove_prefix(sizeof(cc_doubtful))) {
    cc_doubtful one;
    std::memcpy(&one, doubtful.data(), sizeof(one));
    const Frontend frontend = {
        .address = abi::FromAddr(one.frontend),
        .port = {.protocol = Protocol::kUdp,
                 .port = abi::FromBe16(one.frontend_port)}};
    const Backend backend = {.address = abi::FromAddr(one.backend),
                             .port = abi::FromBe16(one.backend_port)};
    (is_served(frontend, backend) ? fine : doomed).insert(one.cookie);
  }
  for (const uint64_t cookie : fine) doomed.erase(cookie);
  return doomed;
}

}  // namespace

absl::StatusOr<StaleSockets> StaleSockets::Load(const BpfObject& sockets) {
  CC_ASSIGN_OR_RETURN(const bool has,
                      HasKernelFeature(KernelFeature::kSockDestroy));
  if (!has) {
    const KernelFeatureInfo& info =
        KernelFeatures()[static_cast<size_t>(KernelFeature::kSockDestroy)];
    return absl::UnimplementedError(absl::StrCat(
        "ending sockets: the kernel lacks ", info.name, ", in Linux since ",
        info.since.major, ".", info.since.minor));
  }
  const LibbpfLog log;
  const std::unique_ptr<stale, decltype(&stale::destroy)> skeleton(
      stale::open(), &stale::destroy);
  if (skeleton == nullptr) return LoadError("loading cc_end_doomed", errno);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton->obj) {
    const std::string name = bpf_map__name(map);
    if (bpf_map__is_internal(map) || map == skeleton->maps.cc_doomed) continue;
    CC_ASSIGN_OR_RETURN(const UniqueFd shared, sockets.MapFd(name));
    if (const int error = bpf_map__reuse_fd(map, shared.get()); error != 0)
      return absl::ErrnoToStatus(-error, absl::StrCat("map ", name));
  }
  if (const int error = stale::load(skeleton.get()); error != 0)
    return LoadError("loading cc_end_doomed", -error);
  CC_ASSIGN_OR_RETURN(UniqueFd doubt, LinkIterator(skeleton->progs.cc_doubt));
  CC_ASSIGN_OR_RETURN(UniqueFd end,
                      LinkIterator(skeleton->progs.cc_end_doomed));
  UniqueFd doomed(
      fcntl(bpf_map__fd(skeleton->maps.cc_doomed), F_DUPFD_CLOEXEC, 0));
  if (!doomed.valid()) return absl::ErrnoToStatus(errno, "map cc_doomed");
  return StaleSockets(std::move(doubt), std::move(end), std::move(doomed));
}

absl::StatusOr<uint64_t> StaleSockets::EndIn(const NetNs& netns,
                                             IsServed is_served) const {
  uint64_t ended = 0;
  // An iterator is of the namespace where it is made.
  CC_RETURN_IF_ERROR(netns.Run([&]() -> absl::Status {
    CC_ASSIGN_OR_RETURN(const std::string doubtful, Iterate(doubt_));
    const std::set<uint64_t> doomed = DoomedOf(doubtful, is_served);
    if (doomed.empty()) return absl::OkStatus();
    const uint8_t is_there = 1;
    for (const uint64_t& cookie : doomed) {
      if (bpf_map_update_elem(doomed_.get(), &cookie, &is_there, BPF_ANY) != 0)
        break;  // the next call ends the others
    }
    const absl::StatusOr<std::string> bytes = Iterate(end_);
    for (const uint64_t& cookie : doomed)
      bpf_map_delete_elem(doomed_.get(), &cookie);
    if (!bytes.ok()) return bytes.status();
    ended = bytes->size();
    return absl::OkStatus();
  }));
  return ended;
}

absl::StatusOr<uint64_t> StaleSockets::EndOf(const std::string& cgroup,
                                             IsServed is_served) const {
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
    CC_ASSIGN_OR_RETURN(const uint64_t here, EndIn(*netns, is_served));
    ended += here;
  }
  return ended;
}

}  // namespace ciliumcore::internal
