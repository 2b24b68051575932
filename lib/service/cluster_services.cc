// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/service/cluster_services.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/service/service_backends_internal.h"

namespace ciliumcore {
namespace {

constexpr absl::string_view kZoneLabel = "topology.kubernetes.io/zone";

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

// Of two services that want one address and port, the one whose kind is first.
constexpr FrontendKind kKindsOfServices[] = {
    FrontendKind::kClusterIp, FrontendKind::kLoadBalancer,
    FrontendKind::kExternalIp, FrontendKind::kNodePort};

bool HasFamily(const Service& service, bool is_v4) {
  const std::optional<bool>& said = is_v4 ? service.has_v4 : service.has_v6;
  if (said.has_value()) return *said;
  return service.cluster_ips.empty() ||
         std::any_of(
             service.cluster_ips.begin(), service.cluster_ips.end(),
             [&](const IpAddress& own) { return own.is_v4() == is_v4; });
}

// Makes the services of one cluster, in order.
class Builder {
 public:
  Builder(const Cluster& cluster, const ClusterServicesOptions& options)
      : cluster_(cluster), options_(options), book_(cluster, options) {}

  absl::StatusOr<ClusterServices> Build() {
    CC_RETURN_IF_ERROR(FindNode());
    const SliceIndex index = IndexSlices(cluster_);
    std::vector<std::pair<const Service*, internal::BackendOrigin>> origins;
    for (const Service& service : cluster_.services) {
      if (!HasFrontend(service)) continue;
      origins.emplace_back(&service,
                           internal::BackendOrigin(cluster_, service, index));
    }
    for (const FrontendKind kind : kKindsOfServices) {
      for (const auto& [service, origin] : origins)
        CC_RETURN_IF_ERROR(AddService(*service, kind, origin));
    }
    for (const Pod& pod : cluster_.pods) CC_RETURN_IF_ERROR(AddHostPorts(pod));
    NoteStraySlices(cluster_, index, out_.notes);
    return std::move(out_);
  }

