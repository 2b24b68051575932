// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/intent_internal.h"

#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {

// An identity's labels say which namespace it is in; policies want it apart.
PolicyEndpoint PolicyEndpointOf(const IdentityRef& identity,
                                const std::vector<NamedPort>& ports,
                                const std::vector<IpAddress>& addresses) {
  PolicyEndpoint endpoint;
  endpoint.identity = identity.id();
  endpoint.labels = PodLabelsOf(identity.labels());
  endpoint.ns = NamespaceOf(identity).name;
  endpoint.ports = ports;
  endpoint.addresses = addresses;
  return endpoint;
}

Namespace NamespaceOf(const IdentityRef& identity) {
  return PodNamespaceOf(identity.labels());
}

void KeepOnlyTheHosts(const Intent& intent, std::vector<IpAddress>& addresses) {
  std::set<IpAddress> host(addresses.begin(), addresses.end());
  for (const auto& [interface, endpoint] : *intent.endpoints) {
    for (const IpAddress& own : endpoint.addresses) host.erase(own);
  }
  addresses.assign(host.begin(), host.end());
}

PolicyInput PolicyInputOf(const Intent& intent,
                          const Surroundings& surroundings) {
  PolicyInput input;
  static_cast<Policies&>(input) = *intent.policies;
  static_cast<PolicyContext&>(input) = *intent.context;
  for (const auto& [known, set] : intent.names) {
    if (input.names.empty() || input.names.back().name != known.name) {
      input.names.push_back({known.name, {}});
    }
    input.names.back().addresses.push_back(known.address);
  }
  // Namespaces as the caller described them, else as identities do.
  std::map<std::string, Namespace> namespaces;
  const auto note_namespace = [&](const IdentityRef& identity) {
    Namespace ns = NamespaceOf(identity);
    namespaces.emplace(ns.name, ns);
  };
  for (const Namespace& ns : intent.namespaces) namespaces.emplace(ns.name, ns);
  for (const auto& [interface, endpoint] : *intent.endpoints) {
    note_namespace(endpoint.identity);
  }
  for (const auto& [first, remote] : intent.remotes) {
    note_namespace(remote.identity);
  }
  for (auto& [name, ns] : namespaces) input.namespaces.push_back(std::move(ns));
  input.host_addresses = surroundings.host_addresses;
  for (const auto& [interface, endpoint] : *intent.endpoints) {
    input.endpoints.push_back(PolicyEndpointOf(
        endpoint.identity, endpoint.ports, endpoint.addresses));
  }
  for (const auto& [first, remote] : intent.remotes) {
    input.remotes.push_back(
        PolicyEndpointOf(remote.identity, remote.ports, remote.addresses));
  }
  return input;
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
  desired.services = intent.served;
  return desired;
}

}  // namespace ciliumcore::internal
