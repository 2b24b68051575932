// SPDX-License-Identifier: Apache-2.0

// Services as they were asked for, and as health results leave them.

#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "lib/datapath/intent_internal.h"

namespace ciliumcore::internal {
namespace {

BackendEnd EndOf(const ServiceOptions& service, const Backend& backend) {
  return {.address = backend.address,
          .port = {.protocol = service.frontend.port.protocol,
                   .port = backend.port}};
}

template <typename Ends>
bool HasAnyOf(const ServiceOptions& service, const Ends& ends) {
  return !ends.empty() &&
         std::any_of(service.backends.begin(), service.backends.end(),
                     [&](const Backend& backend) {
                       return ends.contains(EndOf(service, backend));
                     });
}

// Nobody sends clients to a backend that does not answer, whatever its state.
ServiceRef Served(const ServiceRef& service,
                  const SharedMap<BackendEnd, bool>& unhealthy) {
  if (!HasAnyOf(*service, unhealthy)) return service;
  ServiceOptions served = *service;
  for (Backend& backend : served.backends) {
    if (unhealthy.contains(EndOf(served, backend)))
      backend.state = BackendState::kQuarantined;
  }
  return std::make_shared<const ServiceOptions>(std::move(served));
}

}  // namespace

void SetService(ServiceRef service, Intent& intent) {
  const Frontend frontend = service->frontend;
  intent.served.Set(frontend, Served(service, intent.unhealthy));
  intent.services.Set(frontend, std::move(service));
}

bool EraseService(const Frontend& frontend, Intent& intent) {
  intent.served.Erase(frontend);
  return intent.services.Erase(frontend);
}

void SetServices(std::vector<std::pair<Frontend, ServiceRef>> services,
                 Intent& intent) {
  intent.services = ServiceTable::FromSorted(services);
  for (auto& [frontend, service] : services)
    service = Served(service, intent.unhealthy);
  intent.served = ServiceTable::FromSorted(std::move(services));
}

void SetHealth(const std::vector<BackendHealth>& health, Intent& intent) {
  std::set<BackendEnd> changed;
  for (const BackendHealth& one : health) {
    const BackendEnd end = {.address = one.address, .port = one.port};
    if (intent.unhealthy.contains(end) != one.is_healthy) continue;
    if (one.is_healthy) {
      intent.unhealthy.Erase(end);
    } else {
      intent.unhealthy.Set(end, true);
    }
    changed.insert(end);
  }
  for (const auto& [frontend, service] : intent.services) {
    if (HasAnyOf(*service, changed))
      intent.served.Set(frontend, Served(service, intent.unhealthy));
  }
}

}  // namespace ciliumcore::internal
