// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/flow_rule_internal.h"

#include <utility>

#include "lib/policy/given_labels_internal.h"

namespace ciliumcore {
namespace {

// The labels of `peer` that say which workload it is of; all of them if none
// does.
LabelSelector WorkloadSelector(const EndView& peer) {
  LabelSelector all, lasting;
  for (const Label& label : peer.labels) {
    all.match_labels.emplace_back(label.key, label.value);
    if (IsGivenByController(label.key, peer.owner_kind)) continue;
    lasting.match_labels.push_back(all.match_labels.back());
  }
  return lasting.match_labels.empty() ? all : lasting;
}

}  // namespace

std::vector<PortRule> PortsFor(const PortProtocol& port) {
  if (!HasPorts(port.protocol)) return {};
  PortRule rule;
  rule.protocol = port.protocol;
  if (port.port != 0) rule.port = port.port;
  return {rule};
}

PeerRule PeerFor(const EndView& peer, const std::string& ns,
                 const Cluster& cluster) {
  PeerRule rule;
  if (!peer.is_pod) {
    rule.ip_block = IpBlock{IpPrefix::Of(*peer.address), {}};
    return rule;
  }
  if (peer.ns != ns) {
    rule.namespace_selector.emplace().match_labels = {
        {std::string(kNamespaceNameLabel), peer.ns}};
  }
  const auto selected = [&](const LabelSelector& selector) {
    std::vector<const Pod*> pods;
    for (const Pod& pod : cluster.pods) {
      if (pod.ns == peer.ns && selector.Matches(pod.labels)) {
        pods.push_back(&pod);
      }
    }
    return pods;
  };
  LabelSelector& selector = rule.pod_selector.emplace(WorkloadSelector(peer));
  // Labels that tell it from nobody are left out.
  const std::vector<const Pod*> pods = selected(selector);
  for (size_t i = selector.match_labels.size(); i-- > 0;) {
    if (selector.match_labels.size() == 1) break;
    LabelSelector shorter = selector;
    shorter.match_labels.erase(shorter.match_labels.begin() + i);
    if (selected(shorter) == pods) selector = std::move(shorter);
  }
  return rule;
}

}  // namespace ciliumcore
