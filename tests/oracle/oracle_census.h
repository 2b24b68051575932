// SPDX-License-Identifier: Apache-2.0

// Who is at the ends of flows, as the policies of all dialects speak of them.

#ifndef CILIUMCORE_TESTS_ORACLE_ORACLE_CENSUS_H_
#define CILIUMCORE_TESTS_ORACLE_ORACLE_CENSUS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/policy_input.h"

namespace ciliumcore::testing {

// One end of a flow: a pod, by its index among the endpoints and the address
// that the packet bears (a pod may have none), or just an address.
struct FlowEnd {
  uint32_t endpoint = kNoEndpoint;
  std::optional<IpAddress> address;
};

using LabelList = std::vector<Label>;

// Answers from `input`, which must outlive it. Thread-compatible. Making one
// costs a step for every label; a question, one for every address.
class Census {
 public:
  explicit Census(const PolicyInput& input);

  const PolicyInput& input() const { return input_; }

  // Whoever has this address.
  FlowEnd EndOf(const IpAddress& address) const;

  // The pod at this end if policies may select it, else null: it is none, or is
  // in the host's network.
  const PolicyEndpoint* PodAt(const FlowEnd& end) const;
  // This node, which pods in the host's network are as well.
  bool IsHost(const FlowEnd& end) const;
  // Another node, with labels or without.
  bool IsRemoteNode(const FlowEnd& end) const;
  // Neither a pod nor a node.
  bool IsOutside(const FlowEnd& end) const;
  // Of those outside.
  bool IsApiServer(const FlowEnd& end) const;

  // Of the namespace of a pod, its name included.
  const LabelList& NamespaceLabelsOf(const FlowEnd& pod) const;
  // Of a node; none if nobody knows them.
  const Labels& NodeLabelsOf(const FlowEnd& node) const;
  // What Cilium knows anybody by: of a pod, its labels, those of its namespace,
  // and those of its identity if that is a reserved one; of others, the latter.
  const LabelList& CiliumLabelsOf(const FlowEnd& end) const;

 private:
  const PolicyInput& input_;
  // By endpoint.
  std::vector<LabelList> namespace_labels_;
  std::vector<LabelList> cilium_labels_;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_ORACLE_CENSUS_H_
