// SPDX-License-Identifier: Apache-2.0

// ClusterNetworkPolicy and its elders.

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lib/policy/dns_match_internal.h"
#include "lib/policy/lowered_policy_internal.h"

namespace ciliumcore {
namespace {

PodTerm TermOf(const NamespacedPods& pods) {
  PodTerm term;
  term.pods = pods.pod_selector;
  term.namespaces.selector = pods.namespace_selector;
  return term;
}

class Terms {
 public:
  void operator()(const NamespacedPods& pods) {
    terms_.push_back({.kind = PeerTerm::Kind::kPods, .pods = TermOf(pods)});
  }
  void operator()(const NodePeers& nodes) {
    terms_.push_back(
        {.kind = PeerTerm::Kind::kNodes, .selector = nodes.selector});
  }
  void operator()(const NetworkPeers& networks) {
    for (const IpPrefix& cidr : networks.cidrs) {
      terms_.push_back({.kind = PeerTerm::Kind::kBlock, .cidr = cidr});
    }
  }
  void operator()(const DomainPeers& domains) {
    PeerTerm& named =
        terms_.emplace_back(PeerTerm{.kind = PeerTerm::Kind::kNamed});
    for (const std::string& pattern : domains.names) {
      named.names.push_back(NameSelectorOfDomain(pattern));
    }
  }

  std::vector<PeerTerm> Take() && { return std::move(terms_); }

 private:
  std::vector<PeerTerm> terms_;
};

LoweredRule::Action ActionOf(ClusterRule::Action action) {
  switch (action) {
    case ClusterRule::Action::kAccept:
      return LoweredRule::Action::kAllow;
    case ClusterRule::Action::kDeny:
      return LoweredRule::Action::kDeny;
    case ClusterRule::Action::kPass:
      return LoweredRule::Action::kPass;
  }
  return LoweredRule::Action::kDeny;
}

LoweredSection SectionOf(const std::vector<ClusterRule>& rules,
                         const PolicyRef& policy, Direction direction) {
  LoweredSection section;
  for (uint32_t i = 0; i < rules.size(); ++i) {
    LoweredRule& rule = section.rules.emplace_back();
    rule.ref = {policy.kind, policy.ns, policy.name, direction, i};
    rule.action = ActionOf(rules[i].action);
    Terms terms;
    for (const ClusterPeer& peer : rules[i].peers) std::visit(terms, peer);
    rule.peers = std::move(terms).Take();
    if (!rules[i].ports.has_value()) {
      rule.ranges = {PortKeyRange()};
      continue;
    }
    for (const ClusterPort& port : *rules[i].ports) {
      AddPort({.protocol = port.protocol,
               .port = port.port,
               .end_port = port.end_port,
               .name = port.name},
              rule.ranges, rule.names);
    }
  }
  return section;
}

}  // namespace

absl::StatusOr<std::vector<LoweredRef>> Lower(const ClusterPolicy& policy,
                                              const PolicyReferences&) {
  LoweredPolicy lowered;
  lowered.ref = {std::string(ClusterPolicyKindName(policy.kind)), "",
                 policy.name};
  lowered.tier = policy.tier == ClusterPolicy::Tier::kAdmin
                     ? LoweredPolicy::Tier::kAdmin
                     : LoweredPolicy::Tier::kBaseline;
  lowered.priority = policy.priority;
  lowered.kind_rank = static_cast<uint32_t>(policy.kind);
  lowered.subject = TermOf(policy.subject);
  lowered.ingress = SectionOf(policy.ingress, lowered.ref, Direction::kIngress);
  lowered.egress = SectionOf(policy.egress, lowered.ref, Direction::kEgress);
  return std::vector<LoweredRef>{Finish(std::move(lowered))};
}

}  // namespace ciliumcore
