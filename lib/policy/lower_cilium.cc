// SPDX-License-Identifier: Apache-2.0

// CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/policy/cilium_peers_internal.h"
#include "lib/policy/lowered_policy_internal.h"

namespace ciliumcore {
namespace {

ProxyKind ProxyOf(const CiliumPortRule& ports) {
  if (ports.listener.has_value()) return ProxyKind::kListener;
  if (!ports.http.empty()) return ProxyKind::kHttp;
  if (!ports.dns.empty()) return ProxyKind::kDns;
  return ports.needs_proxy() ? ProxyKind::kTls : ProxyKind::kNone;
}

void AddIcmps(const std::vector<CiliumIcmp>& icmps, LoweredRule& rule) {
  for (const CiliumIcmp& icmp : icmps) {
    const uint16_t type = IcmpPort(icmp.type);
    rule.ranges.push_back(
        PortRange(icmp.is_v6 ? Protocol::kIcmpv6 : Protocol::kIcmp, type,
                  static_cast<uint16_t>(type | 0xff)));
  }
}

class Lowering {
 public:
  Lowering(const CiliumPolicy& policy, uint32_t spec,
           const PolicyReferences& references)
      : policy_(policy), spec_(spec), references_(references) {}

  LoweredSection Section(const std::vector<CiliumRule>& allowed,
                         const std::vector<CiliumRule>& denied, bool isolates,
                         Direction direction) const {
    LoweredSection section;
    section.isolates = isolates;
    Add(allowed, direction, false, section);
    Add(denied, direction, true, section);
    return section;
  }

 private:
  void Add(const std::vector<CiliumRule>& rules, Direction direction,
           bool denies, LoweredSection& section) const {
    for (uint32_t i = 0; i < rules.size(); ++i) {
      LoweredRule rule;
      rule.ref = {std::string(policy_.kind()),
                  policy_.ns,
                  policy_.name,
                  direction,
                  i,
                  spec_,
                  denies};
      if (denies) rule.action = LoweredRule::Action::kDeny;
      AddOne(rules[i], std::move(rule), section);
    }
  }

  // A rule becomes one for each way to judge what is on its ports.
  void AddOne(const CiliumRule& from, LoweredRule rule,
              LoweredSection& section) const {
    const bool names_ports = !from.ports.empty() || !from.icmps.empty();
    if (!from.peers.has_value() && !names_ports) {
      section.rules.push_back(std::move(rule));  // there, but for nobody
      return;
    }
    rule.needs_authentication =
        from.authentication.value_or(CiliumAuthentication::kDisabled) !=
        CiliumAuthentication::kDisabled;
    if (from.peers.has_value()) {
      rule.peers = TermsOf(*from.peers, policy_.ns, references_);
    } else {
      rule.peers.push_back({.kind = PeerTerm::Kind::kEverybody});
    }
    if (!names_ports) {
      rule.ranges = {PortKeyRange()};
      section.rules.push_back(std::move(rule));
      return;
    }
    std::map<ProxyKind, LoweredRule> by_proxy;
    for (const CiliumPortRule& ports : from.ports) {
      const ProxyKind proxy = ProxyOf(ports);
      LoweredRule& part = by_proxy.try_emplace(proxy, rule).first->second;
      part.proxy = proxy;
      for (const PortRule& port : ports.ports) {
        AddPort(port, part.ranges, part.names);
      }
    }
    if (!from.icmps.empty()) {
      AddIcmps(from.icmps,
               by_proxy.try_emplace(ProxyKind::kNone, rule).first->second);
    }
    for (auto& [proxy, part] : by_proxy) {
      section.rules.push_back(std::move(part));
    }
  }

  const CiliumPolicy& policy_;
  const uint32_t spec_;
  const PolicyReferences& references_;
};

}  // namespace

absl::StatusOr<std::vector<LoweredRef>> Lower(
    const CiliumPolicy& policy, const PolicyReferences& references) {
  std::vector<LoweredRef> all;
  for (uint32_t i = 0; i < policy.specs.size(); ++i) {
    const CiliumSpec& spec = policy.specs[i];
    if (!spec.endpoint_selector.has_value()) {
      return absl::UnimplementedError(absl::StrCat(
          policy.ToString(),
          ": nodeSelector: policies of nodes themselves are not enforced"));
    }
    LoweredPolicy lowered;
    lowered.ref = {std::string(policy.kind()), policy.ns, policy.name};
    lowered.subject = SubjectOf(*spec.endpoint_selector, policy.ns);
    const Lowering lowering(policy, i, references);
    lowered.ingress =
        lowering.Section(spec.ingress, spec.ingress_deny,
                         spec.denies_ingress_by_default(), Direction::kIngress);
    lowered.egress =
        lowering.Section(spec.egress, spec.egress_deny,
                         spec.denies_egress_by_default(), Direction::kEgress);
    all.push_back(Finish(std::move(lowered)));
  }
  return all;
}

}  // namespace ciliumcore
