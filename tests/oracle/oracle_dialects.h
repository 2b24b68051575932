// SPDX-License-Identifier: Apache-2.0

// What the policies of each dialect say of one flow.

#ifndef CILIUMCORE_TESTS_ORACLE_ORACLE_DIALECTS_H_
#define CILIUMCORE_TESTS_ORACLE_ORACLE_DIALECTS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/cluster_policy.h"
#include "ciliumcore/policy/rule_set.h"
#include "tests/oracle/oracle_census.h"

namespace ciliumcore::testing {

// What the policies of the subject, which is a pod, are asked.
struct Question {
  Direction direction = Direction::kIngress;
  FlowEnd subject, peer;
  Protocol protocol = Protocol::kTcp;
  uint16_t port = 0;  // the destination's; ICMP: type << 8 | code

  bool is_ingress() const { return direction == Direction::kIngress; }
  const FlowEnd& destination() const { return is_ingress() ? subject : peer; }
};

// What NetworkPolicies and Cilium's policies say, together.
struct Opinion {
  bool is_concerned = false;  // some policy speaks of the direction
  std::vector<PolicyRef> isolating;
  // Rules that match.
  std::vector<RuleRef> denying;
  std::vector<RuleRef> allowing;
  std::vector<RuleRef> authenticating;  // those of `allowing` that demand it
  uint16_t proxy_port = 0;              // that some of `allowing` ask for
};

// Add to `opinion`.
void AskNetworkPolicies(const Census& census, const Question& question,
                        Opinion& opinion);
void AskCiliumPolicies(const Census& census, const Question& question,
                       Opinion& opinion);

// Whether it is somebody of `peers`, which are of a policy in the namespace
// `ns`, or of a clusterwide one.
bool IsAmong(const Census& census, const FlowEnd& end, const CiliumPeers& peers,
             const std::string& ns);

// What a tier of the policies of the whole cluster says.
struct TierOpinion {
  bool is_concerned = false;  // some policy speaks of the direction
  // Of the first rule that matches, unless it passes.
  std::optional<ClusterRule::Action> action;
  RuleRef rule;
};

TierOpinion AskTier(const Census& census, const Question& question,
                    ClusterPolicy::Tier tier);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_ORACLE_DIALECTS_H_
