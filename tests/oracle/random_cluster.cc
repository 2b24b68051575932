// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/random_cluster.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"

namespace ciliumcore::testing {
namespace {

using Operator = LabelSelector::Operator;

const std::vector<std::string>& Namespaces() {
  static const auto* names =
      new std::vector<std::string>{"blue", "green", "red"};
  return *names;
}

const std::vector<std::string>& PortNames() {
  static const auto* names = new std::vector<std::string>{"http", "dns", "adm"};
  return *names;
}

const std::vector<Protocol>& Transports() {
  static const auto* protocols = new std::vector<Protocol>{
      Protocol::kTcp, Protocol::kTcp, Protocol::kUdp, Protocol::kSctp};
  return *protocols;
}

const std::vector<uint16_t>& Ports() {
  static const auto* ports = new std::vector<uint16_t>{
      1, 53, 79, 80, 81, 82, 255, 256, 8080, 32767, 65534, 65535};
  return *ports;
}

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

bool IsTaken(const PolicyInput& input, const IpAddress& address) {
  const auto holds = [&](const std::vector<IpAddress>& addresses) {
    return std::count(addresses.begin(), addresses.end(), address) > 0;
  };
  return holds(input.host_addresses) || holds(input.remote_node_addresses) ||
         std::any_of(
             input.endpoints.begin(), input.endpoints.end(),
             [&](const PolicyEndpoint& pod) { return holds(pod.addresses); });
}

template <typename Visit>
void ForEachRule(const PolicyInput& input, const Visit& visit) {
  for (const NetworkPolicy& policy : input.policies) {
    for (const NetworkPolicyRule& rule : policy.ingress) visit(rule);
    for (const NetworkPolicyRule& rule : policy.egress) visit(rule);
  }
}

}  // namespace

Labels RandomCluster::PodLabels() {
  Labels labels;
  if (Chance(85)) {
    labels.Set("app", OneOf<std::string>({"web", "db", "cache"}));
  }
  if (Chance(50)) labels.Set("tier", OneOf<std::string>({"front", "back", ""}));
  if (Chance(20)) labels.Set("example.com/canary", "yes");
  return labels;
}

Labels RandomCluster::NamespaceLabels(const std::string& name) {
  Labels labels;
  if (Chance(60)) labels.Set("team", OneOf<std::string>({"one", "two"}));
  if (Chance(30)) labels.Set("app", "web");  // a pod's label is no namespace's
  return MakeNamespace(name, labels).labels;
}

LabelSelector RandomCluster::Selector(bool of_namespaces) {
  LabelSelector selector;
  const auto value = [&](const std::string& key) -> std::string {
    if (key == "app") return OneOf<std::string>({"web", "db", "cache", "none"});
    if (key == "tier") return OneOf<std::string>({"front", "back", ""});
    if (key == "team") return OneOf<std::string>({"one", "two"});
    if (key == "kubernetes.io/metadata.name") return OneOf(Namespaces());
    return OneOf<std::string>({"yes", "no"});
  };
  const auto key = [&]() -> std::string {
    if (of_namespaces) {
      return OneOf<std::string>(
          {"team", "team", "kubernetes.io/metadata.name", "app"});
    }
    return OneOf<std::string>({"app", "app", "tier", "example.com/canary"});
  };
  if (Chance(15)) return selector;  // everything
  if (Chance(60)) {
    const std::string chosen = key();
    selector.match_labels.emplace_back(chosen, value(chosen));
  }
  for (uint32_t terms = Below(3); terms > 0; --terms) {
    LabelSelector::Requirement term;
    term.key = key();
    term.op = OneOf<Operator>({Operator::kIn, Operator::kNotIn,
                               Operator::kExists, Operator::kDoesNotExist});
    if (term.op == Operator::kIn || term.op == Operator::kNotIn) {
      term.values.push_back(value(term.key));
      if (Chance(40)) term.values.push_back(value(term.key));
    }
    selector.match_expressions.push_back(std::move(term));
  }
  return selector;
}

// Near others, in both families; some IPv6 ones look like IPv4 in their bits.
IpAddress RandomCluster::Address() {
  if (Chance(60)) {
    return IpAddress::FromV4(
        OneOf<uint32_t>({0x0a000000, 0x0a000100, 0x0a010000, 0xc0a80000}) +
        Below(Chance(80) ? 12 : 256));
  }
  std::array<uint8_t, 16> bytes = {};
  if (Chance(90)) {
    bytes[0] = 0xfd;
    bytes[7] = static_cast<uint8_t>(Below(2));
  }
  bytes[15] = static_cast<uint8_t>(2 + Below(12));
  return IpAddress::FromBytes(bytes);
}

IpAddress RandomCluster::FreeAddress(const PolicyInput& input) {
  IpAddress address = Address();
  while (IsTaken(input, address)) address = Address();
  return address;
}

IpPrefix RandomCluster::Prefix(const IpAddress& around) {
  static const std::vector<int> kV4 = {0,  8,  15, 16, 23, 24,
                                       28, 29, 30, 31, 32};
  static const std::vector<int> kV6 = {0,   8,   63,  64,  80, 96,
                                       120, 125, 126, 127, 128};
  return IpPrefix::Of(around, OneOf(around.is_v4() ? kV4 : kV6));
}

void RandomCluster::SetIdentity(PolicyEndpoint& pod) {
  if (pod.host_network) {
    pod.identity = Identity::kHost;
    return;
  }
  const uint32_t fresh = 1000 + static_cast<uint32_t>(identities_.size());
  pod.identity = static_cast<Identity>(
      identities_.try_emplace({pod.ns, pod.labels}, fresh).first->second);
}

PolicyEndpoint RandomCluster::Pod(const PolicyInput& input) {
  PolicyEndpoint pod;
  pod.ns = OneOf(Namespaces());
  pod.labels = PodLabels();
  pod.host_network = Chance(5);
  SetIdentity(pod);
  for (uint32_t ports = Below(4); ports > 0; --ports) {
    pod.ports.push_back({Chance(90) ? OneOf(PortNames()) : "",
                         {OneOf(Transports()), OneOf(Ports())}});
  }
  PolicyInput taken = input;
  taken.endpoints.push_back(pod);
  std::vector<IpAddress>& addresses = taken.endpoints.back().addresses;
  for (uint32_t count = OneOf<uint32_t>({0, 1, 1, 1, 1, 2, 2, 3}); count > 0;
       --count) {
    const IpAddress address = FreeAddress(taken);
    addresses.push_back(address);
  }
  return taken.endpoints.back();
}

void RandomCluster::AddPod(PolicyInput& input) {
  input.endpoints.push_back(Pod(input));
  pods_.push_back(pods_made_++);
}

PortRule RandomCluster::Port() {
  PortRule port;
  port.protocol = OneOf(Transports());
  if (Chance(30)) {
    port.name = OneOf(PortNames());
  } else if (Chance(85)) {
    port.port = OneOf(Ports());
    if (Chance(30)) {
      port.end_port = std::max(*port.port, OneOf(Ports()));
    }
  }
  return port;
}

PeerRule RandomCluster::Peer() {
  PeerRule peer;
  if (Chance(40)) {
    peer.ip_block.emplace();
    peer.ip_block->cidr = Prefix(Address());
    for (uint32_t tries = Below(4); tries > 0; --tries) {
      const IpPrefix except = Prefix(Address());
      const bool is_inside =
          except.is_v4() == peer.ip_block->cidr.is_v4() &&
          except.length() > peer.ip_block->cidr.length() &&
          IpPrefix::Of(except.address(), peer.ip_block->cidr.length()) ==
              peer.ip_block->cidr;
      if (is_inside) peer.ip_block->except.push_back(except);
    }
    return peer;
  }
  if (Chance(65)) peer.pod_selector = Selector(false);
  if (Chance(45) || !peer.pod_selector.has_value()) {
    peer.namespace_selector = Selector(true);
  }
  return peer;
}

NetworkPolicyRule RandomCluster::Rule() {
  NetworkPolicyRule rule;
  for (uint32_t peers = OneOf<uint32_t>({0, 1, 1, 1, 2, 2, 3}); peers > 0;
       --peers) {
    rule.peers.push_back(Peer());
  }
  for (uint32_t ports = OneOf<uint32_t>({0, 1, 1, 1, 2, 4}); ports > 0;
       --ports) {
    rule.ports.push_back(Port());
  }
  return rule;
}

NetworkPolicy RandomCluster::Policy(const PolicyInput& input) {
  NetworkPolicy policy;
  policy.ns = input.endpoints.empty() || Chance(10) ? OneOf(Namespaces())
                                                    : OneOf(input.endpoints).ns;
  policy.name = absl::StrCat("p", policies_made_++);
  policy.pod_selector = Selector(false);
  policy.isolates_ingress = Chance(70);
  policy.isolates_egress = !policy.isolates_ingress || Chance(40);
  // Rules of a direction that is not isolated mean nothing.
  if (policy.isolates_ingress || Chance(10)) {
    for (uint32_t rules = Below(4); rules > 0; --rules) {
      policy.ingress.push_back(Rule());
    }
  }
  if (policy.isolates_egress || Chance(10)) {
    for (uint32_t rules = Below(4); rules > 0; --rules) {
      policy.egress.push_back(Rule());
    }
  }
  return policy;
}

PolicyInput RandomCluster::Make() {
  PolicyInput input;
  for (const std::string& name : Namespaces()) {
    if (Chance(85)) input.namespaces.push_back({name, NamespaceLabels(name)});
  }
  input.host_addresses.push_back(FreeAddress(input));
  if (Chance(50)) input.host_addresses.push_back(FreeAddress(input));
  if (Chance(70)) input.remote_node_addresses.push_back(FreeAddress(input));
  for (uint32_t pods = 2 + Below(8); pods > 0; --pods) {
    AddPod(input);
  }
  for (uint32_t policies = 2 + Below(7); policies > 0; --policies) {
    input.policies.push_back(Policy(input));
  }
  return input;
}

void RandomCluster::Change(PolicyInput& input) {
  do {
    const auto pod = [&]() -> PolicyEndpoint& {
      return input
          .endpoints[Below(static_cast<uint32_t>(input.endpoints.size()))];
    };
    const auto policy = [&] {
      return input.policies.begin() +
             Below(static_cast<uint32_t>(input.policies.size()));
    };
    switch (Below(9)) {
      case 0:
        if (input.endpoints.size() < 12) AddPod(input);
        break;
      case 1:
        if (input.endpoints.size() > 2) {
          const auto gone = Below(static_cast<uint32_t>(pods_.size()));
          input.endpoints.erase(input.endpoints.begin() + gone);
          pods_.erase(pods_.begin() + gone);
        }
        break;
      case 2: {
        PolicyEndpoint& labelled = pod();
        labelled.labels = PodLabels();
        SetIdentity(labelled);
        break;
      }
      case 3: {
        PolicyEndpoint& moved = pod();
        if (!moved.addresses.empty()) moved.addresses[0] = FreeAddress(input);
        break;
      }
      case 4:
        pod().ports = Pod(input).ports;
        break;
      case 5:
      case 6:
        if (input.policies.size() < 8) input.policies.push_back(Policy(input));
        break;
      case 7:
        if (!input.policies.empty()) input.policies.erase(policy());
        break;
      case 8:
        if (!input.policies.empty() && Chance(70)) {
          const auto at = policy();
          NetworkPolicy fresh = Policy(input);
          fresh.ns = at->ns;
          fresh.name = at->name;
          *at = std::move(fresh);
        } else if (!input.namespaces.empty()) {
          Namespace& ns = input.namespaces[Below(
              static_cast<uint32_t>(input.namespaces.size()))];
          ns.labels = NamespaceLabels(ns.name);
        }
        break;
    }
  } while (Chance(30));
}

std::vector<FlowEnd> RandomCluster::EndsOf(const PolicyInput& input) {
  std::vector<FlowEnd> ends;
  for (uint32_t i = 0; i < input.endpoints.size(); ++i) {
    const auto& addresses = input.endpoints[i].addresses;
    for (const IpAddress& address : addresses) ends.push_back({i, address});
    if (addresses.empty()) ends.push_back({i, std::nullopt});
  }
  std::set<IpAddress> addresses(input.host_addresses.begin(),
                                input.host_addresses.end());
  addresses.insert(input.remote_node_addresses.begin(),
                   input.remote_node_addresses.end());
  addresses.insert(*IpAddress::Parse("203.0.113.9"));
  addresses.insert(*IpAddress::Parse("2001:db8::9"));
  const auto add = [&](const std::optional<IpAddress>& address) {
    if (address.has_value()) addresses.insert(*address);
  };
  const auto add_edges = [&](const IpPrefix& prefix) {
    const IpAddress first = prefix.address(), last = LastOf(prefix);
    add(first);
    add(last);
    add(Neighbor(first, -1));
    add(Neighbor(last, 1));
  };
  ForEachRule(input, [&](const NetworkPolicyRule& rule) {
    for (const PeerRule& peer : rule.peers) {
      if (!peer.ip_block.has_value()) continue;
      add_edges(peer.ip_block->cidr);
      for (const IpPrefix& except : peer.ip_block->except) add_edges(except);
    }
  });
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
  ForEachRule(input, [&](const NetworkPolicyRule& rule) {
    for (const PortRule& port : rule.ports) {
      if (port.port.has_value()) add(*port.port);
      if (port.end_port.has_value()) add(*port.end_port);
    }
  });
  return {targets.begin(), targets.end()};
}

}  // namespace ciliumcore::testing
