// SPDX-License-Identifier: Apache-2.0

// Services: an address and a port that stand for several backends.

#ifndef CILIUMCORE_SERVICE_SERVICE_H_
#define CILIUMCORE_SERVICE_SERVICE_H_

#include <compare>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"

namespace ciliumcore {

// What clients speak to. TCP or UDP.
struct Frontend {
  IpAddress address;
  PortProtocol port;

  // "10.96.0.10:80/TCP", "[fd00::a]:53/UDP".
  std::string ToString() const;

  friend auto operator<=>(const Frontend&, const Frontend&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const Frontend& frontend) {
    return H::combine(std::move(h), frontend.address, frontend.port);
  }
};

enum class BackendState : uint8_t {
  kActive,
  // Keeps the clients that it has, and gets new ones only where no active one
  // has a weight: Kubernetes' "serving and terminating".
  kTerminating,
  kQuarantined,  // unhealthy: its clients go elsewhere
  kMaintenance,  // keeps the clients that it has, gets no new ones
};

// "active", "terminating", "quarantined" or "maintenance".
absl::string_view BackendStateName(BackendState state);

inline constexpr uint32_t kMaxBackendWeight = 65535;

// What they reach; by the frontend's protocol and of its family.
struct Backend {
  IpAddress address;
  uint16_t port = 0;
  uint32_t weight = 1;  // 0: keeps the clients that it has, gets no new ones
  BackendState state = BackendState::kActive;

  friend auto operator<=>(const Backend&, const Backend&) = default;
};

// Whether whoever checks a backend finds it to answer.
struct BackendHealth {
  IpAddress address = {};
  PortProtocol port = {};
  bool is_healthy = true;

  friend auto operator<=>(const BackendHealth&, const BackendHealth&) = default;
};

// What kind of address a frontend has.
enum class FrontendKind : uint8_t {
  kClusterIp,
  kExternalIp,
  kLoadBalancer,
  kNodePort,
  kHostPort,
};

// "ClusterIP", "ExternalIP", "LoadBalancer", "NodePort" or "HostPort".
absl::string_view FrontendKindName(FrontendKind kind);

enum class Affinity {
  kNone,      // each connection by itself
  kClientIp,  // of one client all reach the same backend, while it lives
};

struct ServiceOptions {
  std::string name = {};  // for people: "shop/cart:http"
  Frontend frontend = {};
  std::vector<Backend> backends = {};  // none: connections are refused
  Affinity affinity = Affinity::kNone;
  // How long after its last connection a client is remembered.
  absl::Duration affinity_timeout = absl::Hours(3);
  FrontendKind kind = FrontendKind::kClusterIp;
  // Who may come from outside: these only, or all but these. Empty: everybody.
  // A socket of this node is inside, whatever they say.
  std::vector<IpPrefix> source_ranges = {};
  bool source_ranges_deny = false;

  // "shop/cart:http 10.96.0.10:80/TCP", for errors.
  std::string ToString() const;

  friend bool operator==(const ServiceOptions&,
                         const ServiceOptions&) = default;
};

// The backends that clients may have, with the weights that are in force: 0 for
// those that only keep their clients. In the service's order; without those
// that are quarantined.
std::vector<Backend> BackendsInForce(const ServiceOptions& service);

// Whether one of those has the backend's address and port.
bool IsServedBy(const Backend& backend, const ServiceOptions& service);

// InvalidArgument, naming the service: the frontend is no TCP or UDP port of an
// address, a backend or a source range is of another family, two backends are
// one, more than 65,535 of them, a weight above 65,535, or an affinity time-out
// outside 1 s .. 1 day.
absl::Status ValidateService(const ServiceOptions& service);

}  // namespace ciliumcore

#endif  // CILIUMCORE_SERVICE_SERVICE_H_
