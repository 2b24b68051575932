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

  // Of the side that was asked last, and decided.
  const Judgement& last() const {
    return ingress.has_value() ? *ingress : *egress;
  }
  // Not allowed, but not denied either: there is no proxy that would say.
  bool needs_proxy() const { return last().verdict == Verdict::kRedirect; }
};
Expected ExpectedOf(const Oracle& oracle,
                    const PublishedNode::Crossing& crossing, const Flow& flow);

// What packets are sent to for `target`: those of ICMP are echo requests.
PortProtocol SentTo(const PortProtocol& target);

// Opens the connection, and if it is allowed lets a reply and another packet
// follow. How that differs from what is expected, in the fate of the packets or
// in the event, or "".
std::string Difference(const Expected& expected, const CompiledPolicy& compiled,
                       PublishedNode& node, const Connection& connection);

// The same for a connection that was opened before the last change: a packet of
// each direction is judged as a new connection would be.
std::string DifferenceOfOpen(const Expected& expected,
                             const CompiledPolicy& compiled,
                             PublishedNode& node, const Connection& connection);

// Whether a node has no room for what was to be published: many ports beside a
// rule for protocols without are more than it tells apart. It remains what it
// was.
bool IsRefused(const absl::Status& published);

// Compiles and publishes `input`, or says what prevents it.
absl::StatusOr<CompiledPolicy> Publish(const PolicyInput& input,
                                       const std::vector<uint32_t>& pods,
                                       PublishedNode& node, PeerRegistry& peers,
                                       RuleSetTable& rule_sets);

// The difference on a node of its own that pods of `input` live on, to be asked
// again and again.
std::string PublishAndCompare(const PolicyInput& input, const Flow& flow);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_PACKET_JUDGEMENT_H_
