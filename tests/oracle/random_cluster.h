// SPDX-License-Identifier: Apache-2.0

// Random clusters, policies and flows.

#ifndef CILIUMCORE_TESTS_ORACLE_RANDOM_CLUSTER_H_
#define CILIUMCORE_TESTS_ORACLE_RANDOM_CLUSTER_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/compiler.h"
#include "tests/oracle/oracle.h"
#include "tests/oracle/random_source.h"

namespace ciliumcore::testing {

// A flow to be judged.
struct Flow {
  FlowEnd source, destination;
  PortProtocol target;
};

// What policies a cluster has, and with them what they may speak of.
enum class Dialects { kNetworkPolicy, kAll };

// The most that a cluster grows to.
struct Extent {
  uint32_t pods = 12;
  uint32_t network_policies = 8;
  uint32_t other_policies = 6;  // of each other dialect
};

// Few enough that a change costs little to judge.
inline constexpr Extent kSmallExtent = {
    .pods = 5, .network_policies = 3, .other_policies = 3};

class RandomCluster : public RandomSource {
 public:
  explicit RandomCluster(uint64_t seed,
                         Dialects dialects = Dialects::kNetworkPolicy,
                         const Extent& most = {})
      : RandomSource(seed), dialects_(dialects), most_(most) {}

  // A cluster with nodes, namespaces, pods and policies.
  PolicyInput Make();

  // Of each pod that Make or Change left, a number that stays with it.
  const std::vector<uint32_t>& pods() const { return pods_; }

  // Changes one thing, or a few: a pod comes, goes, moves or is labelled anew;
  // a policy comes, goes or is written anew; a namespace is labelled anew; what
  // policies speak of changes.
  void Change(PolicyInput& input);

  // All ends that flows of `input` may have: pods by each address (or without,
  // if they have none), which come first, nodes, what has a name or is behind a
  // service, and addresses around the edges of blocks.
  static std::vector<FlowEnd> EndsOf(const PolicyInput& input);

  // What flows may be to: each port that rules or pods mention and those beside
  // it, each ICMP type alike, and protocols without ports.
  static std::vector<PortProtocol> TargetsOf(const PolicyInput& input);

  // One of these, mostly between pods, whom policies are about.
  Flow FlowOf(const PolicyInput& input, const std::vector<FlowEnd>& ends,
              const std::vector<PortProtocol>& targets);

 private:
  bool speaks_all() const { return dialects_ == Dialects::kAll; }
  // An address that nobody has; it is the pod's from now on.
  IpAddress FreeAddress(const PolicyInput& input);
  PolicyEndpoint Pod(const PolicyInput& input);
  void AddPod(PolicyInput& input);
  void SetIdentity(PolicyEndpoint& pod);
  PeerRule Peer();
  NetworkPolicyRule Rule();
  std::string NamespaceOfPolicy(const PolicyInput& input);
  NetworkPolicy Policy(const PolicyInput& input);
  // Of the other dialects.
  void AddCiliumPolicy(PolicyInput& input);
  void AddClusterPolicy(PolicyInput& input);
  void AddPoliciesOfOtherDialects(PolicyInput& input);
  void AddNode(PolicyInput& input);
  void ChangeNodes(PolicyInput& input);
  void AddSurroundings(PolicyInput& input);
  void ChangeOtherDialects(PolicyInput& input);

  Dialects dialects_;
  Extent most_;
  std::map<std::pair<std::string, Labels>, uint32_t> identities_;
  std::vector<uint32_t> pods_;
  uint32_t pods_made_ = 0;
  uint32_t policies_made_ = 0;
  uint32_t nodes_made_ = 1;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_RANDOM_CLUSTER_H_
