// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/intent_internal.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {
namespace {

// An identity's labels say which namespace it is in; policies want it apart.
PolicyEndpoint PolicyEndpointOf(const IdentityRef& identity,
                                const std::vector<NamedPort>& ports,
                                const std::vector<IpAddress>& addresses) {
  PolicyEndpoint endpoint;
  endpoint.identity = identity.id();
  endpoint.labels = PodLabelsOf(identity.labels());
  endpoint.ns = PodNamespaceOf(identity.labels()).name;
  endpoint.ports = ports;
  endpoint.addresses = addresses;
  return endpoint;
}

absl::Status ValidateEndpoint(const EndpointOptions& endpoint) {
  const std::string subject = absl::StrCat("endpoint ", endpoint.interface);
  if (!endpoint.identity.valid()) {
    return Annotate(endpoint.identity.status(), subject);
  }
  int families[2] = {0, 0};
  for (const IpAddress& address : endpoint.addresses)
    ++families[address.is_v4() ? 0 : 1];
  if (endpoint.addresses.empty() || families[0] > 1 || families[1] > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        subject,
        ": expected one IPv4 address, one IPv6 address or both, found ",
        families[0], " and ", families[1]));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateIntent(const Intent& intent) {
  std::map<IpAddress, std::string> owners;
  const auto claim = [&](const IpAddress& address,
                         std::string owner) -> absl::Status {
    auto [at, is_new] = owners.emplace(address, std::move(owner));
    if (is_new) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("address ", address.ToString(),
                     ": belongs to two, one is ", at->second));
  };
  for (const auto& [interface, endpoint] : *intent.endpoints) {
    CC_RETURN_IF_ERROR(ValidateEndpoint(endpoint));
    for (const IpAddress& address : endpoint.addresses) {
      CC_RETURN_IF_ERROR(claim(address, absl::StrCat("endpoint ", interface)));
    }
  }
  for (const auto& [first, remote] : *intent.remotes) {
    if (!remote.identity.valid()) {
      return Annotate(remote.identity.status(),
                      absl::StrCat("remote ", first.ToString()));
    }
    for (const IpAddress& address : remote.addresses) {
      CC_RETURN_IF_ERROR(
          claim(address, absl::StrCat("remote ", first.ToString())));
    }
  }
  return absl::OkStatus();
}

PolicyInput PolicyInputOf(const Intent& intent,
                          const Surroundings& surroundings) {
  PolicyInput input;
  static_cast<Policies&>(input) = *intent.policies;
  static_cast<PolicyContext&>(input) = *intent.context;
  // Namespaces as the caller described them, else as identities do.
  std::map<std::string, Namespace> namespaces;
  const auto note_namespace = [&](const IdentityRef& identity) {
    Namespace ns = PodNamespaceOf(identity.labels());
    namespaces.emplace(ns.name, ns);
  };
  for (const Namespace& ns : intent.namespaces) namespaces.emplace(ns.name, ns);
  for (const auto& [interface, endpoint] : *intent.endpoints) {
    note_namespace(endpoint.identity);
  }
  for (const auto& [first, remote] : *intent.remotes) {
    note_namespace(remote.identity);
  }
  for (auto& [name, ns] : namespaces) input.namespaces.push_back(std::move(ns));
  input.host_addresses = surroundings.host_addresses;
  for (const auto& [interface, endpoint] : *intent.endpoints) {
    input.endpoints.push_back(PolicyEndpointOf(
        endpoint.identity, endpoint.ports, endpoint.addresses));
  }
  for (const auto& [first, remote] : *intent.remotes) {
    input.endpoints.push_back(
        PolicyEndpointOf(remote.identity, remote.ports, remote.addresses));
  }
  return input;
}

DesiredNodes DesiredNodesOf(const Intent& intent,
                            const Surroundings& surroundings,
                            const PeerMap& peers) {
  DesiredNodes nodes;
  for (const auto& [interface, endpoint] : *intent.endpoints) {
    const ResolvedLink& link = surroundings.links.at(interface);
    DesiredEndpoint out = {.name = interface,
                           .ifindex = link.ifindex,
                           .mac = link.mac,
                           .host_mac = link.host_mac,
                           .v4 = std::nullopt,
                           .v6 = std::nullopt,
                           .flags = link.flags,
                           .closes = endpoint.on_detach == OnDetach::kClosed,
                           .identity = endpoint.identity.id()};
    for (const IpAddress& address : endpoint.addresses) {
      (address.is_v4() ? out.v4 : out.v6) = address;
    }
    nodes.endpoints.push_back(std::move(out));
    nodes.identities.push_back(endpoint.identity);
  }
  std::vector<const RemoteOptions*> remotes;
  for (const auto& [first, remote] : *intent.remotes) {
    remotes.push_back(&remote);
    nodes.identities.push_back(remote.identity);
  }
  for (const AddressPeer& address : peers.addresses) {
    DesiredAddress out = {.address = address.address,
                          .peer = address.peer,
                          .endpoint = std::nullopt,
                          .hop = std::nullopt};
    if (address.endpoint < nodes.endpoints.size()) {
      out.endpoint = address.endpoint;
    } else if (address.endpoint != kNoEndpoint) {
      const auto& hop =
          remotes[address.endpoint - nodes.endpoints.size()]->next_hop;
      if (hop.has_value()) {
        out.hop = DesiredHop{
            .ifindex = surroundings.hop_interfaces.at(hop->interface),
            .gateway = hop->gateway};
      }
    }
    nodes.addresses.push_back(out);
  }
  for (const PrefixPeer& prefix : peers.prefixes) {
    nodes.prefixes.push_back({.prefix = prefix.prefix, .peer = prefix.peer});
  }
  return nodes;
}

DesiredState DesiredStateOf(const Intent& intent,
                            std::shared_ptr<const DesiredNodes> nodes,
                            const CompiledPolicy& compiled) {
  DesiredState desired;
  desired.verdicts.reserve(nodes->endpoints.size());
  for (size_t i = 0; i < nodes->endpoints.size(); ++i) {
    const CompiledEndpoint& endpoint = compiled.endpoints[i];
    DesiredVerdicts& verdicts = desired.verdicts.emplace_back();
    if (endpoint.egress != kNoTable) verdicts.egress = endpoint.egress;
    if (endpoint.ingress != kNoTable) verdicts.ingress = endpoint.ingress;
  }
  desired.nodes = std::move(nodes);
  desired.tables = compiled.tables;
  desired.peer_map = compiled.peer_map;
  desired.rule_sets = compiled.rule_sets;
  desired.services = intent.services.get();
  return desired;
}

}  // namespace ciliumcore::internal
