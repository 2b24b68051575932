// SPDX-License-Identifier: Apache-2.0
#include "lib/service/service_backends_internal.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ciliumcore::internal {
namespace {

// The pod's port that a service's port means, if it has it.
std::optional<uint16_t> TargetOf(const ServicePort& port, const Pod& pod) {
  if (port.target_port.has_value()) return port.target_port;
  if (port.target_name.empty()) return port.port.port;
  for (const NamedPort& named : pod.ports) {
    if (named.name == port.target_name &&
        named.port.protocol == port.port.protocol)
      return named.port.port;
  }
  return std::nullopt;
}

bool Means(const SlicePort& of_slice, const ServicePort& port) {
  return of_slice.port.has_value() && of_slice.name == port.name &&
         of_slice.protocol == port.port.protocol;
}

bool IsOwn(const std::string& node, const Locality& locality) {
  return locality.node.empty() || node == locality.node;
}

bool Names(const std::vector<std::string>& hints, const std::string& wanted) {
  return std::find(hints.begin(), hints.end(), wanted) != hints.end();
}

// An endpoint that takes connections, on one of its ports.
struct Serving {
  const SliceEndpoint* endpoint;
  IpAddress address;
  uint16_t port;
};

// Of those that are ready, leaves those whose hints name `wanted`, if that is
// how it is meant; whether it is. Who ends has no hints any more.
bool FollowHints(std::vector<std::string> SliceEndpoint::*hints,
                 const std::string& wanted, std::vector<Serving>& serving) {
  bool any_named = false;
  for (const Serving& one : serving) {
    if (!one.endpoint->is_ready) continue;
    const std::vector<std::string>& given = one.endpoint->*hints;
    if (given.empty()) return false;
    any_named |= Names(given, wanted);
  }
  if (!any_named) return false;
  std::erase_if(serving, [&](const Serving& one) {
    return one.endpoint->is_ready && !Names(one.endpoint->*hints, wanted);
  });
  return true;
}

}  // namespace

BackendOrigin::BackendOrigin(const Cluster& cluster, const Service& service,
                             const SliceIndex& index)
    : service_(service) {
  const auto slices = index.find({service.ns, service.name});
  if (slices != index.end()) slices_ = slices->second;
  for (const Pod& pod : cluster.pods) {
    if (pod.ns == service.ns && service.selector.has_value() &&
        service.selector->Matches(pod.labels))
      pods_.push_back(&pod);
  }
}

std::vector<Backend> BackendOrigin::BackendsOf(const ServicePort& port,
                                               bool is_v4,
                                               const Locality& locality) const {
  return slices_.empty() ? PodBackends(port, is_v4, locality)
                         : SliceBackends(port, is_v4, locality);
}

std::vector<Backend> BackendOrigin::PodBackends(
    const ServicePort& port, bool is_v4, const Locality& locality) const {
  std::vector<Backend> backends;
  for (const Pod* pod : pods_) {
    if (locality.is_local && !IsOwn(pod->node, locality)) continue;
    const std::optional<uint16_t> target = TargetOf(port, *pod);
    if (!target.has_value()) continue;
    for (const IpAddress& address : pod->addresses) {
      if (address.is_v4() == is_v4)
        backends.push_back({.address = address, .port = *target});
    }
  }
  // Pods of the host's network may share an address.
  std::sort(backends.begin(), backends.end());
  backends.erase(std::unique(backends.begin(), backends.end()), backends.end());
  return backends;
}

std::vector<Backend> BackendOrigin::SliceBackends(
    const ServicePort& port, bool is_v4, const Locality& locality) const {
  std::vector<Serving> serving;
  for (const EndpointSlice* slice : slices_) {
    for (const SlicePort& of_slice : slice->ports) {
      if (!Means(of_slice, port)) continue;
      for (const SliceEndpoint& endpoint : slice->endpoints) {
        const bool is_draining = endpoint.is_serving && endpoint.is_terminating;
        if (!endpoint.is_ready && !is_draining) continue;
        if (locality.is_local && !IsOwn(endpoint.node, locality)) continue;
        for (const IpAddress& address : endpoint.addresses) {
          if (address.is_v4() != is_v4) continue;
          serving.push_back({&endpoint, address, *of_slice.port});
        }
      }
    }
  }
  if (!locality.is_local &&
      !FollowHints(&SliceEndpoint::for_nodes, locality.node, serving)) {
    FollowHints(&SliceEndpoint::for_zones, locality.zone, serving);
  }
  // Slices may overlap for a while; ready is what one of them calls ready.
  std::map<std::pair<IpAddress, uint16_t>, bool> are_ready;
  for (const auto& [endpoint, address, number] : serving)
    are_ready[{address, number}] |= endpoint->is_ready;
  std::vector<Backend> backends;
  backends.reserve(are_ready.size());
  for (const auto& [at, is_ready] : are_ready) {
    backends.push_back({.address = at.first,
                        .port = at.second,
                        .state = is_ready ? BackendState::kActive
                                          : BackendState::kTerminating});
  }
  return backends;
}

std::string BackendOrigin::WhyNone(const ServicePort& port, bool is_v4,
                                   const Locality& locality) const {
  if (locality.is_local && !BackendsOf(port, is_v4, {}).empty()) {
    return absl::StrCat("its traffic policy is Local, and node ", locality.node,
                        " has none of its backends");
  }
  if (!slices_.empty()) {
    const auto has_port = [&](const EndpointSlice* slice) {
      return std::any_of(
          slice->ports.begin(), slice->ports.end(),
          [&](const SlicePort& of_slice) { return Means(of_slice, port); });
    };
    return std::any_of(slices_.begin(), slices_.end(), has_port)
               ? "its slices have no endpoint of its family that is ready"
               : absl::StrCat("its slices have no ",
                              ProtocolName(port.port.protocol), " port \"",
                              port.name, "\" with a number");
  }
  if (!service_.selector.has_value()) return "it has no selector and no slices";
  if (pods_.empty()) return "it selects no pod";
  if (!port.target_name.empty()) {
    return absl::StrCat("no pod that it selects has a port ", port.target_name);
  }
  return "no pod that it selects has an address of its family";
}

}  // namespace ciliumcore::internal
