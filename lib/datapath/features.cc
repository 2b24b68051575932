// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/datapath/features.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/bpf.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ciliumcore/base/unique_fd.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/libbpf_log_internal.h"

namespace ciliumcore {
namespace {

// Releases: by the kernel's own history.
constexpr KernelFeatureInfo kFeatures[] = {
    {KernelFeature::kMembarrier,
     false,
     {4, 3},
     "membarrier(MEMBARRIER_CMD_GLOBAL)",
     "waits until no packet is under way that began before a change",
     "waits by updating a map of maps"},
    {KernelFeature::kBoundedLoops,
     true,
     {5, 3},
     "bounded loops",
     "walks headers and chains",
     ""},
    {KernelFeature::kMappedArrays,
     true,
     {5, 5},
     "memory-mapped arrays (BPF_F_MMAPABLE)",
     "publishes a change by one store",
     ""},
    {KernelFeature::kJiffies,
     true,
     {5, 6},
     "bpf_jiffies64",
     "tells the time of connections",
     ""},
    {KernelFeature::kMapBatches,
     false,
     {5, 6},
     "batched map operations",
     "writes and reads many entries of a map at once",
     "makes a system call for each entry"},
    {KernelFeature::kRingBuffer,
     true,
     {5, 8},
     "ring buffer",
     "hands out events",
     ""},
    {KernelFeature::kRedirectNeighbor,
     true,
     {5, 10},
     "bpf_redirect_neigh",
     "sends packets to next hops",
     ""},
    {KernelFeature::kRedirectPeer,
     true,
     {5, 10},
     "bpf_redirect_peer",
     "delivers into an endpoint's namespace",
     ""},
    {KernelFeature::kCoarseClock,
     true,
     {5, 11},
     "bpf_ktime_get_coarse_ns",
     "dates events",
     ""},
    {KernelFeature::kAtomics,
     true,
     {5, 12},
     "atomic operations that return (BPF_FETCH, BPF_CMPXCHG)",
     "stamps connections",
     ""},
    {KernelFeature::kSockDestroy,
     false,
     {6, 5},
     "bpf_sock_destroy",
     "ends connected UDP sockets whose backend has gone",
     "leaves them to their owners"},
    {KernelFeature::kTcx,
     false,
     {6, 6},
     "tcx links",
     "attaches programs so that they end with their owner",
     "attaches filters of clsact"},
};

// True if the call worked; false if the kernel does not know what it was asked.
absl::StatusOr<bool> Known(int result, int error, absl::string_view name) {
  if (result >= 0) return true;
  if (error == EPERM) {
    return absl::PermissionDeniedError(
        absl::StrCat("probing for ", name,
                     ": the kernel wants CAP_BPF and CAP_NET_ADMIN (or root)"));
  }
  return false;
}

absl::StatusOr<bool> Loads(const std::vector<bpf_insn>& program,
                           absl::string_view name) {
  const UniqueFd fd(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, nullptr, "GPL",
                                  program.data(), program.size(), nullptr));
  return Known(fd.get(), -fd.get(), name);
}

bpf_insn Insn(int code, int dst, int src, int off, int imm) {
  bpf_insn insn = {};
  insn.code = static_cast<__u8>(code);
  insn.dst_reg = static_cast<__u8>(dst & 15);
  insn.src_reg = static_cast<__u8>(src & 15);
  insn.off = static_cast<__s16>(off);
  insn.imm = imm;
  return insn;
}

bpf_insn Move(int to, int value) {
  return Insn(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}
bpf_insn Call(bpf_func_id helper) {
  return Insn(BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}
bpf_insn Return() { return Insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

// A helper of at most four numbers.
absl::StatusOr<bool> HasHelper(bpf_func_id helper, absl::string_view name) {
  return Loads({Move(1, 0), Move(2, 0), Move(3, 0), Move(4, 0), Call(helper),
                Move(0, 0), Return()},
               name);
}

absl::StatusOr<bool> HasMap(bpf_map_type type, __u32 key, __u32 value,
                            __u32 entries, __u32 flags,
                            absl::string_view name) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);
  const UniqueFd fd(
      bpf_map_create(type, "cc_probe", key, value, entries, &options));
  return Known(fd.get(), -fd.get(), name);
}

absl::StatusOr<bool> HasBatches(absl::string_view name) {
  const UniqueFd map(
      bpf_map_create(BPF_MAP_TYPE_HASH, "cc_probe", 4, 4, 1, nullptr));
  CC_ASSIGN_OR_RETURN(const bool made, Known(map.get(), -map.get(), name));
  if (!made) return false;
  const __u32 key = 0, value = 0;
  __u32 count = 1;
  const int result =
      bpf_map_update_batch(map.get(), &key, &value, &count, nullptr);
  return Known(result, -result, name);
}

// Since Linux 6.6; older headers lack the name.
constexpr __u32 kTcxIngress = 46;

absl::StatusOr<bool> HasTcx(absl::string_view name) {
  constexpr __u32 kLoopback = 1;
  bpf_attr query = {};
  query.query.target_fd = kLoopback;  // target_ifindex, of one place
  query.query.attach_type = kTcxIngress;
  const long result =
      syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof(query.query));
  return Known(static_cast<int>(result), errno, name);
}

// One of those that programs may call.
bool HasKernelFunction(const char* name) {
  const internal::LibbpfLog quiet;
  const std::unique_ptr<btf, decltype(&btf__free)> types(
      btf__load_vmlinux_btf(), &btf__free);
  return types != nullptr &&
         btf__find_by_name_kind(types.get(), name, BTF_KIND_FUNC) > 0;
}

const KernelFeatureInfo& InfoOf(KernelFeature feature) {
  return kFeatures[static_cast<int>(feature)];
}

}  // namespace

