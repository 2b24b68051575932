// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/random_cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ciliumcore::testing {
namespace {

bool IsTaken(const PolicyInput& input, const IpAddress& address) {
  const auto holds = [&](const std::vector<IpAddress>& addresses) {
    return std::count(addresses.begin(), addresses.end(), address) > 0;
  };
  return holds(input.host_addresses) || holds(input.remote_node_addresses) ||
         holds(input.api_server_addresses) ||
         std::any_of(
             input.remote_nodes.begin(), input.remote_nodes.end(),
             [&](const PolicyNode& node) { return holds(node.addresses); }) ||
         std::any_of(
             input.endpoints.begin(), input.endpoints.end(),
             [&](const PolicyEndpoint& pod) { return holds(pod.addresses); });
}

}  // namespace

IpAddress RandomCluster::FreeAddress(const PolicyInput& input) {
  IpAddress address = Address();
  while (IsTaken(input, address)) address = Address();
  return address;
}

void RandomCluster::SetIdentity(PolicyEndpoint& pod) {
  if (pod.host_network) {
    pod.identity = Identity::kHost;
    return;
  }
  uint32_t fresh = 1000 + static_cast<uint32_t>(identities_.size());
  if (speaks_all() && Chance(25)) {
    // Of pods without labels that count yet, or without an agent.
    const auto reserved = static_cast<uint32_t>(
        OneOf<Identity>({Identity::kInit, Identity::kHealth,
                         Identity::kUnmanaged, Identity::kIngress}));
    const bool is_free = std::none_of(
        identities_.begin(), identities_.end(),
        [&](const auto& known) { return known.second == reserved; });
    if (is_free) fresh = reserved;
  }
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

PeerRule RandomCluster::Peer() {
  PeerRule peer;
  if (Chance(40)) {
    peer.ip_block.emplace();
    peer.ip_block->cidr = Prefix(Address());
    peer.ip_block->except = Exceptions(peer.ip_block->cidr);
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

std::string RandomCluster::NamespaceOfPolicy(const PolicyInput& input) {
  return input.endpoints.empty() || Chance(10) ? OneOf(Namespaces())
                                               : OneOf(input.endpoints).ns;
}

NetworkPolicy RandomCluster::Policy(const PolicyInput& input) {
  NetworkPolicy policy;
  policy.ns = NamespaceOfPolicy(input);
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
  for (uint32_t pods = 2 + Below(most_.pods - 4); pods > 0; --pods) {
    AddPod(input);
  }
  for (uint32_t policies = speaks_all() ? Below(most_.network_policies / 2)
                                        : 2 + Below(most_.network_policies - 1);
       policies > 0; --policies) {
    input.policies.push_back(Policy(input));
  }
  if (speaks_all()) {
    AddSurroundings(input);
    AddPoliciesOfOtherDialects(input);
  }
  return input;
}

void RandomCluster::Change(PolicyInput& input) {
  do {
    const auto pod = [&]() -> PolicyEndpoint& {
      return *PlaceIn(input.endpoints);
    };
    const auto policy = [&] { return PlaceIn(input.policies); };
    if (speaks_all() && Chance(60)) {
      ChangeOtherDialects(input);
      continue;
    }
    switch (Below(9)) {
      case 0:
        if (input.endpoints.size() < most_.pods) AddPod(input);
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
        if (input.policies.size() < most_.network_policies) {
          input.policies.push_back(Policy(input));
        }
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
          Namespace& ns = *PlaceIn(input.namespaces);
          ns.labels = NamespaceLabels(ns.name);
        }
        break;
    }
  } while (Chance(30));
}

}  // namespace ciliumcore::testing
