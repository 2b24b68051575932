// SPDX-License-Identifier: Apache-2.0

// One flow against one rule of a NetworkPolicy, condition by condition.

#ifndef CILIUMCORE_LIB_POLICY_RULE_CONDITIONS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_RULE_CONDITIONS_INTERNAL_H_

#include <optional>
#include <string>
#include <vector>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/policy/named_end.h"
#include "ciliumcore/policy/network_policy.h"
#include "ciliumcore/policy/verdict_table.h"
#include "ciliumcore/policy/why_not.h"

namespace ciliumcore {

// One end of a flow as rules see it.
struct EndView {
  // A pod that policies select; not one in the host's network, nor an address
  // outside.
  bool is_pod = false;
  std::string name;  // for messages
  std::string ns;
  std::string owner_kind;
  Labels labels;
  Labels ns_labels;  // with the namespace's name
  std::vector<NamedPort> ports;
  std::optional<IpAddress> address;
};
EndView ViewOf(const Cluster& cluster, const NamedEnd& end);

struct FlowView {
  EndView source;
  EndView destination;
  PortProtocol port;

  const EndView& subject(Direction direction) const {
    return direction == Direction::kIngress ? destination : source;
  }
  const EndView& peer(Direction direction) const {
    return direction == Direction::kIngress ? source : destination;
  }
};

// What fails of the peer and of the port that nearly match; both empty if the
// rule allows the flow.
struct RuleFailures {
  std::vector<FailedCondition> peer;
  std::vector<FailedCondition> port;
};
RuleFailures FailuresOf(const NetworkPolicyRule& rule, const std::string& ns,
                        Direction direction, const FlowView& flow);

// Whether `policy` isolates the flow's end of that direction.
bool Isolates(const NetworkPolicy& policy, Direction direction,
              const FlowView& flow);

inline bool IsolatesIn(const NetworkPolicy& policy, Direction direction) {
  return direction == Direction::kIngress ? policy.isolates_ingress
                                          : policy.isolates_egress;
}

inline const std::vector<NetworkPolicyRule>& SectionOf(
    const NetworkPolicy& policy, Direction direction) {
  return direction == Direction::kIngress ? policy.ingress : policy.egress;
}

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_RULE_CONDITIONS_INTERNAL_H_
