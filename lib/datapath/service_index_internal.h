// SPDX-License-Identifier: Apache-2.0

// The hash of frontends: heads in cc_frontends, chains through cc_services.

#ifndef CILIUMCORE_LIB_DATAPATH_SERVICE_INDEX_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_SERVICE_INDEX_INTERNAL_H_

#include <algorithm>
#include <cstdint>
#include <string>

#include "ciliumcore/abi/convert.h"
#include "ciliumcore/abi/service.h"
#include "ciliumcore/service/service.h"
#include "lib/datapath/chain_index_internal.h"

namespace ciliumcore::internal {

struct ServiceChains {
  using Key = Frontend;
  using Line = cc_service_heads;
  using Entry = cc_service;
  static constexpr int kHeads = CC_SERVICE_HEADS, kLongest = CC_SERVICE_CHAIN;
  static constexpr char kMap[] = "cc_frontends";

  static __u32& Mask(cc_state& state) { return state.service_mask; }
  static uint32_t Hash(const Frontend& frontend, uint32_t seed) {
    const cc_addr addr = abi::ToAddr(frontend.address);
    return cc_service_hash(&addr, abi::ToBe16(frontend.port.port),
                           static_cast<__u8>(frontend.port.protocol), seed);
  }
  static const __u32& Head(const cc_service_heads& line, uint32_t index) {
    return line.service[index];
  }
  static Frontend KeyOf(const cc_service& service) {
    const __be32* words = service.near_addr;
    return {.address = service.is_v6
                           ? abi::FromAddr({.w = {words[0], words[1], words[2],
                                                  service.addr}})
                           : IpAddress::FromV4(abi::FromBe32(service.addr)),
            .port = {.protocol = static_cast<Protocol>(service.protocol),
                     .port = abi::FromBe16(service.port)}};
  }
  static void SetKey(cc_service& service, const Frontend& frontend) {
    const cc_addr addr = abi::ToAddr(frontend.address);
    service.is_v6 = !frontend.address.is_v4();
    if (service.is_v6) std::copy_n(addr.w, 3, service.near_addr);
    service.addr = addr.w[3];
    service.port = abi::ToBe16(frontend.port.port);
    service.protocol = static_cast<__u8>(frontend.port.protocol);
  }
  static std::string Text(const Frontend& frontend) {
    return frontend.ToString();
  }
};
using ServiceIndex = ChainIndex<ServiceChains>;

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_SERVICE_INDEX_INTERNAL_H_
