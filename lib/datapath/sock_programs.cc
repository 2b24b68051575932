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

}  // namespace

absl::StatusOr<std::unique_ptr<SockPrograms>> SockPrograms::Load(
    const DatapathOptions& options, const ProgramSet& programs,
    const Pins* pins) {
  CC_ASSIGN_OR_RETURN(UniqueFd cgroup, OpenCgroup(options.cgroup));
  const LibbpfLog log;
  sock* skeleton = sock::open();
  if (skeleton == nullptr) return LoadError("loading programs", errno);
  std::unique_ptr<SockPrograms> loaded(
      new SockPrograms(skeleton, std::move(cgroup), pins));
  skeleton->rodata_config->cc_config_data = ConfigOf(options);
  const ServiceMapSizes sizes = ServiceMapSizesFor(options.capacity);
  bpf_map__set_max_entries(skeleton->maps.cc_frontends, sizes.heads);
  bpf_map__set_max_entries(skeleton->maps.cc_services, sizes.services);
  bpf_map__set_max_entries(skeleton->maps.cc_maglev, sizes.slots);
  bpf_map__set_max_entries(skeleton->maps.cc_backends, sizes.backends);
  for (const char* name : kShared) {
    CC_ASSIGN_OR_RETURN(const UniqueFd shared, programs.MapFd(name));
    bpf_map* map = bpf_object__find_map_by_name(skeleton->obj, name);
    if (map == nullptr) continue;
    if (const int error = bpf_map__reuse_fd(map, shared.get()); error != 0)
      return absl::ErrnoToStatus(-error, absl::StrCat("map ", name));
  }
  if (pins != nullptr) {
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
  if (const int error = sock::load(skeleton); error != 0)
    return LoadError("loading programs", -error);
  return loaded;
}

SockPrograms::~SockPrograms() { sock::destroy(skeleton_); }

absl::StatusOr<UniqueFd> SockPrograms::MapFd(const char* name) const {
  return CopyMapFd(skeleton_->obj, name);
}

absl::Status SockPrograms::Attach() {
  if (!links_.empty()) return absl::OkStatus();
  const LibbpfLog quiet;
  std::vector<AttachedLink> links;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton_->obj) {
    const char* name = bpf_program__name(program);
    absl::StatusOr<AttachedLink> link = AttachedLink::Make(
        bpf_program__fd(program), cgroup_.get(),
        bpf_program__expected_attach_type(program),
        pins_ == nullptr ? std::string() : pins_->SockLinkPath(name),
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

absl::Status SockPrograms::PinMaps() {
  return pins_ == nullptr ? absl::OkStatus()
                          : PinAllMaps(skeleton_->obj, *pins_);
}

}  // namespace ciliumcore::internal
