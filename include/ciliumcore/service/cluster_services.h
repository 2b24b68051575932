// SPDX-License-Identifier: Apache-2.0

// The services that the manifests of a cluster describe, with their backends,
// as one node sees them.

#ifndef CILIUMCORE_SERVICE_CLUSTER_SERVICES_H_
#define CILIUMCORE_SERVICE_CLUSTER_SERVICES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/service/service.h"

namespace ciliumcore {

// Whose traffic the services are for.
enum class ServiceScope {
  kInternal,  // of pods and of the node itself: all frontends
  kExternal,  // what comes to the node from outside: all but cluster IPs
};

struct ClusterServicesOptions {
  // A service without an address gets the next free one of each.
  std::vector<IpPrefix> service_cidrs = {};
  ServiceScope scope = ServiceScope::kInternal;
  // The node, by its name. Traffic policies Local, hints of slices and host
  // ports are about it: without a name every backend counts as its own, no hint
  // is for it, and host ports are left out.
  std::string node = {};
  // Where NodePorts and host ports are: by default, the addresses of its Node.
  std::vector<IpAddress> node_addresses = {};
};

struct ClusterServices {
  // One for each address and port, named "ns/name:port": cluster IPs by cluster
  // order; balancers' addresses; external IPs; node ports; then host ports by
  // pod, "ns/pod:80". Of two that have one address and port, the first.
  std::vector<ServiceOptions> services;
  // What may surprise: services without backends, ports that no pod or no slice
  // has, slices of no service, frontends that are another's.
  std::vector<std::string> notes;
};

// Services of TCP and UDP: cluster IPs, external IPs, the addresses that a load
// balancer gave (ipMode VIP), node ports, and host ports of pods. Headless
// services, ExternalName and SCTP ports are left out, and so are the addresses
// of balancers that are no VIPs, those of a family that the service has not,
// and host ports of pods that have no address of the node's family.
//
// The backends of a service are what its EndpointSlices say, or without any its
// Endpoints; those that end while they serve are kTerminating. Otherwise they
// are the addresses of the pods that it selects; of a port that is named, those
// pods that have it. All are of the family of the service's address.
//
// Of these a node has
// - its own, if the traffic policy that applies is Local: the internal one for
//   cluster IPs; the external one for all other frontends in kExternal. In
//   kInternal, those have them all, as in kube-proxy;
// - else those whose hints name the node; else those whose hints name its zone
//   (label topology.kubernetes.io/zone). Hints count only if every endpoint
//   that is ready has one of that kind, and one names this node, or this zone
//   (KEP-2433).
//
// InvalidArgument if two services have one cluster IP and port, naming both, or
// there is no Node of that name and one is needed; ResourceExhausted if a CIDR
// has too few addresses.
absl::StatusOr<ClusterServices> ServicesOf(
    const Cluster& cluster, const ClusterServicesOptions& options = {});

}  // namespace ciliumcore

#endif  // CILIUMCORE_SERVICE_CLUSTER_SERVICES_H_
