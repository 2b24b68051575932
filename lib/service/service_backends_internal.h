// SPDX-License-Identifier: Apache-2.0

// Who stands behind a service: what slices say, or else pods.

#ifndef CILIUMCORE_LIB_SERVICE_SERVICE_BACKENDS_INTERNAL_H_
#define CILIUMCORE_LIB_SERVICE_SERVICE_BACKENDS_INTERNAL_H_

#include <string>
#include <vector>

#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/service/service.h"

namespace ciliumcore::internal {

// Whose backends a frontend has.
struct Locality {
  std::string node = {};  // empty: every backend is its own
  std::string zone = {};  // empty: no hint is for it
  bool is_local = false;  // the traffic policy
};

// Refers to the cluster and the index that it is made of.
class BackendOrigin {
 public:
  BackendOrigin(const Cluster& cluster, const Service& service,
                const SliceIndex& index);

  // Of one family. By address, then port.
  std::vector<Backend> BackendsOf(const ServicePort& port, bool is_v4,
                                  const Locality& locality) const;

  // Why BackendsOf has none.
  std::string WhyNone(const ServicePort& port, bool is_v4,
                      const Locality& locality) const;

 private:
  std::vector<Backend> PodBackends(const ServicePort& port, bool is_v4,
                                   const Locality& locality) const;
  std::vector<Backend> SliceBackends(const ServicePort& port, bool is_v4,
                                     const Locality& locality) const;

  const Service& service_;
  std::vector<const EndpointSlice*> slices_;
  std::vector<const Pod*> pods_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_SERVICE_SERVICE_BACKENDS_INTERNAL_H_
