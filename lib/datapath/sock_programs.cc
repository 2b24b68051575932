// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/sock_programs_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/btf_check.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/config_internal.h"
#include "lib/datapath/libbpf_log_internal.h"
#include "lib/datapath/service_maps_internal.h"

// The skeleton names types of the abi headers: it comes last.
#include "bpf/sock.skel.h"

namespace ciliumcore::internal {
namespace {

// Maps that packets and sockets share.
constexpr const char* kShared[] = {
    "cc_state",   "cc_clock",     "cc_events", "cc_events_lost",
    "cc_metrics", "cc_forwarded", "cc_drops"};

absl::StatusOr<UniqueFd> OpenCgroup(const std::string& path) {
  UniqueFd cgroup(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (cgroup.get() < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("cgroup ", path));
  struct statfs status = {};
  if (fstatfs(cgroup.get(), &status) != 0 ||
      static_cast<unsigned long>(status.f_type) != CGROUP2_SUPER_MAGIC) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cgroup ", path, ": expected a directory of cgroup version 2"));
  }
  return cgroup;
}

// True if the link is attached to that cgroup, whose id is its inode.
bool IsOf(int link, int cgroup) {
  bpf_link_info info = {};
  __u32 bytes = sizeof(info);
  struct stat status = {};
  return bpf_obj_get_info_by_fd(link, &info, &bytes) == 0 &&
         fstat(cgroup, &status) == 0 && info.type == BPF_LINK_TYPE_CGROUP &&
         info.cgroup.cgroup_id == status.st_ino;
}

using Skeleton = std::unique_ptr<sock, decltype(&sock::destroy)>;

// Open, with room and configuration, not loaded.
absl::StatusOr<Skeleton> OpenSkeleton(const DatapathOptions& options) {
  Skeleton skeleton(sock::open(), &sock::destroy);
  if (skeleton == nullptr) return LoadError("loading programs", errno);
  skeleton->rodata_config->cc_config_data = ConfigOf(options);
  const ServiceMapSizes sizes = ServiceMapSizesFor(options.capacity);
  bpf_map__set_max_entries(skeleton->maps.cc_frontends, sizes.heads);
  bpf_map__set_max_entries(skeleton->maps.cc_services, sizes.services);
  bpf_map__set_max_entries(skeleton->maps.cc_maglev, sizes.slots);
  bpf_map__set_max_entries(skeleton->maps.cc_backends, sizes.backends);
  // Shared with the endpoints' programs.
  bpf_map__set_max_entries(skeleton->maps.cc_events,
                           options.capacity.event_bytes);
  return skeleton;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SockPrograms>> SockPrograms::Load(
    const DatapathOptions& options, const ProgramSet& programs,
    const Pins* pins, Reuse reuse) {
  CC_ASSIGN_OR_RETURN(UniqueFd cgroup, OpenCgroup(options.cgroup));
  const LibbpfLog log;
  CC_ASSIGN_OR_RETURN(const Skeleton skeleton, OpenSkeleton(options));
  if (reuse == Reuse::kMaps)
    CC_RETURN_IF_ERROR(ReuseMaps(skeleton->obj, *pins));
  for (const char* name : kShared) {
    CC_ASSIGN_OR_RETURN(const UniqueFd shared, programs.object().MapFd(name));
    bpf_map* map = bpf_object__find_map_by_name(skeleton->obj, name);
    if (map == nullptr || reuse == Reuse::kMaps) continue;
    if (const int error = bpf_map__reuse_fd(map, shared.get()); error != 0)
      return absl::ErrnoToStatus(-error, absl::StrCat("map ", name));
  }
  if (reuse == Reuse::kConnections) {
    // A datagram that comes after a restart is of a service that was spoken to
    // before it.
    const UniqueFd socks = Pins::Get(pins->MapPath("cc_socks"));
    if (socks.get() >= 0 &&
        abi::CheckMapLayout(socks.get(), abi::ShapeOf<uint32_t>(),
                            abi::ShapeOf<cc_sock>())
            .ok()) {
      bpf_map__reuse_fd(skeleton->maps.cc_socks, socks.get());
    }
  }
  std::vector<Hook> hooks;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) {
    hooks.emplace_back(bpf_program__name(program),
                       bpf_program__expected_attach_type(program));
  }
  CC_ASSIGN_OR_RETURN(BpfObject object,
                      BpfObject::Load(skeleton->obj, pins, reuse));
  return std::unique_ptr<SockPrograms>(new SockPrograms(
      std::move(object), std::move(hooks), std::move(cgroup), pins));
}

absl::StatusOr<bool> SockPrograms::HasSameRoom(const DatapathOptions& options,
                                               const Pins& pins) {
  const LibbpfLog log;
  CC_ASSIGN_OR_RETURN(const Skeleton skeleton, OpenSkeleton(options));
  return internal::HasSameRoom(skeleton->obj, pins);
}

uint64_t SockPrograms::HashBuild(uint64_t hash) {
  size_t bytes = 0;
  const void* const elf = sock::elf_bytes(&bytes);
  return HashBytes(hash, elf, bytes);
}

absl::Status SockPrograms::Attach() {
  if (!links_.empty()) return absl::OkStatus();
  const LibbpfLog quiet;
  std::vector<AttachedLink> links;
  for (const auto& [name, type] : hooks_) {
    absl::StatusOr<AttachedLink> link = AttachedLink::Make(
        object_.program(name), cgroup_.get(), type,
        pins_ == nullptr ? std::string() : pins_->SockLinkPath(name.c_str()),
        [this](int pinned) { return IsOf(pinned, cgroup_.get()); });
    if (!link.ok()) {
      return Annotate(link.status(), absl::StrCat(name, " on the cgroup"));
    }
    links.push_back(*std::move(link));
  }
  links_ = std::move(links);
  return absl::OkStatus();
}

absl::Status SockPrograms::TakeOver() {
  for (AttachedLink& link : links_) CC_RETURN_IF_ERROR(link.TakeOver());
  return absl::OkStatus();
}

}  // namespace ciliumcore::internal
