// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/rule_conditions_internal.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ciliumcore {
namespace {

using Kind = FailedCondition::Kind;
using Operator = LabelSelector::Operator;
using Failures = std::vector<FailedCondition>;

std::string ExpectedBy(const LabelSelector::Requirement& term) {
  const std::string values =
      absl::StrCat("(", absl::StrJoin(term.values, ", "), ")");
  switch (term.op) {
    case Operator::kIn:
      return term.values.size() == 1 ? term.values.front() : "one of " + values;
    case Operator::kNotIn:
      return "none of " + values;
    case Operator::kExists:
      return "any value";
    case Operator::kDoesNotExist:
      return "no such label";
  }
  return "";
}

void AppendFailed(const LabelSelector& selector, const Labels& labels,
                  Kind kind, const std::string& place, Failures& failed) {
  std::vector<LabelSelector::Requirement> terms;
  for (const auto& [key, value] : selector.match_labels) {
    terms.push_back({key, Operator::kIn, {value}});
  }
  terms.insert(terms.end(), selector.match_expressions.begin(),
               selector.match_expressions.end());
  for (const LabelSelector::Requirement& term : terms) {
    if (term.Matches(labels)) continue;
    const std::string* const value = labels.Get(term.key);
    failed.push_back({kind, place, term.key, ExpectedBy(term),
                      value == nullptr ? "no such label" : *value});
  }
}

Failures PeerFailures(const PeerRule& rule, const std::string& ns,
                      const std::string& place, const EndView& peer) {
  Failures failed;
  if (rule.ip_block.has_value()) {
    const IpBlock& block = *rule.ip_block;
    const std::string cidr = block.cidr.ToString();
    if (!peer.address.has_value()) {
      return {{Kind::kNoAddress, place + ".ipBlock", "",
               absl::StrCat("an address in ", cidr), "a pod without address"}};
    }
    const std::string found = peer.address->ToString();
    if (!block.cidr.Contains(*peer.address)) {
      return {{Kind::kOutsideBlock, place + ".ipBlock", "",
               absl::StrCat("an address in ", cidr), found}};
    }
    for (const IpPrefix& hole : block.except) {
      if (!hole.Contains(*peer.address)) continue;
      return {{Kind::kInException, place + ".ipBlock.except", "",
               absl::StrCat("an address outside ", hole.ToString()), found}};
    }
    return failed;
  }
  if (!peer.is_pod) {
    return {{Kind::kNotAPod, place, "", "a pod",
             peer.address.has_value() ? peer.address->ToString() : peer.name}};
  }
  if (rule.namespace_selector.has_value()) {
    AppendFailed(*rule.namespace_selector, peer.ns_labels,
                 Kind::kNamespaceLabel, place + ".namespaceSelector", failed);
  } else if (peer.ns != ns) {
    failed.push_back({Kind::kNamespace, place, "",
                      absl::StrCat("a pod of namespace ", ns),
                      absl::StrCat("one of ", peer.ns)});
  }
  if (rule.pod_selector.has_value()) {
    AppendFailed(*rule.pod_selector, peer.labels, Kind::kPodLabel,
                 place + ".podSelector", failed);
  }
  return failed;
}

Failures PortFailures(const PortRule& rule, const std::string& place,
                      const EndView& destination, const PortProtocol& port) {
  Failures failed;
  if (rule.protocol != port.protocol) {
    failed.push_back({Kind::kProtocol, place, "", ProtocolName(rule.protocol),
                      ProtocolName(port.protocol)});
  }
  // It fails in no port of its own.
  if (!HasPorts(port.protocol)) return failed;
  std::string expected;
  if (!rule.name.empty()) {
    std::vector<std::string> numbers;
    for (const NamedPort& named : destination.ports) {
      if (named.name != rule.name || named.port.protocol != rule.protocol) {
        continue;
      }
      if (named.port.port == port.port) return failed;
      numbers.push_back(absl::StrCat(named.port.port));
    }
    expected = numbers.empty()
                   ? absl::StrCat(rule.name, ", which ", destination.name,
                                  " does not name")
                   : absl::StrCat(rule.name, ", which is ",
                                  absl::StrJoin(numbers, " and "), " at ",
                                  destination.name);
  } else if (rule.port.has_value()) {
    const uint16_t last = rule.end_port.value_or(*rule.port);
    if (*rule.port <= port.port && port.port <= last) return failed;
    expected = last == *rule.port ? absl::StrCat(last)
                                  : absl::StrCat(*rule.port, "-", last);
  } else {
    return failed;
  }
  failed.push_back(
      {Kind::kPort, place, "", std::move(expected), absl::StrCat(port.port)});
  return failed;
}

// The shorter; the first of equals.
void Keep(Failures failures, std::optional<Failures>& best) {
  if (!best.has_value() || failures.size() < best->size()) {
    best = std::move(failures);
  }
}

}  // namespace

EndView ViewOf(const Cluster& cluster, const NamedEnd& end) {
  EndView view;
  view.address = end.address;
  view.name = end.Name();
  if (!end.pod.has_value()) return view;
  const Pod& pod = cluster.pods[*end.pod];
  view.is_pod = !pod.host_network;
  view.ns = pod.ns;
  view.owner_kind = pod.owner_kind;
  view.labels = pod.labels;
  const auto ns = cluster.namespaces.find(pod.ns);
  if (ns != cluster.namespaces.end()) view.ns_labels = ns->second.labels;
  view.ns_labels.Set(kNamespaceNameLabel, pod.ns);
  // Names mean nothing of a pod in the host's network.
  if (view.is_pod) view.ports = pod.ports;
  return view;
}

RuleFailures FailuresOf(const NetworkPolicyRule& rule, const std::string& ns,
                        Direction direction, const FlowView& flow) {
  const char* const section =
      direction == Direction::kIngress ? "from[" : "to[";
  std::optional<Failures> peer, port;
  for (size_t i = 0; i < rule.peers.size(); ++i) {
    Keep(PeerFailures(rule.peers[i], ns, absl::StrCat(section, i, "]"),
                      flow.peer(direction)),
         peer);
  }
  for (size_t i = 0; i < rule.ports.size(); ++i) {
    Keep(PortFailures(rule.ports[i], absl::StrCat("ports[", i, "]"),
                      flow.destination, flow.port),
         port);
  }
  return {std::move(peer).value_or(Failures()),
          std::move(port).value_or(Failures())};
}

bool Isolates(const NetworkPolicy& policy, Direction direction,
              const FlowView& flow) {
  const EndView& subject = flow.subject(direction);
  return IsolatesIn(policy, direction) && subject.is_pod &&
         subject.ns == policy.ns && policy.pod_selector.Matches(subject.labels);
}

}  // namespace ciliumcore
