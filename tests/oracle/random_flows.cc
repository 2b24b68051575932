// SPDX-License-Identifier: Apache-2.0

// Flows that ask for what policies may get wrong.

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "tests/oracle/random_cluster.h"

namespace ciliumcore::testing {
namespace {

std::optional<IpAddress> Neighbor(const IpAddress& address, int step) {
  std::array<uint8_t, 16> bytes = address.bytes();
  for (int i = 15; i >= 0; --i) {
    bytes[i] = static_cast<uint8_t>(bytes[i] + step);
    if (bytes[i] != (step > 0 ? 0 : 255)) break;
  }
  const IpAddress neighbor = IpAddress::FromBytes(bytes);
  if (neighbor.is_v4() != address.is_v4()) return std::nullopt;
  return neighbor;
}

// The last address inside.
IpAddress LastOf(const IpPrefix& prefix) {
  std::array<uint8_t, 16> bytes = prefix.address().bytes();
  for (int bit = prefix.bits(); bit < 128; ++bit) {
    bytes[bit / 8] |= static_cast<uint8_t>(0x80 >> (bit % 8));
  }
  return IpAddress::FromBytes(bytes);
}

// What the rules of all dialects mention.
struct Mentioned {
  explicit Mentioned(const PolicyInput& input) {
    for (const NetworkPolicy& policy : input.policies) {
      for (const auto* rules : {&policy.ingress, &policy.egress}) {
        for (const NetworkPolicyRule& rule : *rules) Add(rule);
      }
    }
    for (const CiliumPolicy& policy : input.cilium_policies) {
      for (const CiliumSpec& spec : policy.specs) {
        for (const auto* rules : {&spec.ingress, &spec.ingress_deny,
                                  &spec.egress, &spec.egress_deny}) {
          for (const CiliumRule& rule : *rules) Add(rule);
        }
      }
    }
    for (const ClusterPolicy& policy : input.cluster_policies) {
      for (const auto* rules : {&policy.ingress, &policy.egress}) {
        for (const ClusterRule& rule : *rules) Add(rule);
      }
    }
    for (const CidrGroup& group : input.cidr_groups) Add(group.cidrs);
  }

  void Add(const std::vector<IpPrefix>& more) {
    prefixes.insert(prefixes.end(), more.begin(), more.end());
  }

  template <typename Port>
  void AddPort(const Port& port) {
    if (port.port.has_value()) ports.insert(*port.port);
    if (port.end_port.has_value()) ports.insert(*port.end_port);
  }

  void Add(const NetworkPolicyRule& rule) {
    for (const PeerRule& peer : rule.peers) {
      if (!peer.ip_block.has_value()) continue;
      prefixes.push_back(peer.ip_block->cidr);
      Add(peer.ip_block->except);
    }
    for (const PortRule& port : rule.ports) AddPort(port);
  }

  void Add(const CiliumRule& rule) {
    if (rule.peers.has_value()) {
      for (const CiliumCidrRule& cidr : rule.peers->cidrs) {
        if (cidr.cidr.has_value()) prefixes.push_back(*cidr.cidr);
        Add(cidr.except);
      }
    }
    for (const CiliumPortRule& on : rule.ports) {
      for (const PortRule& port : on.ports) AddPort(port);
    }
    icmps.insert(icmps.end(), rule.icmps.begin(), rule.icmps.end());
  }

  void Add(const ClusterRule& rule) {
    for (const ClusterPeer& peer : rule.peers) {
      const auto* networks = std::get_if<NetworkPeers>(&peer);
      if (networks != nullptr) Add(networks->cidrs);
    }
    if (!rule.ports.has_value()) return;
    for (const ClusterPort& port : *rule.ports) AddPort(port);
  }

