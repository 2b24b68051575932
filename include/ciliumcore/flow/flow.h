// SPDX-License-Identifier: Apache-2.0

// Flow: what the datapath decided about a packet, and why, as a value.

#ifndef CILIUMCORE_FLOW_FLOW_H_
#define CILIUMCORE_FLOW_FLOW_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/identity/reserved.h"

namespace ciliumcore {

// One end of a flow.
struct FlowEnd {
  IpAddress address;
  uint16_t port = 0;  // ICMP echo: the identifier
  Identity identity = Identity::kUnknown;
  std::string name;  // what the caller's directory calls the peer; may be empty
};

struct Flow {
  enum class Verdict {
    kForwarded,  // a new connection was allowed
    kDropped,
    kAudited,  // policy denies it, but the node only listens
  };

  // Of one side's policy.
  struct Judgement {
    uint32_t rule_set = 0;  // 0: this side was not asked
    std::string why;        // its rules, or what denies by default
  };

  int64_t monotonic_ns = 0;  // CLOCK_MONOTONIC, to a jiffy
  Verdict verdict = Verdict::kForwarded;
  uint8_t reason = 0;           // flow/reason.h; 0 if forwarded
  FlowEnd source, destination;  // of the packet
  Protocol protocol = Protocol::kAny;
  uint8_t tcp_flags = 0;
  uint8_t icmp_type = 0;
  bool is_egress = false;  // the sender's endpoint decided, else the receiver's
  bool is_reply = false;
  Judgement egress, ingress;
  uint32_t generation = 0;  // the change of policy under which it was judged
  uint32_t ifindex = 0;
  uint32_t bytes = 0;

  // One line: "dropped 10.0.0.1:4711 (web) -> 10.0.0.2:5432 (db) TCP: policy
  // denied: ...".
  std::string ToString() const;
};

// Knows what the numbers in an event mean. Implementations are thread-safe.
class FlowDirectory {
 public:
  virtual ~FlowDirectory() = default;

  struct PeerName {
    Identity identity = Identity::kUnknown;
    std::string name;
  };
  virtual PeerName FindPeer(uint32_t peer) const = 0;

  // A sentence on the rule set; empty if it is forgotten.
  virtual std::string Explain(uint32_t rule_set) const = 0;
};

// Reads a record of the ring buffer. InvalidArgument if it is no event of this
// build: too short, or of another version or kind.
absl::StatusOr<Flow> DecodeFlow(absl::Span<const std::byte> record,
                                const FlowDirectory& directory);

}  // namespace ciliumcore

#endif  // CILIUMCORE_FLOW_FLOW_H_
