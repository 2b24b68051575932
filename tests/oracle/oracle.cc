// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/oracle.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace ciliumcore::testing {
namespace {

using KeyValues = std::map<std::string, std::string>;

KeyValues KeyValuesOf(const Labels& labels) {
  KeyValues found;
  for (const Label& label : labels) found[label.key] = label.value;
  return found;
}

bool Holds(const LabelSelector::Requirement& requirement,
           const KeyValues& labels) {
  const auto at = labels.find(requirement.key);
  const bool has_key = at != labels.end();
  const bool has_value =
      has_key && std::count(requirement.values.begin(),
                            requirement.values.end(), at->second) > 0;
  switch (requirement.op) {
    case LabelSelector::Operator::kIn:
      return has_value;
    case LabelSelector::Operator::kNotIn:
      return !has_value;
    case LabelSelector::Operator::kExists:
      return has_key;
    case LabelSelector::Operator::kDoesNotExist:
      return !has_key;
  }
  return false;
}

// "An empty label selector matches all objects"; otherwise all terms must hold.
bool Selects(const LabelSelector& selector, const KeyValues& labels) {
  for (const auto& [key, value] : selector.match_labels) {
    const auto at = labels.find(key);
    if (at == labels.end() || at->second != value) return false;
  }
  for (const LabelSelector::Requirement& term : selector.match_expressions) {
    if (!Holds(term, labels)) return false;
  }
  return true;
}

// Bit by bit.
bool IsInside(const IpAddress& address, const IpPrefix& prefix) {
  if (address.is_v4() != prefix.is_v4()) return false;
  const int bits = prefix.is_v4() ? prefix.length() + 96 : prefix.length();
  for (int bit = 0; bit < bits; ++bit) {
    const int difference =
        address.bytes()[bit / 8] ^ prefix.address().bytes()[bit / 8];
    if (difference & (0x80 >> (bit % 8))) return false;
  }
  return true;
}

}  // namespace

FlowEnd Oracle::EndOf(const IpAddress& address) const {
  for (uint32_t i = 0; i < input_.endpoints.size(); ++i) {
    const PolicyEndpoint& pod = input_.endpoints[i];
    if (std::count(pod.addresses.begin(), pod.addresses.end(), address) > 0) {
      return {i, address};
    }
  }
  return {kNoEndpoint, address};
}

const PolicyEndpoint* Oracle::PodAt(const FlowEnd& end) const {
  if (end.endpoint == kNoEndpoint) return nullptr;
  const PolicyEndpoint& pod = input_.endpoints[end.endpoint];
  return pod.host_network ? nullptr : &pod;
}

bool Oracle::IsHost(const FlowEnd& end) const {
  if (end.endpoint != kNoEndpoint) {
    return input_.endpoints[end.endpoint].host_network;
  }
  return std::count(input_.host_addresses.begin(), input_.host_addresses.end(),
                    *end.address) > 0;
}

Judgement Oracle::Egress(const FlowEnd& source, const FlowEnd& destination,
                         Protocol protocol, uint16_t port) const {
  return Judge(Direction::kEgress, source, destination, destination, protocol,
               port);
}

Judgement Oracle::Ingress(const FlowEnd& source, const FlowEnd& destination,
                          Protocol protocol, uint16_t port) const {
  return Judge(Direction::kIngress, destination, source, destination, protocol,
               port);
}

// "podSelector selects the pods to which this NetworkPolicy object applies", in
// the policy's namespace.
bool Oracle::IsSelectedBy(const PolicyEndpoint& pod,
                          const NetworkPolicy& policy) const {
  return pod.ns == policy.ns &&
         Selects(policy.pod_selector, KeyValuesOf(pod.labels));
}

