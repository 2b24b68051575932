// SPDX-License-Identifier: Apache-2.0

// Which ports a lab probes.

#include <algorithm>
#include <set>
#include <vector>

#include "tools/ccore/lab.h"

namespace ciliumcore::ccore {
namespace {

// A port number that no container has.
uint16_t UnnamedPort(const Cluster& cluster) {
  std::set<uint16_t> named;
  for (const Pod& pod : cluster.pods) {
    for (const NamedPort& port : pod.ports) named.insert(port.port.port);
  }
  uint16_t port = 9;  // discard
  while (named.contains(port)) ++port;
  return port;
}

// Where the verdicts of a table change, whatever dialect has them do so: the
// first and the last port between two changes, or those on both sides of one
// that is alone.
void AddPortsThatMatter(const CompiledTable& table,
                        std::set<PortProtocol>& ports) {
  for (const Protocol protocol :
       {Protocol::kTcp, Protocol::kUdp, Protocol::kSctp}) {
    std::vector<uint16_t> changes;
    for (const uint32_t bound : table.bounds) {
      if (bound <= PortKey(protocol, 1) || bound > PortKey(protocol, 65535))
        continue;
      changes.push_back(static_cast<uint16_t>(bound & 0xffff));
    }
    if (changes.size() == 1) {
      ports.insert({.protocol = protocol,
                    .port = static_cast<uint16_t>(changes[0] - 1)});
      ports.insert({.protocol = protocol, .port = changes[0]});
    }
    for (size_t i = 1; i < changes.size(); ++i) {
      ports.insert({.protocol = protocol, .port = changes[i - 1]});
      ports.insert({.protocol = protocol,
                    .port = static_cast<uint16_t>(changes[i] - 1)});
    }
  }
}

}  // namespace

std::vector<PortProtocol> RunningLab::PortsOf(const LabHost& host) const {
  const uint16_t unnamed = UnnamedPort(cluster_.cluster);
  const CompiledPolicy& policy = cluster_.policy;
  const auto& own = host.addresses;
  std::set<PortProtocol> ports = {
      {.protocol = Protocol::kTcp, .port = unnamed},
      {.protocol = Protocol::kUdp, .port = unnamed}};
  if (host.pod.has_value()) {
    for (const NamedPort& port : cluster_.cluster.pods[*host.pod].ports) {
      ports.insert(port.port);
    }
    const uint32_t ingress = policy.endpoints[*host.pod].ingress;
    if (ingress != kNoTable) AddPortsThatMatter(*policy.tables[ingress], ports);
  } else {
    std::set<uint32_t> tables;
    for (const CompiledEndpoint& endpoint : policy.endpoints) {
      if (endpoint.egress != kNoTable) tables.insert(endpoint.egress);
    }
    for (const uint32_t table : tables) {
      AddPortsThatMatter(*policy.tables[table], ports);
    }
  }
  // A service may mean a port that no container names.
  for (const ServiceOptions& service : services_) {
    for (const Backend& backend : service.backends) {
      if (std::find(own.begin(), own.end(), backend.address) != own.end()) {
        ports.insert(
            {.protocol = service.frontend.port.protocol, .port = backend.port});
      }
    }
  }
  return {ports.begin(), ports.end()};
}

}  // namespace ciliumcore::ccore
