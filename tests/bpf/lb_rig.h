// SPDX-License-Identifier: Apache-2.0

// A load balancer that tests send packets to one by one: its writer, its maps
// and its program, in the kernel or natively.

#ifndef CILIUMCORE_TESTS_BPF_LB_RIG_H_
#define CILIUMCORE_TESTS_BPF_LB_RIG_H_

#include <linux/bpf.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/abi/lb.h"
#include "ciliumcore/abi/metrics.h"
#include "ciliumcore/datapath/load_balancer.h"
#include "lib/datapath/lb_writer_internal.h"

namespace ciliumcore::testing {

struct LbOutput {
  int action = XDP_ABORTED;
  std::string packet;
};

// What the balancer put around a packet.
struct Wrapped {
  std::array<uint8_t, 6> mac_to = {}, mac_from = {};
  IpAddress from, to;
  uint8_t traffic_class = 0, ttl = 0;
  std::string inner;  // the IP packet inside, with what follows it
};

// Fails the running test unless `packet` is IPIP or IP6IP6 with a right header.
Wrapped Unwrap(absl::string_view packet);

class LbRig {
 public:
  static std::unique_ptr<LbRig> Native(const LoadBalancerOptions& options);
  // The test requires BPF.
  static absl::StatusOr<std::unique_ptr<LbRig>> InKernel(
      const LoadBalancerOptions& options);
  virtual ~LbRig() = default;

  // As it came in through `ifindex`.
  virtual LbOutput Run(absl::string_view packet, uint32_t ifindex = 1) = 0;
  virtual cc_metric Drops(uint8_t reason) = 0;
  virtual cc_metric Traffic(const Frontend& frontend) = 0;
  virtual uint64_t Memory(cc_lb_memory_key key) = 0;
  // Of routes, natively.
  std::function<long(bpf_fib_lookup*)> fib;

  // Publishes that `service` is, or that none is. These and Pass return when
  // nobody is under way any more who began before: what comes next is the same
  // in each run.
  absl::Status Upsert(const BalancedService& service);
  absl::Status Remove(const Frontend& frontend);
  // Lets seconds pass.
  void Pass(uint32_t seconds);

  // The backend that gets the packet; fails the test if none does.
  IpAddress BackendOf(absl::string_view packet);

  uint32_t IndexOf(const Frontend& frontend) const;
  internal::LbWriter& writer() { return *writer_; }

 protected:
  std::unique_ptr<internal::LbWriter> writer_;

 private:
  absl::Status Publish(const internal::LbEdit& edit);
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_BPF_LB_RIG_H_
