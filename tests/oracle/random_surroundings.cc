// SPDX-License-Identifier: Apache-2.0

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/oracle/random_cluster.h"
#include "tests/oracle/random_dialects.h"

namespace ciliumcore::testing {
namespace {

constexpr uint32_t kMostNodes = 4;

std::vector<IpAddress> Addresses(RandomSource& random, uint32_t most) {
  std::vector<IpAddress> addresses;
  for (uint32_t i = random.Below(most + 1); i > 0; --i) {
    addresses.push_back(random.Address());
  }
  return addresses;
}

}  // namespace

std::vector<CidrGroup> RandomCidrGroups(RandomSource& random) {
  std::vector<CidrGroup> groups;
  for (const char* name : {"partners", "office"}) {
    if (!random.Chance(80)) continue;
    CidrGroup group = {.name = name};
    if (random.Chance(70)) {
      group.labels.Set({std::string(kSourceCidrGroup), "trust",
                        random.OneOf<std::string>({"high", "low"})});
    }
    for (uint32_t i = random.Below(4); i > 0; --i) {
      group.cidrs.push_back(random.Prefix(random.Address()));
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

std::vector<PolicyService> RandomServices(RandomSource& random) {
  std::vector<PolicyService> services;
  for (const char* name : {"s0", "s1", "s2"}) {
    for (const std::string& ns : Namespaces()) {
      if (!random.Chance(40)) continue;
      PolicyService service = {.ns = ns, .name = name};
      if (random.Chance(70)) {
        service.labels.Set("tier",
                           random.OneOf<std::string>({"front", "back"}));
      }
      if (random.Chance(60)) service.selector = random.Selector(false);
      // Those of a service that selects pods do not matter.
      service.addresses = Addresses(random, 3);
      services.push_back(std::move(service));
    }
  }
  return services;
}

std::vector<ResolvedName> RandomNames(RandomSource& random) {
  std::vector<ResolvedName> names;
  for (const char* name :
       {"example.com", "api.example.com", "a.b.example.com", "x.org"}) {
    if (random.Chance(75)) names.push_back({name, Addresses(random, 3)});
  }
  return names;
}

Labels RandomNodeLabels(RandomSource& random) {
  Labels labels;
  if (random.Chance(70)) {
    labels.Set("zone", random.OneOf<std::string>({"a", "b"}));
  }
  if (random.Chance(30)) labels.Set("gpu", "yes");
  return labels;
}

LabelSelector RandomNodeSelector(RandomSource& random) {
  LabelSelector selector;
  if (random.Chance(60)) {
    selector.match_labels.emplace_back("zone",
                                       random.OneOf<std::string>({"a", "b"}));
  }
  if (random.Chance(40)) {
    using Operator = LabelSelector::Operator;
    selector.match_expressions.push_back(
        {"gpu",
         random.OneOf<Operator>({Operator::kExists, Operator::kDoesNotExist}),
         {}});
  }
  return selector;
}

void RandomCluster::AddNode(PolicyInput& input) {
  PolicyNode node = {.name = absl::StrCat("n", nodes_made_++),
                     .labels = RandomNodeLabels(*this)};
  node.addresses.push_back(FreeAddress(input));
  // The cluster's nodes include this one.
  if (Chance(15)) node.addresses.push_back(OneOf(input.host_addresses));
  input.remote_nodes.push_back(std::move(node));
  if (Chance(30)) {
    input.remote_nodes.back().addresses.push_back(FreeAddress(input));
  }
}

void RandomCluster::ChangeNodes(PolicyInput& input) {
  std::vector<PolicyNode>& nodes = input.remote_nodes;
  if (nodes.empty() || (nodes.size() < kMostNodes && Chance(40))) {
    return AddNode(input);
  }
  const auto node = PlaceIn(nodes);
  switch (Below(4)) {
    case 0:
      node->labels = RandomNodeLabels(*this);
      break;
    case 1:
      node->addresses.back() = FreeAddress(input);
      break;
    case 2:
      input.host_labels = RandomNodeLabels(*this);
      break;
    case 3:
      nodes.erase(node);
      break;
  }
}

void RandomCluster::AddSurroundings(PolicyInput& input) {
  input.host_labels = RandomNodeLabels(*this);
  for (uint32_t i = Below(kMostNodes); i > 0; --i) AddNode(input);
  for (uint32_t i = Below(3); i > 0; --i) {
    input.api_server_addresses.push_back(FreeAddress(input));
  }
  input.cidr_groups = RandomCidrGroups(*this);
  input.services = RandomServices(*this);
  input.names = RandomNames(*this);
}

void RandomCluster::AddCiliumPolicy(PolicyInput& input) {
  const std::string ns = Chance(25) ? "" : NamespaceOfPolicy(input);
  const std::string name = absl::StrCat("p", policies_made_++);
  input.cilium_policies.push_back(RandomCiliumPolicy(*this, ns, name));
}

void RandomCluster::AddClusterPolicy(PolicyInput& input) {
  input.cluster_policies.push_back(
      RandomClusterPolicy(*this, input.cluster_policies));
}

void RandomCluster::AddPoliciesOfOtherDialects(PolicyInput& input) {
  for (uint32_t i = Below(most_.other_policies - 1); i > 0; --i)
    AddCiliumPolicy(input);
  for (uint32_t i = Below(most_.other_policies - 2); i > 0; --i)
    AddClusterPolicy(input);
}

void RandomCluster::ChangeOtherDialects(PolicyInput& input) {
  std::vector<CiliumPolicy>& cilium = input.cilium_policies;
  std::vector<ClusterPolicy>& cluster = input.cluster_policies;
  switch (Below(12)) {
    case 0:
    case 1:
      if (cilium.size() < most_.other_policies) AddCiliumPolicy(input);
      break;
    case 2:
      if (!cilium.empty()) cilium.erase(PlaceIn(cilium));
      break;
    case 3:
      if (!cilium.empty()) {
        const auto at = PlaceIn(cilium);
        *at = RandomCiliumPolicy(*this, at->ns, at->name);
      }
      break;
    case 4:
    case 5:
      if (cluster.size() < most_.other_policies) AddClusterPolicy(input);
      break;
    case 6:
      if (!cluster.empty()) cluster.erase(PlaceIn(cluster));
      break;
    case 7:
      input.cidr_groups = RandomCidrGroups(*this);
      break;
    case 8:
      input.services = RandomServices(*this);
      break;
    case 9:
      input.names = RandomNames(*this);
      break;
    case 10:
      ChangeNodes(input);
      break;
    case 11:
      input.proxies = {.http = static_cast<uint16_t>(11000 + Below(100)),
                       .dns = static_cast<uint16_t>(12000 + Below(100))};
      break;
  }
}

}  // namespace ciliumcore::testing
