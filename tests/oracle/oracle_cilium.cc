// SPDX-License-Identifier: Apache-2.0

// CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy, to be read against
// https://docs.cilium.io/en/stable/security/policy/

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "tests/oracle/oracle_dialects.h"
#include "tests/oracle/oracle_matching.h"

namespace ciliumcore::testing {
namespace {

bool NamesNamespace(const std::string& written) {
  const SelectorKey key(written);
  return key.key == "io.kubernetes.pod.namespace" &&
         (key.source.empty() || key.source == "k8s");
}

// A namespaced policy is about pods of its namespace, even if the selector
// names another one. Selectors of nodes are about nobody here.
bool IsSelected(const Census& census, const FlowEnd& subject,
                const CiliumSpec& spec, const CiliumPolicy& policy) {
  if (!spec.endpoint_selector.has_value()) return false;
  LabelSelector selector = *spec.endpoint_selector;
  if (!policy.ns.empty()) {
    if (census.PodAt(subject)->ns != policy.ns) return false;
    std::erase_if(selector.match_labels,
                  [](const auto& term) { return NamesNamespace(term.first); });
    std::erase_if(selector.match_expressions,
                  [](const auto& term) { return NamesNamespace(term.key); });
  }
  return Selects(selector, census.CiliumLabelsOf(subject));
}

bool IsOf(Protocol written, Protocol protocol) {
  if (written != Protocol::kAny) return written == protocol;
  return protocol == Protocol::kTcp || protocol == Protocol::kUdp ||
         protocol == Protocol::kSctp;
}

// Names are those of the pod that is asked for the port.
bool CoversPort(const PortRule& rule, const Census& census,
                const Question& question) {
  if (!IsOf(rule.protocol, question.protocol)) return false;
  if (!rule.name.empty()) {
    return Calls(census.PodAt(question.destination()), rule.name,
                 question.protocol, question.port);
  }
  return !rule.port.has_value() ||
         IsInRange(question.port, *rule.port, rule.end_port);
}

// Any code of the type.
bool CoversIcmp(const CiliumIcmp& icmp, const Question& question) {
  const Protocol family = icmp.is_v6 ? Protocol::kIcmpv6 : Protocol::kIcmp;
  return question.protocol == family && question.port / 256 == icmp.type;
}

// Where the proxy listens that judges what is said on these ports; 0: none.
// That of requests or names opens what TLS there is around them.
uint16_t AskedProxy(const CiliumPortRule& on, const ProxyPorts& proxies) {
  if (on.listener.has_value()) return proxies.listener;
  if (!on.http.empty()) return proxies.http;
  if (!on.dns.empty()) return proxies.dns;
  const bool is_about_tls = !on.server_names.empty() ||
                            on.terminating_tls.has_value() ||
                            on.originating_tls.has_value();
  return is_about_tls ? proxies.tls : 0;
}

// Whether a rule matches, and the port of the proxy that it then asks, if any.
// The compiler refuses rules that ask two for one flow.
struct Match {
  bool matches = false;
  uint16_t proxy_port = 0;
};

Match MatchOf(const CiliumRule& rule, const CiliumPolicy& policy,
              const Census& census, const Question& question) {
  const bool has_ports = !rule.ports.empty() || !rule.icmps.empty();
  if (!rule.peers.has_value() && !has_ports) return {};
  if (rule.peers.has_value() &&
      !IsAmong(census, question.peer, *rule.peers, policy.ns)) {
    return {};
  }
  if (!has_ports) return {.matches = true};
  Match match;
  for (const CiliumIcmp& icmp : rule.icmps) {
    if (CoversIcmp(icmp, question)) match.matches = true;
  }
  for (const CiliumPortRule& on : rule.ports) {
    const bool covers = std::any_of(
        on.ports.begin(), on.ports.end(),
        [&](const auto& port) { return CoversPort(port, census, question); });
    if (!covers) continue;
    match.matches = true;
    const uint16_t proxy = AskedProxy(on, census.input().proxies);
    if (proxy != 0) match.proxy_port = proxy;
  }
  return match;
}

bool DemandsAuthentication(const CiliumRule& rule) {
  return rule.authentication == CiliumAuthentication::kRequired ||
         rule.authentication == CiliumAuthentication::kAlwaysFail;
}

// The rules of a specification in one direction.
struct Section {
  const std::vector<CiliumRule>& allow;
  const std::vector<CiliumRule>& deny;
  // "By default, all egress and ingress traffic is allowed for all endpoints.
  // When an endpoint is selected by a network policy, it transitions to a
  // default-deny state", in directions that have rules, unless it says if.
  bool denies_by_default;
};

Section SectionOf(const CiliumSpec& spec, Direction direction) {
  const auto denies = [](const std::optional<bool>& said, const auto& allow,
                         const auto& deny) {
    return said.has_value() ? *said : !allow.empty() || !deny.empty();
  };
  if (direction == Direction::kIngress) {
    return {spec.ingress, spec.ingress_deny,
            denies(spec.default_deny_ingress, spec.ingress, spec.ingress_deny)};
  }
  return {spec.egress, spec.egress_deny,
          denies(spec.default_deny_egress, spec.egress, spec.egress_deny)};
}

}  // namespace

void AskCiliumPolicies(const Census& census, const Question& question,
                       Opinion& opinion) {
  for (const CiliumPolicy& policy : census.input().cilium_policies) {
    const std::string kind = policy.ns.empty()
                                 ? "CiliumClusterwideNetworkPolicy"
                                 : "CiliumNetworkPolicy";
    bool isolates = false;
    for (uint32_t spec = 0; spec < policy.specs.size(); ++spec) {
      if (!IsSelected(census, question.subject, policy.specs[spec], policy)) {
        continue;
      }
      const Section section = SectionOf(policy.specs[spec], question.direction);
      isolates = isolates || section.denies_by_default;
      opinion.is_concerned = opinion.is_concerned ||
                             section.denies_by_default ||
                             !section.allow.empty() || !section.deny.empty();
      const auto ref = [&](uint32_t index, bool is_denial) -> RuleRef {
        return {kind,  policy.ns, policy.name, question.direction,
                index, spec,      is_denial};
      };
      for (uint32_t i = 0; i < section.deny.size(); ++i) {
        const CiliumRule& rule = section.deny[i];
        if (MatchOf(rule, policy, census, question).matches) {
          opinion.denying.push_back(ref(i, true));
        }
      }
      for (uint32_t i = 0; i < section.allow.size(); ++i) {
        const CiliumRule& rule = section.allow[i];
        const Match match = MatchOf(rule, policy, census, question);
        if (!match.matches) continue;
        opinion.allowing.push_back(ref(i, false));
        if (match.proxy_port != 0) opinion.proxy_port = match.proxy_port;
        if (DemandsAuthentication(rule)) {
          opinion.authenticating.push_back(ref(i, false));
        }
      }
    }
    if (isolates) opinion.isolating.push_back({kind, policy.ns, policy.name});
  }
}

}  // namespace ciliumcore::testing