 private:
  absl::Status FindNode() {
    node_addresses_ = options_.node_addresses;
    locality_.node = options_.node;
    if (options_.node.empty()) return absl::OkStatus();
    const auto node = cluster_.nodes.find(options_.node);
    if (node == cluster_.nodes.end()) {
      // Then only what is given can be known of it.
      if (!node_addresses_.empty()) return absl::OkStatus();
      return absl::InvalidArgumentError(
          absl::StrCat("node ", options_.node,
                       ": expected a Node of that name, found none"));
    }
    const std::string* zone = node->second.labels.Get(kZoneLabel);
    if (zone != nullptr) locality_.zone = *zone;
    if (node_addresses_.empty()) node_addresses_ = node->second.addresses;
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<IpAddress>> AddressesOf(const Service& service,
                                                     FrontendKind kind) {
    if (kind == FrontendKind::kClusterIp) {
      if (options_.scope == ServiceScope::kInternal) return book_.Of(service);
      return std::vector<IpAddress>();
    }
    std::vector<IpAddress> found;
    if (kind == FrontendKind::kExternalIp) found = service.external_ips;
    if (kind == FrontendKind::kLoadBalancer && service.type == "LoadBalancer")
      found = service.load_balancer_ips;
    if (kind == FrontendKind::kNodePort && service.type != "ClusterIP")
      found = node_addresses_;
    std::erase_if(found, [&](const IpAddress& address) {
      return !HasFamily(service, address.is_v4());
    });
    return found;
  }

  absl::Status AddService(const Service& service, FrontendKind kind,
                          const internal::BackendOrigin& origin) {
    CC_ASSIGN_OR_RETURN(const std::vector<IpAddress> addresses,
                        AddressesOf(service, kind));
    for (const ServicePort& port : service.ports) {
      if (!IsBalanced(port.port.protocol)) continue;
      PortProtocol number = port.port;
      if (kind == FrontendKind::kNodePort) number.port = port.node_port;
      if (number.port == 0) continue;  // not known yet
      for (const IpAddress& address : addresses) {
        CC_RETURN_IF_ERROR(
            AddFrontend(service, port, kind, {address, number}, origin));
      }
    }
    return absl::OkStatus();
  }

  absl::Status AddFrontend(const Service& service, const ServicePort& port,
                           FrontendKind kind, const Frontend& frontend,
                           const internal::BackendOrigin& origin) {
    const bool is_cluster_ip = kind == FrontendKind::kClusterIp;
    internal::Locality locality = locality_;
    locality.is_local = is_cluster_ip
                            ? service.is_internally_local
                            : service.is_externally_local &&
                                  options_.scope == ServiceScope::kExternal;
    const bool is_v4 = frontend.address.is_v4();
    ServiceOptions made = {
        .name = absl::StrCat(
            NameOf(service), ":",
            port.name.empty() ? absl::StrCat(port.port.port) : port.name),
        .frontend = frontend,
        .backends = origin.BackendsOf(port, is_v4, locality),
        .kind = kind};
    if (service.affinity_seconds.has_value()) {
      made.affinity = Affinity::kClientIp;
      made.affinity_timeout = absl::Seconds(*service.affinity_seconds);
    }
    if (kind == FrontendKind::kLoadBalancer) {
      for (const IpPrefix& range : service.source_ranges) {
        if (range.is_v4() == is_v4) made.source_ranges.push_back(range);
      }
      made.source_ranges_deny = service.source_ranges_deny;
      // Ranges of the other family alone let nobody of this one in.
      if (made.source_ranges.empty() && !service.source_ranges.empty() &&
          !made.source_ranges_deny) {
        made.source_ranges.push_back(NobodyOf(is_v4));
      }
    }
    const bool has_none = made.backends.empty();
    const std::string text = made.ToString();
    CC_ASSIGN_OR_RETURN(const bool is_added, Add(std::move(made)));
    if (is_added && has_none) {
      out_.notes.push_back(absl::StrCat("service ", text, ": ",
                                        origin.WhyNone(port, is_v4, locality)));
    }
    return absl::OkStatus();
  }

  absl::Status AddHostPorts(const Pod& pod) {
    if (options_.node.empty() || pod.node != options_.node)
      return absl::OkStatus();
    for (const HostPort& port : pod.host_ports) {
      if (!IsBalanced(port.port.protocol)) continue;
      const std::vector<IpAddress> at =
          port.address.has_value() ? std::vector<IpAddress>{*port.address}
                                   : node_addresses_;
      for (const IpAddress& address : at) {
        ServiceOptions made = {
            .name = absl::StrCat(pod.ns, "/", pod.name, ":", port.port.port),
            .frontend = {.address = address, .port = port.port},
            .kind = FrontendKind::kHostPort};
        for (const IpAddress& own : pod.addresses) {
          if (own.is_v4() == address.is_v4())
            made.backends.push_back({.address = own, .port = port.target});
        }
        if (made.backends.empty()) continue;
        CC_RETURN_IF_ERROR(Add(std::move(made)).status());
      }
    }
    return absl::OkStatus();
  }

  // False, with a note, if the frontend is another's already. Two cluster IPs
  // are a mistake of the manifests; the others anybody may ask for.
  absl::StatusOr<bool> Add(ServiceOptions made) {
    const auto [owner, is_new] =
        owners_.emplace(made.frontend, out_.services.size());
    if (is_new) {
      out_.services.push_back(std::move(made));
      return true;
    }
    const ServiceOptions& other = out_.services[owner->second];
    std::string text =
        absl::StrCat("service ", made.ToString(),
                     ": its frontend is also that of service ", other.name);
    if (made.kind == FrontendKind::kClusterIp)
      return absl::InvalidArgumentError(text);
    // A balancer's address may be an external one too: the same backends.
    if (made.name != other.name) out_.notes.push_back(std::move(text));
    return false;
  }

  static bool IsBalanced(Protocol protocol) {
    return protocol == Protocol::kTcp || protocol == Protocol::kUdp;
  }

  // An address that no client has.
  static IpPrefix NobodyOf(bool is_v4) {
    return IpPrefix::Of(is_v4 ? IpAddress::FromV4(0) : IpAddress(),
                        is_v4 ? 32 : 128);
  }

  const Cluster& cluster_;
  const ClusterServicesOptions& options_;
  AddressBook book_;
  internal::Locality locality_;
  std::vector<IpAddress> node_addresses_;
  std::map<Frontend, size_t> owners_;  // indices of out_.services
  ClusterServices out_;
};

}  // namespace

absl::StatusOr<ClusterServices> ServicesOf(
    const Cluster& cluster, const ClusterServicesOptions& options) {
  return Builder(cluster, options).Build();
}

}  // namespace ciliumcore
