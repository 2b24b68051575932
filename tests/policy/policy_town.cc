// SPDX-License-Identifier: Apache-2.0

#include "tests/policy/policy_town.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace ciliumcore::testing {
namespace {

Labels LabelsOf(Pairs pairs) {
  Labels labels;
  for (const auto& [key, value] : pairs) labels.Set(key, value);
  return labels;
}

NetworkPolicy Policy() {
  NetworkPolicy policy;
  policy.ns = "town";
  policy.isolates_ingress = policy.isolates_egress = false;
  return policy;
}

}  // namespace

LabelSelector Select(Pairs match_labels) {
  LabelSelector selector;
  for (const auto& [key, value] : match_labels) {
    selector.match_labels.emplace_back(key, value);
  }
  return selector;
}

LabelSelector Expression(const std::string& key, LabelSelector::Operator op,
                         std::vector<std::string> values) {
  LabelSelector selector;
  selector.match_expressions.push_back({key, op, std::move(values)});
  return selector;
}

PeerRule Pods(const LabelSelector& pods) {
  PeerRule peer;
  peer.pod_selector = pods;
  return peer;
}

PeerRule Namespaces(const LabelSelector& namespaces) {
  PeerRule peer;
  peer.namespace_selector = namespaces;
  return peer;
}

PeerRule PodsIn(const LabelSelector& namespaces, const LabelSelector& pods) {
  PeerRule peer = Namespaces(namespaces);
  peer.pod_selector = pods;
  return peer;
}

PeerRule Block(const std::string& cidr, std::vector<std::string> except) {
  PeerRule peer;
  peer.ip_block.emplace();
  peer.ip_block->cidr = *IpPrefix::Parse(cidr);
  for (const std::string& hole : except) {
    peer.ip_block->except.push_back(*IpPrefix::Parse(hole));
  }
  return peer;
}

PortRule On(const std::string& port_protocol) {
  const PortProtocol parsed = *PortProtocol::Parse(port_protocol);
  PortRule rule;
  rule.protocol = parsed.protocol;
  rule.port = parsed.port;
  return rule;
}

PortRule Every(Protocol protocol) {
  PortRule rule;
  rule.protocol = protocol;
  return rule;
}

PortRule OnRange(const std::string& first, uint16_t end) {
  PortRule rule = On(first);
  rule.end_port = end;
  return rule;
}

PortRule OnNamed(const std::string& name, Protocol protocol) {
  PortRule rule = Every(protocol);
  rule.name = name;
  return rule;
}

NetworkPolicy Ingress(std::vector<NetworkPolicyRule> rules) {
  NetworkPolicy policy = Policy();
  policy.isolates_ingress = true;
  policy.ingress = std::move(rules);
  return policy;
}

NetworkPolicy Egress(std::vector<NetworkPolicyRule> rules) {
  NetworkPolicy policy = Policy();
  policy.isolates_egress = true;
  policy.egress = std::move(rules);
  return policy;
}

Pod Replica(const std::string& owner, const std::string& name,
            const std::vector<std::string>& addresses, const std::string& ns) {
  Pod pod;
  pod.ns = ns;
  pod.name = name;
  pod.labels.Set("app", owner);
  pod.owner_kind = "Deployment";
  pod.owner_name = owner;
  for (const std::string& address : addresses) {
    pod.addresses.push_back(*IpAddress::Parse(address));
  }
  return pod;
}

void Town::AddNamespace(const std::string& name, Pairs labels) {
  Namespace ns;
  ns.name = name;
  ns.labels = LabelsOf(labels);
  input_.namespaces.push_back(std::move(ns));
  stale_ = true;
}

void Town::AddPod(const std::string& name, Pairs labels) {
  AddPod(name, labels, {});
}

void Town::AddPod(const std::string& name, Pairs labels,
                  const PodOptions& options) {
  PolicyEndpoint endpoint;
  endpoint.ns = name.substr(0, name.find('/'));
  endpoint.labels = LabelsOf(labels);
  endpoint.host_network = options.host_network;
  const uint32_t fresh = 1000 + static_cast<uint32_t>(identities_.size());
  const uint32_t identity =
      identities_
          .try_emplace(
              absl::StrCat(endpoint.ns, "/", endpoint.labels.CanonicalKey()),
              fresh)
          .first->second;
  endpoint.identity =
      options.host_network ? Identity::kHost : static_cast<Identity>(identity);
  for (const std::string& address : options.addresses) {
    endpoint.addresses.push_back(*IpAddress::Parse(address));
  }
  for (const auto& [port_name, port] : options.ports) {
    endpoint.ports.push_back({port_name, *PortProtocol::Parse(port)});
  }
  pods_[name] = static_cast<uint32_t>(input_.endpoints.size());
  input_.endpoints.push_back(std::move(endpoint));
  stale_ = true;
}

void Town::Add(NetworkPolicy policy) {
  if (policy.name.empty()) {
    policy.name = absl::StrCat("p", input_.policies.size());
  }
  input_.policies.push_back(std::move(policy));
  stale_ = true;
}

const CompiledPolicy& Town::Compiled() {
  if (!stale_) return compiled_;
  absl::StatusOr<CompiledPolicy> compiled = Compile(input_, peers_, rule_sets_);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  if (compiled.ok()) compiled_ = *std::move(compiled);
  stale_ = false;
  return compiled_;
}

Party Town::PartyOf(const std::string& name) {
  auto pod = pods_.find(name);
  if (pod != pods_.end()) return Compiled().PartyOf(pod->second);
  return Compiled().PartyOf(*IpAddress::Parse(name));
}

PairDecision Town::Decide(const std::string& from, const std::string& to,
                          const std::string& port) {
  const PortProtocol target = *PortProtocol::Parse(port);
  return Compiled().DecidePair(PartyOf(from), PartyOf(to), target.protocol,
                               target.port);
}

std::string Town::Why(const Cell& cell) {
  const RuleSet* set = Compiled().FindRuleSet(cell.rule_set);
  return set == nullptr ? "nobody judged" : set->ToString();
}

}  // namespace ciliumcore::testing
