// SPDX-License-Identifier: Apache-2.0

// What the caller asked for, and the datapath that follows from it. Pure.

#ifndef CILIUMCORE_LIB_DATAPATH_INTENT_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_INTENT_INTERNAL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/shared_map.h"
#include "ciliumcore/datapath/options.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/name_cache.h"
#include "ciliumcore/policy/network_policy.h"
#include "lib/datapath/desired_internal.h"

namespace ciliumcore::internal {

// An interface as the kernel knows it.
struct ResolvedLink {
  uint32_t ifindex = 0;
  MacAddress mac = {}, host_mac = {};
  uint32_t flags = 0;  // CC_ENDPOINT_*
};

// A value that copies share until one of them is edited.
template <typename T>
class Shared {
 public:
  Shared() : value_(std::make_shared<T>()) {}
  explicit Shared(T value) : value_(std::make_shared<T>(std::move(value))) {}

  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }
  std::shared_ptr<const T> get() const { return value_; }

  T& Edit() {
    if (value_.use_count() > 1) value_ = std::make_shared<T>(*value_);
    return *value_;
  }

  // True for copies that were not edited: O(1).
  bool IsSameAs(const Shared& other) const { return value_ == other.value_; }

 private:
  std::shared_ptr<T> value_;
};

// A port that backends of services have.
struct BackendEnd {
  IpAddress address;
  PortProtocol port;

  friend auto operator<=>(const BackendEnd&, const BackendEnd&) = default;
};

struct Intent {
  Shared<std::map<std::string, EndpointOptions>> endpoints;  // by interface
  std::set<std::string> touched;  // endpoints that this change attaches
  SharedMap<IpAddress, RemoteOptions> remotes;  // by first address
  ServiceTable services;                        // as they were asked for
  SharedMap<BackendEnd, bool> unhealthy;        // by health results
  ServiceTable served;                          // with what they say
  Shared<Policies> policies;
  Shared<PolicyContext> context;
  // Addresses of names, beside those of the context; the value says nothing.
  SharedMap<NameAddress, bool> names;
  std::vector<Namespace> namespaces;
};

// Puts the service into both tables, or takes it out of them: false if it is
// not there.
void SetService(ServiceRef service, Intent& intent);
bool EraseService(const Frontend& frontend, Intent& intent);
// Replaces all of them; `services` ascend by frontend.
void SetServices(std::vector<std::pair<Frontend, ServiceRef>> services,
                 Intent& intent);
// O(services and their backends).
void SetHealth(const std::vector<BackendHealth>& health, Intent& intent);

// What the outside adds to an intent.
struct Surroundings {
  std::map<std::string, ResolvedLink> links;       // of the endpoints
  std::map<std::string, uint32_t> hop_interfaces;  // of the next hops
  std::vector<IpAddress> host_addresses;
};

// Of the addresses of a node's interfaces, leaves the host's, ascending: a pod
// in the host's network is the host, but an endpoint's address is its own.
void KeepOnlyTheHosts(const Intent& intent, std::vector<IpAddress>& addresses);

// In the order of `endpoints`, and of `remotes`.
PolicyInput PolicyInputOf(const Intent& intent,
                          const Surroundings& surroundings);

// A remote, or an endpoint, as policy sees it; and the namespace that its
// identity's labels speak of.
PolicyEndpoint PolicyEndpointOf(const IdentityRef& identity,
                                const std::vector<NamedPort>& ports,
                                const std::vector<IpAddress>& addresses);
Namespace NamespaceOf(const IdentityRef& identity);

// The interfaces of next hops of `next` that `surroundings`, which are of
// `before`, do not know.
std::set<std::string> NewHopInterfaces(const Intent& before, const Intent& next,
                                       const Surroundings& surroundings);

// `peers`: of PolicyInputOf the same, compiled.
DesiredNodes DesiredNodesOf(const Intent& intent,
                            const Surroundings& surroundings,
                            const PeerMap& peers);

// The same, where `before` is of `old` and `old_peers`, which have the same
// endpoints and prefixes. O(endpoints, and what changed).
DesiredNodes DesiredNodesAfter(const DesiredNodes& before, const Intent& old,
                               const PeerMap& old_peers, const Intent& intent,
                               const Surroundings& surroundings,
                               const PeerMap& peers);

// `nodes`: of an intent, `compiled`: of the same.
DesiredState DesiredStateOf(const Intent& intent,
                            std::shared_ptr<const DesiredNodes> nodes,
                            const CompiledPolicy& compiled);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_INTENT_INTERNAL_H_