  std::vector<IpPrefix> prefixes;
  std::set<uint16_t> ports;
  std::vector<CiliumIcmp> icmps;
};

}  // namespace

std::vector<FlowEnd> RandomCluster::EndsOf(const PolicyInput& input) {
  std::vector<FlowEnd> ends;
  for (uint32_t i = 0; i < input.endpoints.size(); ++i) {
    const auto& addresses = input.endpoints[i].addresses;
    for (const IpAddress& address : addresses) ends.push_back({i, address});
    if (addresses.empty()) ends.push_back({i, std::nullopt});
  }
  std::set<IpAddress> addresses;
  const auto add_all = [&](const std::vector<IpAddress>& more) {
    addresses.insert(more.begin(), more.end());
  };
  add_all(input.host_addresses);
  add_all(input.remote_node_addresses);
  add_all(input.api_server_addresses);
  for (const PolicyNode& node : input.remote_nodes) add_all(node.addresses);
  for (const PolicyService& service : input.services) {
    add_all(service.addresses);
  }
  for (const ResolvedName& name : input.names) add_all(name.addresses);
  addresses.insert(*IpAddress::Parse("203.0.113.9"));
  addresses.insert(*IpAddress::Parse("2001:db8::9"));
  for (const IpPrefix& prefix : Mentioned(input).prefixes) {
    const IpAddress first = prefix.address(), last = LastOf(prefix);
    addresses.insert(first);
    addresses.insert(last);
    for (const auto& beside : {Neighbor(first, -1), Neighbor(last, 1)}) {
      if (beside.has_value()) addresses.insert(*beside);
    }
  }
  const Oracle oracle(input);
  for (const IpAddress& address : addresses) {
    const FlowEnd end = oracle.EndOf(address);
    if (end.endpoint == kNoEndpoint) ends.push_back(end);
  }
  return ends;
}

std::vector<PortProtocol> RandomCluster::TargetsOf(const PolicyInput& input) {
  std::set<PortProtocol> targets = {{Protocol::kIcmp, 0},
                                    {Protocol::kIcmpv6, 0},
                                    {static_cast<Protocol>(47), 0},
                                    {Protocol::kTcp, 40000}};
  const auto add = [&](int port) {
    for (Protocol protocol :
         {Protocol::kTcp, Protocol::kUdp, Protocol::kSctp}) {
      for (int beside = port - 1; beside <= port + 1; ++beside) {
        if (beside < 0 || beside > 65535) continue;
        targets.insert({protocol, static_cast<uint16_t>(beside)});
      }
    }
  };
  for (const PolicyEndpoint& pod : input.endpoints) {
    for (const NamedPort& port : pod.ports) add(port.port.port);
  }
  const Mentioned mentioned(input);
  for (uint16_t port : mentioned.ports) add(port);
  for (const CiliumIcmp& icmp : mentioned.icmps) {
    for (int type = icmp.type - 1; type <= icmp.type + 1; ++type) {
      if (type < 0 || type > 255) continue;
      for (int code : {0, 1, 255}) {
        const auto port = static_cast<uint16_t>(type << 8 | code);
        targets.insert({Protocol::kIcmp, port});
        targets.insert({Protocol::kIcmpv6, port});
      }
    }
  }
  return {targets.begin(), targets.end()};
}

Flow RandomCluster::FlowOf(const PolicyInput& input,
                           const std::vector<FlowEnd>& ends,
                           const std::vector<PortProtocol>& targets) {
  const auto pod = [&]() -> FlowEnd {
    const uint32_t at = Below(static_cast<uint32_t>(input.endpoints.size()));
    const std::vector<IpAddress>& addresses = input.endpoints[at].addresses;
    if (addresses.empty()) return {at, std::nullopt};
    return {at, OneOf(addresses)};
  };
  const FlowEnd one = pod();
  const FlowEnd other = Chance(40) ? pod() : OneOf(ends);
  const PortProtocol& target = OneOf(targets);
  return Chance(50) ? Flow{one, other, target} : Flow{other, one, target};
}

}  // namespace ciliumcore::testing
