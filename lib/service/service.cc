// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/service/service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace ciliumcore {
namespace {

constexpr size_t kMostBackends = 65535;

std::string Text(const IpAddress& address, uint16_t port) {
  return address.is_v4() ? absl::StrCat(address.ToString(), ":", port)
                         : absl::StrCat("[", address.ToString(), "]:", port);
}

absl::Status Invalid(const ServiceOptions& service, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("service ", service.ToString(), ": ", what));
}

}  // namespace

absl::string_view BackendStateName(BackendState state) {
  switch (state) {
    case BackendState::kActive:
      return "active";
    case BackendState::kTerminating:
      return "terminating";
    case BackendState::kQuarantined:
      return "quarantined";
    case BackendState::kMaintenance:
      return "maintenance";
  }
  return "";
}

absl::string_view FrontendKindName(FrontendKind kind) {
  switch (kind) {
    case FrontendKind::kClusterIp:
      return "ClusterIP";
    case FrontendKind::kExternalIp:
      return "ExternalIP";
    case FrontendKind::kLoadBalancer:
      return "LoadBalancer";
    case FrontendKind::kNodePort:
      return "NodePort";
    case FrontendKind::kHostPort:
      return "HostPort";
  }
  return "";
}

std::vector<Backend> BackendsInForce(const ServiceOptions& service) {
  const bool any_active = std::any_of(
      service.backends.begin(), service.backends.end(),
      [](const Backend& backend) {
        return backend.state == BackendState::kActive && backend.weight != 0;
      });
  std::vector<Backend> in_force;
  in_force.reserve(service.backends.size());
  for (Backend backend : service.backends) {
    if (backend.state == BackendState::kQuarantined) continue;
    if (backend.state == BackendState::kMaintenance ||
        (backend.state == BackendState::kTerminating && any_active)) {
      backend.weight = 0;
    }
    in_force.push_back(backend);
  }
  return in_force;
}

bool IsServedBy(const Backend& backend, const ServiceOptions& service) {
  return std::any_of(service.backends.begin(), service.backends.end(),
                     [&](const Backend& one) {
                       return one.state != BackendState::kQuarantined &&
                              one.address == backend.address &&
                              one.port == backend.port;
                     });
}

std::string Frontend::ToString() const {
  return absl::StrCat(Text(address, port.port), "/",
                      ProtocolName(port.protocol));
}

std::string ServiceOptions::ToString() const {
  return absl::StrCat(name, name.empty() ? "" : " ", frontend.ToString());
}

absl::Status ValidateService(const ServiceOptions& service) {
  const auto& [address, port] = service.frontend;
  if (port.protocol != Protocol::kTcp && port.protocol != Protocol::kUdp) {
    return Invalid(service, "expected TCP or UDP");
  }
  if (address == IpAddress() || port.port == 0) {
    return Invalid(service, "expected an address and a port");
  }
  if (service.backends.size() > kMostBackends) {
    return Invalid(service,
                   absl::StrCat("expected at most ", kMostBackends,
                                " backends, found ", service.backends.size()));
  }
  std::vector<std::pair<IpAddress, uint16_t>> seen;
  for (const Backend& backend : service.backends) {
    if (backend.address.is_v4() != address.is_v4()) {
      return Invalid(service, absl::StrCat("its backend ",
                                           Text(backend.address, backend.port),
                                           " is of the other address family"));
    }
    if (backend.port == 0) {
      return Invalid(service,
                     absl::StrCat("its backend ", backend.address.ToString(),
                                  " has no port"));
    }
    if (backend.weight > kMaxBackendWeight) {
      return Invalid(
          service,
          absl::StrCat("its backend ", Text(backend.address, backend.port),
                       ": expected a weight of at most ", kMaxBackendWeight,
                       ", found ", backend.weight));
    }
    seen.emplace_back(backend.address, backend.port);
  }
  for (const IpPrefix& range : service.source_ranges) {
    if (range.is_v4() != address.is_v4()) {
      return Invalid(service,
                     absl::StrCat("its source range ", range.ToString(),
                                  " is of the other address family"));
    }
  }
  std::sort(seen.begin(), seen.end());
  const auto twice = std::adjacent_find(seen.begin(), seen.end());
  if (twice != seen.end()) {
    return Invalid(
        service, absl::StrCat("its backend ", Text(twice->first, twice->second),
                              " is there twice"));
  }
  if (service.affinity == Affinity::kClientIp &&
      (service.affinity_timeout < absl::Seconds(1) ||
       service.affinity_timeout > absl::Hours(24))) {
    return Invalid(
        service, absl::StrCat("expected an affinity time-out of 1 s to 1 "
                              "day, found ",
                              absl::FormatDuration(service.affinity_timeout)));
  }
  return absl::OkStatus();
}

}  // namespace ciliumcore
