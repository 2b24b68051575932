// SPDX-License-Identifier: Apache-2.0

// FlowEvent: a record of the datapath's ring buffer as a value of numbers
// alone. Reading one allocates nothing; flow/flow.h says what the numbers mean.

#ifndef CILIUMCORE_FLOW_EVENT_H_
#define CILIUMCORE_FLOW_EVENT_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"

namespace ciliumcore {

// What an event tells.
enum class FlowKind : uint8_t {
  kNew = 1,      // a connection was allowed and is known from now on
  kDrop = 2,     // policy, or something else, refused a packet
  kEnd = 3,      // a TCP connection was closed by both sides, or reset
  kVerdict = 4,  // a known connection was judged again, and may go on
};

// Packets of one direction of a connection.
struct FlowCounts {
  uint32_t packets = 0;  // wraps
  uint64_t bytes = 0;    // of whole frames

  friend bool operator==(const FlowCounts&, const FlowCounts&) = default;
};

struct FlowEvent {
  int64_t monotonic_ns = 0;  // CLOCK_MONOTONIC, to a jiffy
  FlowKind kind = FlowKind::kNew;
  uint8_t reason = 0;  // flow/reason.h; 0 but for kDrop
  Protocol protocol = Protocol::kAny;
  uint8_t tcp_flags = 0;
  uint8_t icmp_type = 0;
  bool is_egress = false;  // the sender's endpoint decided, else the receiver's
  bool is_reply = false;   // never with kEnd
  bool is_audited = false;  // policy denies it, but the node only listens
  // Of the packet; with kEnd, the source opened the connection.
  IpAddress source, destination;
  uint16_t source_port = 0, destination_port = 0;  // ICMP echo: the identifier
  uint32_t source_peer = 0, destination_peer = 0;  // 0: nobody asked
  uint32_t egress_rule_set = 0, ingress_rule_set = 0;  // 0: nobody asked
  uint32_t generation = 0;  // the change of policy under which it was judged
  uint32_t ifindex = 0;
  uint32_t bytes = 0;  // of the packet
  // With kEnd: from the source and to it, up to the packet that closed it.
  FlowCounts sent, answered;
};

// Reads a record. InvalidArgument if it is no event of this build: too short,
// or of another version or kind. Allocates nothing for one that is.
absl::StatusOr<FlowEvent> DecodeEvent(absl::Span<const std::byte> record);

}  // namespace ciliumcore

#endif  // CILIUMCORE_FLOW_EVENT_H_
