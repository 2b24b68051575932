// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/service/cluster_services.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ciliumcore {
namespace {

std::string NameOf(const Service& service) {
  return absl::StrCat(service.ns, "/", service.name);
}

bool HasFrontend(const Service& service) {
  return !service.is_headless && service.type != "ExternalName";
}

// The next address of `prefix` after `last` that nobody has.
std::optional<IpAddress> NextFree(const IpPrefix& prefix, const IpAddress& last,
                                  const std::set<IpAddress>& taken) {
  auto bytes = last.bytes();
  while (true) {
    int i = 15;
    while (i >= 0 && ++bytes[i] == 0) --i;
    const IpAddress next = IpAddress::FromBytes(bytes);
    if (!prefix.Contains(next)) return std::nullopt;
    if (!taken.contains(next)) return next;
  }
}

// Gives addresses to services that have none.
class AddressBook {
 public:
  AddressBook(const Cluster& cluster, const ClusterServicesOptions& options) {
    for (const IpPrefix& cidr : options.service_cidrs)
      last_.emplace_back(cidr, cidr.address());
    for (const Service& service : cluster.services)
      taken_.insert(service.cluster_ips.begin(), service.cluster_ips.end());
  }

  absl::StatusOr<std::vector<IpAddress>> Of(const Service& service) {
    if (!service.cluster_ips.empty()) return service.cluster_ips;
    std::vector<IpAddress> addresses;
    for (auto& [cidr, last] : last_) {
      const std::optional<IpAddress> next = NextFree(cidr, last, taken_);
      if (!next.has_value()) {
        return absl::ResourceExhaustedError(
            absl::StrCat("service ", NameOf(service), ": ", cidr.ToString(),
                         " has no free address"));
      }
      last = *next;
      taken_.insert(last);
      addresses.push_back(last);
    }
    return addresses;
  }

