// SPDX-License-Identifier: Apache-2.0

// Random clusters, policies and flows. Names, labels, addresses and ports come
// from pools so small that rules meet, overlap and contradict each other.

#ifndef CILIUMCORE_TESTS_ORACLE_RANDOM_CLUSTER_H_
#define CILIUMCORE_TESTS_ORACLE_RANDOM_CLUSTER_H_

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/compiler.h"
#include "tests/oracle/oracle.h"

namespace ciliumcore::testing {

// A flow to be judged.
struct Flow {
  FlowEnd source, destination;
  PortProtocol target;
};

class RandomCluster {
 public:
  explicit RandomCluster(uint64_t seed) : random_(seed) {}

  // A cluster with nodes, namespaces, pods and policies.
  PolicyInput Make();

  // Of each pod that Make or Change left, a number that stays with it.
  const std::vector<uint32_t>& pods() const { return pods_; }

  // Changes one thing, or a few: a pod comes, goes, moves or is labelled anew;
  // a policy comes, goes or is written anew; a namespace is labelled anew.
  void Change(PolicyInput& input);

  // All ends that flows of `input` may have: pods by each address (or without,
  // if they have none), nodes, and addresses around the edges of its blocks.
  static std::vector<FlowEnd> EndsOf(const PolicyInput& input);

  // What flows may be to: each port that rules or pods mention and those beside
  // it, and protocols without ports.
  static std::vector<PortProtocol> TargetsOf(const PolicyInput& input);

  uint32_t Below(uint32_t end) {
    return std::uniform_int_distribution<uint32_t>(0, end - 1)(random_);
  }
  bool Chance(uint32_t percent) { return Below(100) < percent; }
  template <typename T>
  const T& OneOf(const std::vector<T>& values) {
    return values[Below(static_cast<uint32_t>(values.size()))];
  }

 private:
  Labels PodLabels();
  Labels NamespaceLabels(const std::string& name);
  LabelSelector Selector(bool of_namespaces);
  IpAddress Address();
  // An address that nobody has; it is the pod's from now on.
  IpAddress FreeAddress(const PolicyInput& input);
  IpPrefix Prefix(const IpAddress& around);
  PolicyEndpoint Pod(const PolicyInput& input);
  void AddPod(PolicyInput& input);
  void SetIdentity(PolicyEndpoint& pod);
  PortRule Port();
  PeerRule Peer();
  NetworkPolicyRule Rule();
  NetworkPolicy Policy(const PolicyInput& input);

  std::mt19937_64 random_;
  std::map<std::pair<std::string, Labels>, uint32_t> identities_;
  std::vector<uint32_t> pods_;
  uint32_t pods_made_ = 0;
  uint32_t policies_made_ = 0;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_RANDOM_CLUSTER_H_
