// SPDX-License-Identifier: Apache-2.0

// The services that the manifests of a cluster describe, with their backends.

#ifndef CILIUMCORE_SERVICE_CLUSTER_SERVICES_H_
#define CILIUMCORE_SERVICE_CLUSTER_SERVICES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/service/service.h"

namespace ciliumcore {

struct ClusterServicesOptions {
  // A service without an address gets the next free one of each.
  std::vector<IpPrefix> service_cidrs = {};
};

struct ClusterServices {
  // One for each address and port of each service, by cluster order: named
  // "ns/name:port".
  std::vector<ServiceOptions> services;
  // What may surprise: services without backends, ports that no pod or no slice
  // has, slices of no service.
  std::vector<std::string> notes;
};

// ClusterIP services (NodePort and LoadBalancer have one too) of TCP and UDP.
// The backends of a service are what its EndpointSlices say, or without any its
// Endpoints; those that end get weight 0 while others are ready. Otherwise they
// are the addresses of the pods that it selects; of a port that is named, those
// pods that have it. All are of the family of the service's address. Headless
// services, ExternalName and SCTP ports are left out.
//
// InvalidArgument if two services have one address and port, naming both;
// ResourceExhausted if a CIDR has too few addresses.
absl::StatusOr<ClusterServices> ServicesOf(
    const Cluster& cluster, const ClusterServicesOptions& options = {});

}  // namespace ciliumcore

#endif  // CILIUMCORE_SERVICE_CLUSTER_SERVICES_H_
