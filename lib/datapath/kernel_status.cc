// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/kernel_status_internal.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/abi/state.h"
#include "ciliumcore/base/unique_fd.h"
#include "lib/datapath/map_reader_internal.h"

namespace ciliumcore::internal {
namespace {

// Since Linux 6.6; older headers lack the names.
constexpr uint32_t kLinkTypeTcx = 11;
constexpr uint32_t kTcxIngress = 46, kTcxEgress = 47;

// bpf_link_info of a tcx link, which older headers lack.
struct TcxLinkInfo {
  __u32 type, id, prog_id, pad;
  __u32 ifindex, attach_type;
};

// The kernel cuts a program's name at 15 characters; that of its first function
// is whole.
std::string NameOf(int fd, const bpf_prog_info& plain) {
  bpf_func_info first = {};
  bpf_prog_info info = {};
  info.nr_func_info = 1;
  info.func_info_rec_size = sizeof(first);
  info.func_info = reinterpret_cast<uintptr_t>(&first);
  __u32 bytes = sizeof(info);
  if (plain.btf_id == 0 || plain.nr_func_info == 0 ||
      bpf_obj_get_info_by_fd(fd, &info, &bytes) != 0) {
    return plain.name;
  }
  const std::unique_ptr<btf, decltype(&btf__free)> types(
      btf__load_from_kernel_by_id(plain.btf_id), btf__free);
  if (types == nullptr) return plain.name;
  const btf_type* function = btf__type_by_id(types.get(), first.type_id);
  const char* name = function == nullptr
                         ? nullptr
                         : btf__name_by_offset(types.get(), function->name_off);
  return name == nullptr || *name == 0 ? plain.name : name;
}

std::string HookOfCgroup(uint32_t type) {
  switch (type) {
    case BPF_CGROUP_INET4_CONNECT:
      return "connect4";
    case BPF_CGROUP_INET6_CONNECT:
      return "connect6";
    case BPF_CGROUP_UDP4_SENDMSG:
      return "sendmsg4";
    case BPF_CGROUP_UDP6_SENDMSG:
      return "sendmsg6";
    case BPF_CGROUP_UDP4_RECVMSG:
      return "recvmsg4";
    case BPF_CGROUP_UDP6_RECVMSG:
      return "recvmsg6";
    case BPF_CGROUP_INET4_GETPEERNAME:
      return "getpeername4";
    case BPF_CGROUP_INET6_GETPEERNAME:
      return "getpeername6";
    default:
      return absl::StrCat("type ", type);
  }
}

}  // namespace

absl::StatusOr<KernelProgram> FindProgram(uint32_t id) {
  const std::string subject = absl::StrCat("program ", id);
  const UniqueFd fd(bpf_prog_get_fd_by_id(id));
  if (fd.get() < 0) return absl::ErrnoToStatus(errno, subject);
  bpf_prog_info info = {};
  __u32 bytes = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd.get(), &info, &bytes) != 0)
    return absl::ErrnoToStatus(errno, subject);
  KernelProgram program;
  ProgramStatus& status = program.status;
  status.name = NameOf(fd.get(), info);
  status.id = info.id;
  status.tag = absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(info.tag), sizeof(info.tag)));
  status.jited_bytes = info.jited_prog_len;
  status.verified_instructions = info.verified_insns;
  status.runs = info.run_cnt;
  status.run_time = absl::Nanoseconds(static_cast<int64_t>(info.run_time_ns));
  program.maps.resize(info.nr_map_ids);
  bpf_prog_info with_maps = {};
  with_maps.nr_map_ids = info.nr_map_ids;
  with_maps.map_ids = reinterpret_cast<uintptr_t>(program.maps.data());
  bytes = sizeof(with_maps);
  if (bpf_obj_get_info_by_fd(fd.get(), &with_maps, &bytes) != 0)
    return absl::ErrnoToStatus(errno, subject);
  return program;
}

absl::StatusOr<LinkStatus> FindLink(const std::string& path) {
  const UniqueFd fd(bpf_obj_get(path.c_str()));
  if (fd.get() < 0) return absl::ErrnoToStatus(errno, path);
  union {
    bpf_link_info info;
    TcxLinkInfo tcx;
  } both = {};
  __u32 bytes = sizeof(both);
  if (bpf_obj_get_info_by_fd(fd.get(), &both, &bytes) != 0)
    return absl::ErrnoToStatus(errno, path);
  LinkStatus link;
  link.pin = path;
  link.id = both.info.id;
  link.program = both.info.prog_id;
  absl::string_view name(path);
  name.remove_prefix(name.rfind('/') + 1);
  if (both.info.type == kLinkTypeTcx) {
    link.kind = LinkKind::kTcx;
    link.hook = both.tcx.attach_type == kTcxIngress ? "ingress" : "egress";
    link.ifindex = both.tcx.ifindex;
    link.is_stale = link.ifindex == 0;
    link.interface = absl::StrReplaceAll(name.substr(name.find(':') + 1),
                                         {{"%25", "%"}, {"%2e", "."}});
  } else if (both.info.type == BPF_LINK_TYPE_CGROUP) {
    link.kind = LinkKind::kCgroup;
    link.hook = HookOfCgroup(both.info.cgroup.attach_type);
    link.cgroup = both.info.cgroup.cgroup_id;
    link.is_stale = link.cgroup == 0;
  } else {
    return absl::FailedPreconditionError(
        absl::StrCat(path,
                     ": expected a link of tcx or of a cgroup, found one "
                     "of type ",
                     both.info.type));
  }
  return link;
}

bool IsOnInterface(const LinkStatus& tcx) {
  __u32 ids[64] = {}, count = std::size(ids);
  const auto type = static_cast<bpf_attach_type>(
      tcx.hook == "ingress" ? kTcxIngress : kTcxEgress);
  return bpf_prog_query(static_cast<int>(tcx.ifindex), type, 0, nullptr, ids,
                        &count) == 0 &&
         std::find(ids, ids + count, tcx.program) != ids + count;
}

std::vector<LinkStatus> FindFilters(uint32_t ifindex,
                                    const std::string& interface) {
  std::vector<LinkStatus> found;
  for (const bpf_tc_attach_point point : {BPF_TC_INGRESS, BPF_TC_EGRESS}) {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(ifindex),
                .attach_point = point);
    LIBBPF_OPTS(bpf_tc_opts, options, .handle = 1, .priority = 1);
    if (bpf_tc_query(&hook, &options) != 0) continue;
    const absl::StatusOr<KernelProgram> program = FindProgram(options.prog_id);
    // It may be anybody's.
    if (!program.ok() || !absl::StartsWith(program->status.name, "cc_"))
      continue;
    LinkStatus link;
    link.kind = LinkKind::kClsact;
    link.hook = point == BPF_TC_INGRESS ? "ingress" : "egress";
    link.interface = interface;
    link.ifindex = ifindex;
    link.program = options.prog_id;
    found.push_back(std::move(link));
  }
  return found;
}

std::optional<uint32_t> EpochOfMap(uint32_t id) {
  const absl::StatusOr<MapReader> map = MapReader::OpenId(id);
  cc_state state = {};
  const uint32_t zero = 0;
  if (!map.ok() || map->name() != "cc_state" ||
      map->value_bytes() != sizeof(state) || !map->Lookup(&zero, &state).ok()) {
    return std::nullopt;
  }
  return state.epoch;
}

}  // namespace ciliumcore::internal
