// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/small_policies.h"

#include <utility>

namespace ciliumcore::testing {
namespace {

std::vector<std::vector<PeerRule>> SmallPeers() {
  PeerRule pods, same, spaces, far, block, holed;
  pods.pod_selector.emplace();
  same.pod_selector = Only("app", "a");
  spaces.namespace_selector.emplace();
  far.namespace_selector = Only("far", "yes");
  far.pod_selector = Only("app", "a");
  block.ip_block.emplace().cidr = *IpPrefix::Parse("10.0.0.0/24");
  holed.ip_block = block.ip_block;
  holed.ip_block->except = {*IpPrefix::Parse("10.0.0.2/31")};
  return {{}, {pods}, {same}, {spaces}, {far}, {block}, {holed}, {same, holed}};
}

std::vector<std::vector<PortRule>> SmallPorts() {
  PortRule number, range, name, udp;
  number.port = 80;
  range.port = 80;
  range.end_port = 81;
  name.name = "http";
  udp.protocol = Protocol::kUdp;
  return {{}, {number}, {range}, {name}, {udp, name}};
}

}  // namespace

std::vector<NetworkPolicyRule> SmallRules() {
  std::vector<NetworkPolicyRule> rules;
  for (const auto& peers : SmallPeers()) {
    for (const auto& ports : SmallPorts()) rules.push_back({peers, ports});
  }
  return rules;
}

NetworkPolicy PolicyOf(const LabelSelector& subject, Direction direction,
                       std::vector<NetworkPolicyRule> rules) {
  NetworkPolicy policy;
  policy.ns = "x";
  policy.pod_selector = subject;
  policy.isolates_ingress = direction == Direction::kIngress;
  policy.isolates_egress = !policy.isolates_ingress;
  (policy.isolates_ingress ? policy.ingress : policy.egress) = std::move(rules);
  return policy;
}

}  // namespace ciliumcore::testing
