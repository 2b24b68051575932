// SPDX-License-Identifier: Apache-2.0

// A cluster in a box, with its datapath.

#ifndef CILIUMCORE_TOOLS_CCORE_LAB_H_
#define CILIUMCORE_TOOLS_CCORE_LAB_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/net/cgroup.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "ciliumcore/policy/matrix.h"
#include "ciliumcore/service/service.h"
#include "tools/ccore/lab/sockets.h"
#include "tools/ccore/lab/topology.h"

namespace ciliumcore::ccore {

// A probe, and what the compiler says of it.
struct LabProbe {
  size_t source = 0;                  // a host of the lab
  std::optional<size_t> destination;  // likewise, or
  std::optional<size_t> service;      // one of its services
  Probe probe;
  bool expected = false;
  bool needs_proxy = false;  // not expected, but for want of a proxy

  bool agrees() const { return probe.reached == expected; }
};

// How connections to a service spread over its backends.
struct ServiceSpread {
  size_t service = 0;  // one of the lab's
  uint32_t connects = 0;
  std::map<LabAnswer, uint32_t> answers = {};  // by backend; the rest failed
};

// What getaddrinfo says in pods.
struct NameCheck {
  size_t names = 0;  // looked up, also those that must not be found
  std::vector<std::string> wrong = {};
};

// A lab has one node, which pods in the host's network share: no node of
// `cluster` has their addresses any more.
void PutHostPodsOnOneNode(Cluster& cluster);

using LabListener = std::pair<IpAddress, PortProtocol>;

// Namespaces, programs, listeners. Everything goes with it, unless it is kept:
// then nothing does.
class RunningLab {
 public:
  // `cluster` has addresses for its pods. Of a lab that is kept, takes over
  // what there is.
  static absl::StatusOr<std::unique_ptr<RunningLab>> Start(
      CompiledCluster cluster,
      std::optional<LabKeeping> keeping = std::nullopt);

  bool is_kept() const { return keeping_.has_value(); }

  const CompiledCluster& cluster() const { return cluster_; }
  const Matrix& matrix() const { return matrix_; }
  const Lab& lab() const { return *lab_; }
  Datapath& datapath() { return *datapath_; }
  const std::vector<IdentityRef>& identities() const { return identities_; }
  // Who or what is not probed, and why.
  const std::vector<std::string>& notes() const { return notes_; }

  // Puts other policies into force.
  absl::Status SetPolicies(Policies policies);

  // The services, with the addresses that were assigned.
  const std::vector<ServiceOptions>& services() const { return services_; }

  // Probes all pairs, on all container ports of the destination, on those where
  // verdicts change, and on one that no container has, by TCP and UDP; and from
  // all pods all services, but for
  // those of whose backends policies allow some only. Those that should arrive
  // and do not are tried once more, for longer.
  absl::StatusOr<std::vector<LabProbe>> ProbeAll();

  // Connects so many times to each service that somebody reaches whichever
  // backend it is, from all who do in turn, and asks who answers.
  absl::StatusOr<std::vector<ServiceSpread>> Spread(uint32_t connects);

  // Looks up the names of all services in pods of each namespace.
  absl::StatusOr<NameCheck> CheckNames() const;

  // Turns around a live verdict that ProbeAll meets; returns which.
  absl::StatusOr<std::string> PlantFault();

 private:
  RunningLab(CompiledCluster cluster, std::optional<LabKeeping> keeping)
      : keeping_(std::move(keeping)),
        cluster_(std::move(cluster)),
        matrix_(ComputeMatrix(cluster_)) {}

  LabKeeping* Keeping() { return keeping_.has_value() ? &*keeping_ : nullptr; }

  void NoteUnprobed();
  absl::Status PrepareServices();
  absl::Status StartDatapath();
  std::vector<std::pair<const LabHost*, LabListener>> AllListeners() const;
  absl::Status StartListeners();
  absl::Status KeepListeners();
  bool HasListener(const IpAddress& address) const;
  std::vector<PortProtocol> PortsOf(const LabHost& host) const;
  std::vector<LabProbe> PlanProbes() const;
  void PlanServiceProbes(std::vector<LabProbe>& probes) const;
  std::optional<bool> ExpectedOf(const LabHost& source,
                                 const IpAddress& address,
                                 const ServiceOptions& service) const;

  std::optional<LabKeeping> keeping_;
  std::optional<Cgroup> cgroup_;  // ours, if there are services
  std::vector<ServiceOptions> services_;
  CompiledCluster cluster_;
  Matrix matrix_;
  IdentityAllocator allocator_;
  std::vector<IdentityRef> identities_;  // by pod
  std::optional<Lab> lab_;
  std::optional<Datapath> datapath_;
  std::unique_ptr<Listeners> listeners_;
  std::set<Protocol> unavailable_;  // in this kernel
  std::vector<std::string> notes_;
};

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_LAB_H_
