// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/service/cluster_services.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

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

std::vector<Backend> BackendsOf(const ServicePort& port,
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

}  // namespace

absl::StatusOr<ClusterServices> ServicesOf(
    const Cluster& cluster, const ClusterServicesOptions& options) {
  AddressBook book(cluster, options);
  ClusterServices out;
  std::map<Frontend, std::string> owners;
  for (const Service& service : cluster.services) {
    if (!HasFrontend(service)) continue;
    const absl::StatusOr<std::vector<IpAddress>> addresses = book.Of(service);
    if (!addresses.ok()) return addresses.status();
    std::vector<const Pod*> pods;
    for (const Pod& pod : cluster.pods) {
      if (pod.ns == service.ns && service.selector.has_value() &&
          service.selector->Matches(pod.labels))
        pods.push_back(&pod);
    }
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
            .backends = BackendsOf(port, pods, address.is_v4())};
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
          out.notes.push_back(absl::StrCat(
              "service ", options_of.ToString(), ": ",
              !service.selector.has_value() ? "it has no selector"
              : pods.empty()                ? "it selects no pod"
              : !port.target_name.empty()
                  ? absl::StrCat("no pod that it selects has a port ",
                                 port.target_name)
                  : "no pod that it selects has an address of its family"));
        }
        out.services.push_back(std::move(options_of));
      }
    }
  }
  return out;
}

}  // namespace ciliumcore
