// SPDX-License-Identifier: Apache-2.0

// The load balancer's program, loaded; and its places on devices.

#ifndef CILIUMCORE_LIB_DATAPATH_LB_PROGRAMS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_LB_PROGRAMS_INTERNAL_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/datapath/load_balancer.h"
#include "ciliumcore/maps/per_cpu_map.h"
#include "lib/datapath/bpf_objects_internal.h"
#include "lib/datapath/lb_maps_internal.h"

namespace ciliumcore::internal {

// What the program counts.
struct LbCounters {
  PerCpuMap<uint32_t, cc_metric> traffic, drops;
  PerCpuMap<uint32_t, uint64_t> memory;

  // The sum over the CPUs.
  static absl::StatusOr<cc_metric> Sum(
      const PerCpuMap<uint32_t, cc_metric>& map, uint32_t key);
  absl::StatusOr<LoadBalancerFlows> Flows() const;
  // Makes those of a service zero.
  absl::Status Clear(uint32_t service);
};

// A program on a device of the calling thread's namespace, until it goes.
struct XdpLink {
  UniqueFd fd;
  XdpAttachment attachment;

  // The device is, and with it its place: the kernel has forgotten which.
  bool is_gone() const;
};

class LbProgram {
 public:
  static absl::StatusOr<LbProgram> Load(const LoadBalancerCapacity& capacity);

  absl::StatusOr<LbMaps> Maps() const;
  absl::StatusOr<LbCounters> Counters() const;
  int fd() const { return object_.program("cc_lb"); }

  // Errors as LoadBalancer::Attach.
  absl::StatusOr<XdpLink> Attach(const std::string& interface, uint32_t ifindex,
                                 XdpChoice choice) const;

 private:
  explicit LbProgram(BpfObject object) : object_(std::move(object)) {}
  BpfObject object_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_LB_PROGRAMS_INTERNAL_H_
