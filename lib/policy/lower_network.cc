// SPDX-License-Identifier: Apache-2.0

// NetworkPolicy, and what all dialects share.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "lib/policy/lowered_policy_internal.h"
#include "lib/policy/sorted_internal.h"

namespace ciliumcore {
namespace {

PeerTerm TermOf(const PeerRule& peer, const std::string& ns) {
  PeerTerm term;
  if (peer.ip_block.has_value()) {
    term.kind = PeerTerm::Kind::kBlock;
    term.cidr = peer.ip_block->cidr;
    term.except = peer.ip_block->except;
    return term;
  }
  term.pods.pods = peer.pod_selector.value_or(LabelSelector());
  if (peer.namespace_selector.has_value()) {
    term.pods.namespaces.selector = peer.namespace_selector;
  } else {
    term.pods.namespaces.names = {ns};
  }
  return term;
}

LoweredSection SectionOf(const std::vector<NetworkPolicyRule>& rules,
                         const PolicyRef& policy, Direction direction) {
  LoweredSection section;
  section.isolates = true;
  for (uint32_t i = 0; i < rules.size(); ++i) {
    LoweredRule& rule = section.rules.emplace_back();
    rule.ref = {policy.kind, policy.ns, policy.name, direction, i};
    if (rules[i].peers.empty()) {
      rule.peers.push_back({.kind = PeerTerm::Kind::kEverybody});
    }
    for (const PeerRule& peer : rules[i].peers) {
      rule.peers.push_back(TermOf(peer, policy.ns));
    }
    if (rules[i].ports.empty()) rule.ranges = {PortKeyRange()};
    for (const PortRule& port : rules[i].ports) {
      AddPort(port, rule.ranges, rule.names);
    }
  }
  return section;
}

void AddNeeds(const LoweredSection& section, Direction direction,
              UniverseNeeds& needs) {
  for (const LoweredRule& rule : section.rules) {
    for (const PeerTerm& peer : rule.peers) {
      if (peer.kind == PeerTerm::Kind::kBlock ||
          peer.kind == PeerTerm::Kind::kWorldIn) {
        needs.prefixes.push_back(peer.cidr);
        needs.prefixes.insert(needs.prefixes.end(), peer.except.begin(),
                              peer.except.end());
      }
      if (peer.kind == PeerTerm::Kind::kNodes) needs.node_labels = true;
      needs.name_selectors.insert(needs.name_selectors.end(),
                                  peer.names.begin(), peer.names.end());
    }
    if (direction == Direction::kEgress) {
      needs.names.insert(rule.names.begin(), rule.names.end());
    }
  }
}

}  // namespace

UniverseNeeds NeedsOf(absl::Span<const LoweredRef> policies) {
  UniverseNeeds needs;
  for (const LoweredRef& policy : policies) {
    const UniverseNeeds& own = policy->needs;
    needs.node_labels |= own.node_labels;
    needs.names.insert(own.names.begin(), own.names.end());
    needs.prefixes.insert(needs.prefixes.end(), own.prefixes.begin(),
                          own.prefixes.end());
    needs.name_selectors.insert(needs.name_selectors.end(),
                                own.name_selectors.begin(),
                                own.name_selectors.end());
  }
  SortUnique(needs.prefixes);
  SortUnique(needs.name_selectors);
  return needs;
}

LoweredRef Finish(LoweredPolicy policy) {
  for (Direction direction : kDirections) {
    LoweredSection& section =
        direction == Direction::kIngress ? policy.ingress : policy.egress;
    for (LoweredRule& rule : section.rules) Normalize(rule.ranges);
    AddNeeds(section, direction, policy.needs);
  }
  SortUnique(policy.needs.prefixes);
  SortUnique(policy.needs.name_selectors);
  return std::make_shared<const LoweredPolicy>(std::move(policy));
}

absl::StatusOr<std::vector<LoweredRef>> Lower(const NetworkPolicy& policy,
                                              const PolicyReferences&) {
  LoweredPolicy lowered;
  lowered.ref = {"NetworkPolicy", policy.ns, policy.name};
  lowered.subject.pods = policy.pod_selector;
  lowered.subject.namespaces.names = {policy.ns};
  if (policy.isolates_ingress) {
    lowered.ingress =
        SectionOf(policy.ingress, lowered.ref, Direction::kIngress);
  }
  if (policy.isolates_egress) {
    lowered.egress = SectionOf(policy.egress, lowered.ref, Direction::kEgress);
  }
  return std::vector<LoweredRef>{Finish(std::move(lowered))};
}

}  // namespace ciliumcore