 private:
  std::vector<std::pair<IpPrefix, IpAddress>> last_;
  std::set<IpAddress> taken_;
};

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

std::vector<Backend> PodBackends(const ServicePort& port,
                                 const std::vector<const Pod*>& pods,
                                 bool is_v4) {
  std::vector<Backend> backends;
  for (const Pod* pod : pods) {
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

bool Means(const SlicePort& of_slice, const ServicePort& port) {
  return of_slice.port.has_value() && of_slice.name == port.name &&
         of_slice.protocol == port.port.protocol;
}

// Those that are ready. Those that end and still serve keep the clients that
// they have; where nobody is ready, they get the new ones as well.
std::vector<Backend> SliceBackends(
    const ServicePort& port, const std::vector<const EndpointSlice*>& slices,
    bool is_v4) {
  // Slices may overlap for a while; ready is what one of them calls ready.
  std::map<std::pair<IpAddress, uint16_t>, bool> are_ready;
  bool any_ready = false;
  for (const EndpointSlice* slice : slices) {
    for (const SlicePort& of_slice : slice->ports) {
      if (!Means(of_slice, port)) continue;
      for (const SliceEndpoint& endpoint : slice->endpoints) {
        const bool is_draining = endpoint.is_serving && endpoint.is_terminating;
        if (!endpoint.is_ready && !is_draining) continue;
        for (const IpAddress& address : endpoint.addresses) {
          if (address.is_v4() != is_v4) continue;
          are_ready[{address, *of_slice.port}] |= endpoint.is_ready;
          any_ready |= endpoint.is_ready;
        }
      }
    }
  }
  std::vector<Backend> backends;
  backends.reserve(are_ready.size());
  for (const auto& [at, is_ready] : are_ready) {
    backends.push_back({.address = at.first,
                        .port = at.second,
                        .weight = is_ready || !any_ready ? 1u : 0u});
  }
  return backends;
}

// What manifests say of one service's backends: slices, or else pods.
struct Origin {
  std::vector<const EndpointSlice*> slices;
  std::vector<const Pod*> pods;

  std::vector<Backend> BackendsOf(const ServicePort& port, bool is_v4) const {
    return slices.empty() ? PodBackends(port, pods, is_v4)
                          : SliceBackends(port, slices, is_v4);
  }

  std::string WhyNone(const Service& service, const ServicePort& port) const {
    if (!slices.empty()) {
      const auto has_port = [&](const EndpointSlice* slice) {
        return std::any_of(
            slice->ports.begin(), slice->ports.end(),
            [&](const SlicePort& of_slice) { return Means(of_slice, port); });
      };
      return std::any_of(slices.begin(), slices.end(), has_port)
                 ? "its slices have no endpoint of its family that is ready"
                 : absl::StrCat("its slices have no ",
                                ProtocolName(port.port.protocol), " port \"",
                                port.name, "\" with a number");
    }
    if (!service.selector.has_value())
      return "it has no selector and no slices";
    if (pods.empty()) return "it selects no pod";
    if (!port.target_name.empty()) {
      return absl::StrCat("no pod that it selects has a port ",
                          port.target_name);
    }
    return "no pod that it selects has an address of its family";
  }
};

Origin OriginOf(const Cluster& cluster, const Service& service,
                const SliceIndex& index) {
  Origin origin;
  const auto slices = index.find({service.ns, service.name});
  if (slices != index.end()) origin.slices = slices->second;
  for (const Pod& pod : cluster.pods) {
    if (pod.ns == service.ns && service.selector.has_value() &&
        service.selector->Matches(pod.labels))
      origin.pods.push_back(&pod);
  }
  return origin;
}

// Slices that nobody asks.
void NoteStraySlices(const Cluster& cluster, SliceIndex index,
                     std::vector<std::string>& notes) {
  for (const Service& service : cluster.services)
    index.erase({service.ns, service.name});
  for (const auto& [service, slices] : index) {
    for (const EndpointSlice* slice : slices) {
      notes.push_back(absl::StrCat(
          slice->is_endpoints ? "Endpoints " : "EndpointSlice ", slice->ns, "/",
          slice->name, ": there is no service ", slice->service));
    }
  }
}

}  // namespace

absl::StatusOr<ClusterServices> ServicesOf(
    const Cluster& cluster, const ClusterServicesOptions& options) {
  AddressBook book(cluster, options);
  const SliceIndex index = IndexSlices(cluster);
  ClusterServices out;
  std::map<Frontend, std::string> owners;
  for (const Service& service : cluster.services) {
    if (!HasFrontend(service)) continue;
    const absl::StatusOr<std::vector<IpAddress>> addresses = book.Of(service);
    if (!addresses.ok()) return addresses.status();
    const Origin origin = OriginOf(cluster, service, index);
    for (const ServicePort& port : service.ports) {
      if (port.port.protocol != Protocol::kTcp &&
          port.port.protocol != Protocol::kUdp)
        continue;
      const std::string name = absl::StrCat(
          NameOf(service), ":",
          port.name.empty() ? absl::StrCat(port.port.port) : port.name);
      for (const IpAddress& address : *addresses) {
        ServiceOptions options_of = {
            .name = name,
            .frontend = {.address = address, .port = port.port},
            .backends = origin.BackendsOf(port, address.is_v4())};
        if (service.affinity_seconds.has_value()) {
          options_of.affinity = Affinity::kClientIp;
          options_of.affinity_timeout =
              absl::Seconds(*service.affinity_seconds);
        }
        const auto [owner, is_new] = owners.emplace(options_of.frontend, name);
        if (!is_new) {
          return absl::InvalidArgumentError(absl::StrCat(
              "service ", options_of.ToString(),
              ": its frontend is also that of service ", owner->second));
        }
        if (options_of.backends.empty()) {
          out.notes.push_back(absl::StrCat("service ", options_of.ToString(),
                                           ": ",
                                           origin.WhyNone(service, port)));
        }
        out.services.push_back(std::move(options_of));
      }
    }
  }
  NoteStraySlices(cluster, index, out.notes);
  return out;
}

}  // namespace ciliumcore
