// SPDX-License-Identifier: Apache-2.0

// Packets for `ccore packet`, and the node that they are sent into.

#ifndef CILIUMCORE_TOOLS_CCORE_PACKET_H_
#define CILIUMCORE_TOOLS_CCORE_PACKET_H_

#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "ciliumcore/testing/native_datapath.h"

namespace ciliumcore::ccore {

void AddPacketRun(CLI::App& packet);

// An Ethernet frame on its way from one address to another; none if it is of no
// protocol that has them.
struct Frame {
  std::string bytes;
  std::optional<IpAddress> source, destination;
  absl::Time time;            // of a capture
  bool is_truncated = false;  // the capture lacks its end
};

// The frames of a file of libpcap's, in its order. InvalidArgument if it is no
// such file, of a link that is not Ethernet, or damaged.
absl::StatusOr<std::vector<Frame>> ReadCapture(const std::string& path);

// What a frame says of itself.
struct FrameFields {
  PortProtocol port;  // of the destination; not of ICMP
  uint16_t source_port = 40000;
  uint8_t tcp_flags = 0x02;  // SYN
  uint8_t icmp_type = 0;
};
// A frame between addresses of one family. InvalidArgument if the protocol is
// none of TCP, UDP, SCTP, ICMP and ICMPv6.
absl::StatusOr<Frame> MakeFrame(const IpAddress& source,
                                const IpAddress& destination,
                                const FrameFields& fields);

// All pods of the cluster on one node, each behind an interface of its name.
// Those in the host's network are the node.
absl::StatusOr<testing::NativeDatapath> MakeNode(
    const CompiledCluster& cluster);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_PACKET_H_