Judgement Oracle::Judge(Direction direction, const FlowEnd& subject,
                        const FlowEnd& peer, const FlowEnd& destination,
                        Protocol protocol, uint16_t port) const {
  const PolicyEndpoint* pod = PodAt(subject);
  if (pod == nullptr) return {};

  const bool ingress = direction == Direction::kIngress;
  RuleSet why;
  why.direction = direction;
  for (const NetworkPolicy& policy : input_.policies) {
    if (!(ingress ? policy.isolates_ingress : policy.isolates_egress) ||
        !IsSelectedBy(*pod, policy)) {
      continue;
    }
    why.policies.push_back({"NetworkPolicy", policy.ns, policy.name});
    const auto& rules = ingress ? policy.ingress : policy.egress;
    for (uint32_t i = 0; i < rules.size(); ++i) {
      if (Allows(rules[i], policy, peer, destination, protocol, port)) {
        why.rules.push_back(
            {"NetworkPolicy", policy.ns, policy.name, direction, i});
      }
    }
  }

  if (why.policies.empty()) {
    why.kind = RuleSet::Kind::kNotIsolated;
  } else if (IsHost(peer)) {
    why.kind = RuleSet::Kind::kOwnNode;
    why.rules.clear();
  } else if (!why.rules.empty()) {
    why.kind = RuleSet::Kind::kRules;
  } else {
    why.kind = RuleSet::Kind::kDefaultDeny;
  }
  const bool allowed = why.kind != RuleSet::Kind::kDefaultDeny;
  if (allowed) why.policies.clear();
  std::sort(why.rules.begin(), why.rules.end());
  std::sort(why.policies.begin(), why.policies.end());
  return {allowed, why};
}

// "Traffic must match both ports and from [to]"; "if this field is empty or
// missing, this rule matches all".
bool Oracle::Allows(const NetworkPolicyRule& rule, const NetworkPolicy& policy,
                    const FlowEnd& peer, const FlowEnd& destination,
                    Protocol protocol, uint16_t port) const {
  const bool peer_matches =
      rule.peers.empty() ||
      std::any_of(rule.peers.begin(), rule.peers.end(), [&](const auto& from) {
        return CoversPeer(from, policy, peer);
      });
  const bool port_matches =
      rule.ports.empty() ||
      std::any_of(rule.ports.begin(), rule.ports.end(), [&](const auto& on) {
        return CoversPort(on, destination, protocol, port);
      });
  return peer_matches && port_matches;
}

bool Oracle::CoversPeer(const PeerRule& rule, const NetworkPolicy& policy,
                        const FlowEnd& peer) const {
  if (rule.ip_block.has_value()) {
    if (!peer.address.has_value() ||
        !IsInside(*peer.address, rule.ip_block->cidr)) {
      return false;
    }
    for (const IpPrefix& except : rule.ip_block->except) {
      if (IsInside(*peer.address, except)) return false;
    }
    return true;
  }
  const PolicyEndpoint* pod = PodAt(peer);
  if (pod == nullptr) return false;  // selectors are about pods
  const bool namespace_matches =
      rule.namespace_selector.has_value()
          ? NamespaceMatches(*rule.namespace_selector, pod->ns)
          : pod->ns == policy.ns;
  const bool pod_matches =
      !rule.pod_selector.has_value() ||
      Selects(*rule.pod_selector, KeyValuesOf(pod->labels));
  return namespace_matches && pod_matches;
}

// Names are those of the pod that is asked for the port.
bool Oracle::CoversPort(const PortRule& rule, const FlowEnd& destination,
                        Protocol protocol, uint16_t port) const {
  if (rule.protocol != protocol) return false;
  if (!rule.name.empty()) {
    const PolicyEndpoint* pod = PodAt(destination);
    if (pod == nullptr) return false;
    for (const NamedPort& named : pod->ports) {
      if (named.name == rule.name && named.port.protocol == protocol &&
          named.port.port == port) {
        return true;
      }
    }
    return false;
  }
  if (!rule.port.has_value()) return true;
  return *rule.port <= port && port <= rule.end_port.value_or(*rule.port);
}

bool Oracle::NamespaceMatches(const LabelSelector& selector,
                              const std::string& name) const {
  KeyValues labels;
  for (const Namespace& ns : input_.namespaces) {
    if (ns.name == name) labels = KeyValuesOf(ns.labels);
  }
  labels["kubernetes.io/metadata.name"] = name;
  return Selects(selector, labels);
}

}  // namespace ciliumcore::testing