absl::Span<const KernelFeatureInfo> KernelFeatures() { return kFeatures; }

absl::StatusOr<bool> HasKernelFeature(KernelFeature feature) {
  const absl::string_view name = InfoOf(feature).name;
  switch (feature) {
    case KernelFeature::kMembarrier: {
      const long known = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
      return known >= 0 && (known & MEMBARRIER_CMD_GLOBAL) != 0;
    }
    case KernelFeature::kBoundedLoops:
      return Loads({Move(0, 0), Insn(BPF_ALU64 | BPF_ADD, 0, 0, 0, 1),
                    Insn(BPF_JMP | BPF_JLT | BPF_K, 0, 0, -2, 4), Return()},
                   name);
    case KernelFeature::kMappedArrays:
      return HasMap(BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_MMAPABLE, name);
    case KernelFeature::kJiffies:
      return HasHelper(BPF_FUNC_jiffies64, name);
    case KernelFeature::kMapBatches:
      return HasBatches(name);
    case KernelFeature::kRingBuffer:
      return HasMap(BPF_MAP_TYPE_RINGBUF, 0, 0,
                    static_cast<__u32>(sysconf(_SC_PAGESIZE)), 0, name);
    case KernelFeature::kRedirectNeighbor:
      return HasHelper(BPF_FUNC_redirect_neigh, name);
    case KernelFeature::kRedirectPeer:
      return HasHelper(BPF_FUNC_redirect_peer, name);
    case KernelFeature::kCoarseClock:
      return HasHelper(BPF_FUNC_ktime_get_coarse_ns, name);
    case KernelFeature::kAtomics:
      return Loads({Insn(BPF_ST | BPF_MEM | BPF_DW, 10, 0, -8, 0), Move(0, 0),
                    Move(1, 1),
                    Insn(BPF_STX | BPF_ATOMIC | BPF_DW, 10, 1, -8, BPF_CMPXCHG),
                    Move(0, 0), Return()},
                   name);
    case KernelFeature::kSockDestroy:
      return HasKernelFunction("bpf_sock_destroy");
    case KernelFeature::kTcx:
      return HasTcx(name);
  }
  return false;
}

absl::Status CheckKernelFeatures() {
  std::vector<std::string> missing;
  for (const KernelFeatureInfo& info : kFeatures) {
    if (!info.is_required) continue;
    CC_ASSIGN_OR_RETURN(const bool has, HasKernelFeature(info.feature));
    if (has) continue;
    missing.push_back(absl::StrCat(info.name, ", in Linux since ",
                                   info.since.major, ".", info.since.minor,
                                   ", by which the datapath ", info.purpose));
  }
  if (missing.empty()) return absl::OkStatus();
  const KernelVersion kernel = RunningKernel();
  return absl::UnimplementedError(
      absl::StrCat("the kernel (Linux ", kernel.major, ".", kernel.minor,
                   ") lacks ", absl::StrJoin(missing, "; and ")));
}

KernelVersion RunningKernel() {
  utsname name = {};
  uname(&name);
  KernelVersion version;
  std::sscanf(name.release, "%d.%d", &version.major, &version.minor);
  return version;
}

}  // namespace ciliumcore
