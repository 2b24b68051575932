// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/lb_programs_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/libbpf_log_internal.h"

// The skeleton names types of the abi headers: it comes last.
#include "bpf/lb.skel.h"

namespace ciliumcore::internal {
namespace {

using Skeleton = std::unique_ptr<lb, decltype(&lb::destroy)>;

absl::StatusOr<PerCpuMap<uint32_t, cc_metric>> MetricsOf(
    const BpfObject& object, const char* name) {
  CC_ASSIGN_OR_RETURN(UniqueFd fd, object.MapFd(name));
  return PerCpuMap<uint32_t, cc_metric>::Adopt(std::move(fd));
}

// 0, or the errno.
int Link(int program, uint32_t ifindex, uint32_t flags, UniqueFd* fd) {
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
  fd->reset(
      bpf_link_create(program, static_cast<int>(ifindex), BPF_XDP, &options));
  return fd->valid() ? 0 : errno;
}

}  // namespace

bool XdpLink::is_gone() const {
  bpf_link_info info = {};
  __u32 size = sizeof(info);
  return bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0 &&
         info.xdp.ifindex == 0;
}

absl::StatusOr<cc_metric> LbCounters::Sum(
    const PerCpuMap<uint32_t, cc_metric>& map, uint32_t key) {
  CC_ASSIGN_OR_RETURN(const std::vector<cc_metric> values, map.Lookup(key));
  cc_metric sum = {};
  for (const cc_metric& value : values) {
    sum.packets += value.packets;
    sum.bytes += value.bytes;
  }
  return sum;
}

absl::StatusOr<LoadBalancerFlows> LbCounters::Flows() const {
  LoadBalancerFlows flows;
  for (const auto& [key, into] : {std::pair(CC_LB_RECORDED, &flows.recorded),
                                  std::pair(CC_LB_EVICTED, &flows.evicted)}) {
    CC_ASSIGN_OR_RETURN(const std::vector<uint64_t> values,
                        memory.Lookup(static_cast<uint32_t>(key)));
    for (const uint64_t value : values) *into += value;
  }
  return flows;
}

absl::Status LbCounters::Clear(uint32_t service) {
  return traffic.Put(service, std::vector<cc_metric>(traffic.cpus()));
}

absl::StatusOr<LbProgram> LbProgram::Load(
    const LoadBalancerCapacity& capacity) {
  const LibbpfLog log;
  const Skeleton skeleton(lb::open(), &lb::destroy);
  if (skeleton == nullptr) return LoadError("loading the program", errno);
  const LbMapSizes sizes = LbMapSizesFor(capacity);
  auto& maps = skeleton->maps;
  bpf_map__set_max_entries(maps.cc_lb_frontends, sizes.heads);
  bpf_map__set_max_entries(maps.cc_lb_services, sizes.services);
  bpf_map__set_max_entries(maps.cc_lb_traffic, sizes.services);
  bpf_map__set_max_entries(maps.cc_lb_slots, sizes.slots);
  bpf_map__set_max_entries(maps.cc_lb_backends, sizes.backends);
  bpf_map__set_max_entries(maps.cc_lb_flows, sizes.flows);
  CC_ASSIGN_OR_RETURN(BpfObject object,
                      BpfObject::Load(skeleton->obj, nullptr, Reuse::kNothing));
  return LbProgram(std::move(object));
}

absl::StatusOr<LbMaps> LbProgram::Maps() const {
  return LbMaps::Adopt(
      [this](const char* name) { return object_.MapFd(name); });
}

absl::StatusOr<LbCounters> LbProgram::Counters() const {
  CC_ASSIGN_OR_RETURN(auto traffic, MetricsOf(object_, "cc_lb_traffic"));
  CC_ASSIGN_OR_RETURN(auto drops, MetricsOf(object_, "cc_lb_drops"));
  CC_ASSIGN_OR_RETURN(UniqueFd fd, object_.MapFd("cc_lb_memory"));
  auto memory = PerCpuMap<uint32_t, uint64_t>::Adopt(std::move(fd));
  if (!memory.ok()) return memory.status();
  return LbCounters{std::move(traffic), std::move(drops), *std::move(memory)};
}

absl::StatusOr<XdpLink> LbProgram::Attach(const std::string& interface,
                                          uint32_t ifindex,
                                          XdpChoice choice) const {
  const LibbpfLog quiet;
  XdpLink link;
  link.attachment.interface = interface;
  link.attachment.ifindex = ifindex;
  int error = 0;
  if (choice != XdpChoice::kGeneric) {
    error = Link(fd(), ifindex, XDP_FLAGS_DRV_MODE, &link.fd);
    if (error == 0) return link;
    if (error != EBUSY) link.attachment.why_not_native = std::strerror(error);
  }
  if (choice != XdpChoice::kNative && error != EBUSY && error != ENODEV) {
    link.attachment.mode = XdpMode::kGeneric;
    error = Link(fd(), ifindex, XDP_FLAGS_SKB_MODE, &link.fd);
    if (error == 0) return link;
  }
  const std::string what = absl::StrCat("interface ", interface, ": ");
  if (error == EBUSY || error == EEXIST) {
    return absl::AlreadyExistsError(
        absl::StrCat(what, "another XDP program is attached"));
  }
  if (error == EOPNOTSUPP || error == EINVAL) {
    return absl::UnimplementedError(
        absl::StrCat(what, "expected a device that runs XDP ",
                     choice == XdpChoice::kNative ? "in its driver" : "at all",
                     ", found one that refuses: ", std::strerror(error)));
  }
  return absl::ErrnoToStatus(error, absl::StrCat(what, "attaching"));
}

}  // namespace ciliumcore::internal
