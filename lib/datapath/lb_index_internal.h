// SPDX-License-Identifier: Apache-2.0

// The hash of a load balancer's frontends: heads in cc_lb_frontends, chains
// through cc_lb_services.

#ifndef CILIUMCORE_LIB_DATAPATH_LB_INDEX_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_LB_INDEX_INTERNAL_H_

#include <cstdint>
#include <string>

#include "ciliumcore/abi/convert.h"
#include "ciliumcore/abi/lb.h"
#include "ciliumcore/service/service.h"
#include "lib/datapath/chain_index_internal.h"
#include "lib/datapath/service_index_internal.h"

namespace ciliumcore::internal {

struct LbChains {
  using Key = Frontend;
  using Line = cc_service_heads;
  using Entry = cc_lb_service;
  static constexpr int kHeads = CC_SERVICE_HEADS, kLongest = CC_SERVICE_CHAIN;
  static constexpr char kMap[] = "cc_lb_frontends";

  static __u32& Mask(cc_state& state) { return state.service_mask; }
  static uint32_t Hash(const Frontend& frontend, uint32_t seed) {
    return ServiceChains::Hash(frontend, seed);
  }
  static const __u32& Head(const cc_service_heads& line, uint32_t index) {
    return line.service[index];
  }
  static Frontend KeyOf(const cc_lb_service& service) {
    return {.address = abi::FromAddr(service.addr),
            .port = {.protocol = static_cast<Protocol>(service.protocol),
                     .port = abi::FromBe16(service.port)}};
  }
  static void SetKey(cc_lb_service& service, const Frontend& frontend) {
    service.addr = abi::ToAddr(frontend.address);
    service.port = abi::ToBe16(frontend.port.port);
    service.protocol = static_cast<__u8>(frontend.port.protocol);
  }
  static std::string Text(const Frontend& frontend) {
    return frontend.ToString();
  }
};
using LbIndex = ChainIndex<LbChains>;

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_LB_INDEX_INTERNAL_H_
