// SPDX-License-Identifier: Apache-2.0

// Flow: what the datapath decided about a packet, and why, as a value.

#ifndef CILIUMCORE_FLOW_FLOW_H_
#define CILIUMCORE_FLOW_FLOW_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/flow/event.h"
#include "ciliumcore/identity/label.h"
#include "ciliumcore/identity/reserved.h"

namespace ciliumcore {

// One end of a flow.
struct FlowEnd {
  IpAddress address;
  uint16_t port = 0;  // ICMP echo: the identifier
  Identity identity = Identity::kUnknown;
  std::string name;  // what the caller's directory calls the peer; may be empty
  std::string pod;   // "shop/web-0"; empty if it is none, or has no name
  // Of the identity; null if it has none that is known.
  std::shared_ptr<const Labels> labels;

  // The pod's, else that of the labels; empty if there is none.
  absl::string_view ns() const;
};

struct Flow {
  enum class Verdict {
    kForwarded,  // also of a connection that ends
    kDropped,
    kAudited,  // policy denies it, but the node only listens
  };

  // Of one side's policy.
  struct Judgement {
    uint32_t rule_set = 0;  // 0: this side was not asked
    std::string why;        // its rules, or what denies by default
  };

  int64_t monotonic_ns = 0;  // CLOCK_MONOTONIC, to a jiffy
  FlowKind kind = FlowKind::kNew;
  Verdict verdict = Verdict::kForwarded;
  uint8_t reason = 0;           // flow/reason.h; 0 if forwarded
  FlowEnd source, destination;  // of the packet; of kEnd, as it was opened
  Protocol protocol = Protocol::kAny;
  uint8_t tcp_flags = 0;
  uint8_t icmp_type = 0;
  bool is_egress = false;  // the sender's endpoint decided, else the receiver's
  bool is_reply = false;
  Judgement egress, ingress;
  uint32_t generation = 0;  // the change of policy under which it was judged
  uint32_t ifindex = 0;
  uint32_t bytes = 0;
  FlowCounts sent, answered;  // of kEnd
  std::string service;  // that the server's end is a backend of; may be empty

  // One line: "dropped 10.0.0.1:4711 (web) -> 10.0.0.2:5432 (db) TCP: policy
  // denied: ...".
  std::string ToString() const;
};

// Knows what the numbers in an event mean. Implementations are thread-safe.
class FlowDirectory {
 public:
  virtual ~FlowDirectory() = default;

  struct Party {
    Identity identity = Identity::kUnknown;
    std::string name;  // of the peer
    std::string pod;
    std::shared_ptr<const Labels> labels;
  };
  // Who the end of a flow with that peer number and address is; never null.
  virtual std::shared_ptr<const Party> FindParty(
      uint32_t peer, const IpAddress& address) const = 0;

  // A sentence on the rule set; null if it is forgotten.
  virtual std::shared_ptr<const std::string> Explain(
      uint32_t rule_set) const = 0;

  // The service that has this backend, the first by name; null if none has.
  virtual std::shared_ptr<const std::string> FindService(
      const IpAddress& address, PortProtocol port) const = 0;
};

// Says in `flow` what `event` means. A flow that is used again and again grows
// to the longest names once, and from then on nothing is allocated.
void ResolveFlow(const FlowEvent& event, const FlowDirectory& directory,
                 Flow& flow);

// DecodeEvent and ResolveFlow in one; errors as the first.
absl::StatusOr<Flow> DecodeFlow(absl::Span<const std::byte> record,
                                const FlowDirectory& directory);

// "new", "drop", "end", "verdict"; "forwarded", "dropped", "audited".
absl::string_view FlowKindName(FlowKind kind);
absl::string_view FlowVerdictName(Flow::Verdict verdict);

}  // namespace ciliumcore

#endif  // CILIUMCORE_FLOW_FLOW_H_
