// SPDX-License-Identifier: Apache-2.0

// What a node does with packets, against what the oracle says of their flow.

#ifndef CILIUMCORE_TESTS_ORACLE_PACKET_JUDGEMENT_H_
#define CILIUMCORE_TESTS_ORACLE_PACKET_JUDGEMENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ciliumcore/policy/compiler.h"
#include "tests/oracle/oracle.h"
#include "tests/oracle/published_node.h"

namespace ciliumcore::testing {

// What the oracle says of the sides that a node judges. A side behind a denial
// is not asked.
struct Expected {
  std::optional<Judgement> egress, ingress;
  bool is_allowed = true;
};
Expected ExpectedOf(const PolicyInput& input,
                    const PublishedNode::Crossing& crossing, const Flow& flow);

// Opens the connection, which must be able to cross the node, and if it is
// allowed lets a reply and another packet follow. How that differs from what
// the oracle says, in the fate of the packets or in the event, or "".
std::string Difference(const PolicyInput& input, const CompiledPolicy& compiled,
                       PublishedNode& node, const Connection& connection);

// The same for a connection that was opened before the last change: a packet of
// each direction is judged as a new connection would be.
std::string DifferenceOfOpen(const PolicyInput& input,
                             const CompiledPolicy& compiled,
                             PublishedNode& node, const Connection& connection);

// Compiles and publishes `input`, or says what prevents it.
absl::StatusOr<CompiledPolicy> Publish(const PolicyInput& input,
                                       const std::vector<uint32_t>& pods,
                                       PublishedNode& node, PeerRegistry& peers,
                                       RuleSetTable& rule_sets);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_PACKET_JUDGEMENT_H_
