// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/policy/shapes.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/identity/reserved.h"

namespace ciliumcore::bench {
namespace {

constexpr uint32_t kNamespaces = 20;
constexpr uint32_t kPodsHere = 110;
constexpr uint16_t kServicePorts[] = {80, 443, 8080, 9090};
constexpr uint32_t kFirstPod = 0x0a000000;    // 10.0.0.0
constexpr uint32_t kFirstBlock = 0x64400000;  // 100.64.0.0
constexpr uint32_t kClients = 10;

PolicyEndpoint Pod(uint32_t number, const std::string& ns,
                   const std::string& app) {
  PolicyEndpoint pod;
  pod.identity = static_cast<Identity>(kFirstClusterIdentity + number);
  pod.ns = ns;
  pod.labels.Set("app", app);
  pod.addresses = {IpAddress::FromV4(kFirstPod + number)};
  return pod;
}

std::string NamespaceOf(uint32_t number) {
  return absl::StrCat("ns", number % kNamespaces);
}

PolicyInput Services(uint32_t services) {
  PolicyInput input;
  for (uint32_t i = 0; i < services; ++i) {
    (i < kPodsHere ? input.endpoints : input.remotes)
        .push_back(Pod(i, NamespaceOf(i), absl::StrCat("service", i)));
  }
  return input;
}

// Both ways between all that `ns` means and `peers`, on the ports of services.
CiliumPolicy Among(const std::string& ns, const CiliumPeers& peers) {
  CiliumPolicy policy = {.ns = ns, .name = "services"};
  CiliumSpec& spec = policy.specs.emplace_back();
  spec.endpoint_selector.emplace();
  CiliumRule rule = {.peers = peers};
  CiliumPortRule& ports = rule.ports.emplace_back();
  for (const uint16_t port : kServicePorts)
    ports.ports.emplace_back().port = port;
  spec.ingress = {rule};
  spec.egress = {rule};
  return policy;
}

}  // namespace

PolicyInput OpenServices(uint32_t services) {
  PolicyInput input = Services(services);
  input.cilium_policies = {Among("", {.entities = {CiliumEntity::kCluster}})};
  return input;
}

PolicyInput ClosedServices(uint32_t services) {
  PolicyInput input = Services(services);
  for (uint32_t i = 0; i < kNamespaces; ++i) {
    input.cilium_policies.push_back(
        Among(NamespaceOf(i), {.endpoints = {LabelSelector()}}));
  }
  return input;
}

PolicyInput NestedBlocks(uint32_t blocks, uint32_t ports) {
  PolicyInput input;
  for (uint32_t i = 0; i < kClients; ++i) {
    input.endpoints.push_back(Pod(0, "default", "client"));
    input.endpoints.back().addresses = {IpAddress::FromV4(kFirstPod + i)};
  }
  NetworkPolicy policy;
  policy.ns = "default";
  policy.name = "to-blocks";
  policy.isolates_ingress = false;
  policy.isolates_egress = true;
  NetworkPolicyRule& to_blocks = policy.egress.emplace_back();
  for (uint32_t i = 0; i < blocks; ++i) {
    to_blocks.peers.emplace_back().ip_block.emplace().cidr =
        IpPrefix::Of(IpAddress::FromV4(kFirstBlock + (i << 8)), 24);
  }
  to_blocks.ports.emplace_back().port = uint16_t{443};
  input.policies.push_back(policy);

  policy.name = "to-all";
  NetworkPolicyRule to_all;
  to_all.peers.emplace_back().ip_block.emplace().cidr =
      IpPrefix::Of(IpAddress::FromV4(0), 0);
  for (uint32_t i = 0; i < ports; ++i) {
    to_all.ports.emplace_back().port = static_cast<uint16_t>(9000 + 10 * i);
  }
  policy.egress = {std::move(to_all)};
  input.policies.push_back(std::move(policy));
  return input;
}

}  // namespace ciliumcore::bench
