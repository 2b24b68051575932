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

// What they reach; by the frontend's protocol and of its family.
struct Backend {
  IpAddress address;
  uint16_t port = 0;
  uint32_t weight = 1;  // 0: keeps the clients that it has, gets no new ones

  friend auto operator<=>(const Backend&, const Backend&) = default;
};

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

  // "shop/cart:http 10.96.0.10:80/TCP", for errors.
  std::string ToString() const;

  friend bool operator==(const ServiceOptions&,
                         const ServiceOptions&) = default;
};

// InvalidArgument, naming the service: the frontend is no TCP or UDP port of an
// address, a backend is of another family, two backends are one, more than
// 65,535 of them, or an affinity time-out outside 1 s .. 1 day.
absl::Status ValidateService(const ServiceOptions& service);

}  // namespace ciliumcore

#endif  // CILIUMCORE_SERVICE_SERVICE_H_
