// SPDX-License-Identifier: Apache-2.0

// What the caller asked for, and the datapath that follows from it. Pure.

#ifndef CILIUMCORE_LIB_DATAPATH_INTENT_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_INTENT_INTERNAL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/datapath/options.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/network_policy.h"
#include "lib/datapath/desired_internal.h"

namespace ciliumcore::internal {

// An interface as the kernel knows it.
struct ResolvedLink {
  uint32_t ifindex = 0;
  MacAddress mac = {}, host_mac = {};
  uint32_t flags = 0;  // CC_ENDPOINT_*
};

struct Intent {
  // The services, to change.
  ServiceTable& EditServices() {
    if (services.use_count() > 1)
      services = std::make_shared<ServiceTable>(*services);
    return *services;
  }

  std::map<std::string, EndpointOptions> endpoints;  // by interface
  std::set<std::string> touched;  // endpoints that this change attaches
  std::map<IpAddress, RemoteOptions> remotes;  // by their first address
  // Shared with the intent before until an edit changes it.
  std::shared_ptr<ServiceTable> services = std::make_shared<ServiceTable>();
  std::vector<NetworkPolicy> policies;
  std::vector<Namespace> namespaces;
};

// What the outside adds to an intent.
struct Surroundings {
  std::map<std::string, ResolvedLink> links;       // of the endpoints
  std::map<std::string, uint32_t> hop_interfaces;  // of the next hops
  std::vector<IpAddress> host_addresses;
};

// InvalidArgument if an endpoint has no or too many addresses, or an address
// belongs to two; the reference's status if an identity is none.
absl::Status ValidateIntent(const Intent& intent);

// In the order of `endpoints`, then of `remotes`.
PolicyInput PolicyInputOf(const Intent& intent,
                          const Surroundings& surroundings);

// `compiled`: of PolicyInputOf the same.
DesiredState DesiredStateOf(const Intent& intent,
                            const Surroundings& surroundings,
                            const CompiledPolicy& compiled);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_INTENT_INTERNAL_H_
