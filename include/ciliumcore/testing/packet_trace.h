// SPDX-License-Identifier: Apache-2.0

// PacketTrace: what the datapath did with one packet, step by step.

#ifndef CILIUMCORE_TESTING_PACKET_TRACE_H_
#define CILIUMCORE_TESTING_PACKET_TRACE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/identity/reserved.h"
#include "ciliumcore/policy/rule_set.h"
#include "ciliumcore/policy/verdict_table.h"

namespace ciliumcore::testing {

// A value. The steps come from a walk over the datapath's maps that shares no
// code with the programs' own; `disagreement` says where the two differ.
struct PacketTrace {
  enum class Parsed {
    kIp,
    kLink,     // ARP, or ICMPv6 that never leaves a link: no policy applies
    kRefused,  // `reason` says why
  };
  enum class Connection {
    kNone,       // the walk did not get that far
    kUntracked,  // ICMP that is judged packet by packet
    kNew,
    kEstablished,  // in the direction that it was opened
    kReply,
  };

  // One end of the packet, or of the flow that an ICMP error is about.
  struct End {
    IpAddress address;
    uint16_t port = 0;  // ICMP echo: the identifier
    uint32_t peer = 0;  // what policy knows it by; 0: not asked
    Identity identity = Identity::kUnknown;
    std::string name;   // of the identity
    std::string where;  // "veth-web", "by the node's routes", "through eth0"
  };

  // The judgement of one side.
  struct Side {
    Direction direction = Direction::kIngress;
    std::string interface;  // of the endpoint that judges
    uint16_t port = 0;      // as policy counts it; ICMP: type << 8 | code
    uint32_t table = 0, cls = 0, interval = 0;
    Cell cell;
    RuleSet rules;
  };

  uint32_t generation = 0;
  std::string interface;   // of the endpoint whose program ran
  bool is_egress = false;  // it sends the packet, else it receives it
  Parsed parsed = Parsed::kRefused;
  Protocol protocol = Protocol::kAny;
  uint8_t tcp_flags = 0, icmp_type = 0, icmp_code = 0;
  bool is_error = false;  // an ICMP error about the flow
  End source, destination;
  Connection connection = Connection::kNone;
  // The connection was judged in this generation: it passes without a question.
  bool is_current = false;
  std::vector<Side>
      sides;  // in the order they were asked; the first denial ends it
  bool audited = false;  // denied, but let pass
  uint8_t reason = 0;    // flow/reason.h, of the drop; 0: forwarded

  // Empty, or what the program did otherwise: a bug of this library.
  std::string disagreement;

  // One line for each step.
  std::vector<std::string> Lines() const;
};

// "kNew" as "new", and so on.
absl::string_view ConnectionName(PacketTrace::Connection connection);

// "SYN,ACK"; "none".
std::string TcpFlagNames(uint8_t flags);

// The reverse, in any case. InvalidArgument for anything else.
absl::StatusOr<uint8_t> ParseTcpFlags(absl::string_view text);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTING_PACKET_TRACE_H_
