// SPDX-License-Identifier: Apache-2.0

// The policies of a cluster that manifests describe, compiled without one: what
// offline questions are asked of.

#ifndef CILIUMCORE_POLICY_COMPILED_CLUSTER_H_
#define CILIUMCORE_POLICY_COMPILED_CLUSTER_H_

#include <compare>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/policy_input.h"
#include "ciliumcore/policy/rule_set.h"

namespace ciliumcore {

// Pods of one owner.
struct Workload {
  std::string ns;
  std::string name;
  std::string kind;            // "Deployment"; "Pod" of a pod without owner
  std::vector<uint32_t> pods;  // indices in Cluster::pods, ascending

  // "shop/web[Deployment]".
  std::string ToString() const;

  friend auto operator<=>(const Workload&, const Workload&) = default;
};

struct CompiledCluster {
  Cluster cluster;                  // with the addresses that were assigned
  CompiledPolicy policy;            // endpoint i is cluster.pods[i]
  std::vector<Workload> workloads;  // ascending
};

// All policies of a cluster, of every dialect.
Policies PoliciesOf(const Cluster& cluster);

// What they refer to, as far as manifests say: services, and nodes with what of
// Cilium's has an address there. Each node
// is another than the one that a pod runs on: whose own addresses are known,
// where policies are enforced, is told by PolicyInput::host_addresses.
PolicyContext PolicyContextOf(const Cluster& cluster);

struct CompileClusterOptions {
  // A pod without any address gets the next of each that is nobody's
  // (TakenAddresses).
  std::vector<IpPrefix> pod_cidrs = {};
};

// Pods of equal namespace and labels share an identity. Where pods run is not
// known: a pod in the host's network with the address of a node (PodsOfNodes)
// is taken for that node, another than that of any pod, so that policies
// decide; any other such pod for the node of every pod, which is always
// allowed.
//
// Nothing is known of what names stand for: rules for domain names match
// nobody.
//
// InvalidArgument if two pods outside the host's network have one address, and
// as Compile; ResourceExhausted if a CIDR has too few addresses.
absl::StatusOr<CompiledCluster> CompileCluster(
    Cluster cluster, const CompileClusterOptions& options = {});

// Pods outside the host's network without address: no ipBlock covers them.
std::vector<uint32_t> PodsWithoutAddress(const Cluster& cluster);

// The addresses that pods and nodes have, ascending.
std::set<IpAddress> TakenAddresses(const Cluster& cluster);

// Pods in the host's network with an address of one of the cluster's nodes,
// ascending.
std::vector<uint32_t> PodsOfNodes(const Cluster& cluster);

// The policies that depend on addresses of pods, and are not for nobody: those
// that isolate a pod and have an ipBlock in that direction, and those of the
// whole cluster with peers by network; ascending.
std::vector<PolicyRef> PoliciesWithIpBlock(const Cluster& cluster);

// The policies with rules for domain names, which match nobody here, and in a
// cluster whoever the name has resolved to; ascending.
std::vector<PolicyRef> PoliciesWithNames(const Cluster& cluster);

// The rules that allow something only through a proxy, and those that allow the
// same; ascending. The verdict on that is kRedirect.
std::vector<RuleRef> RulesForProxies(const CompiledPolicy& policy);

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_COMPILED_CLUSTER_H_
