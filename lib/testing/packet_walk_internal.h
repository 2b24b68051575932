// SPDX-License-Identifier: Apache-2.0

// Foretells what a program does with a packet, by walking the maps that the
// publisher wrote. Shares no code with the programs' own lookups, so that
// comparing the two finds mistakes of either.

#ifndef CILIUMCORE_LIB_TESTING_PACKET_WALK_INTERNAL_H_
#define CILIUMCORE_LIB_TESTING_PACKET_WALK_INTERNAL_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bpf/native/probe.h"
#include "ciliumcore/testing/packet_trace.h"
#include "lib/datapath/planner_internal.h"
#include "lib/datapath/published_maps_internal.h"

namespace ciliumcore::internal {

// An event that the program should write.
struct ForetoldEvent {
  uint8_t kind = 0;
  uint8_t reason = 0;
  uint32_t rule_set[CC_DIRECTION_COUNT] = {0, 0};
  friend bool operator==(const ForetoldEvent&, const ForetoldEvent&) = default;
};

struct PacketWalk {
  testing::PacketTrace trace;
  // False where no policy applies: what the program does is not foretold.
  bool is_foretold = true;
  std::vector<ForetoldEvent> events;
};

struct PacketWalkInput {
  PublishedMaps& maps;
  const Planner& planner;
  const cc_probe& probe;
  uint32_t ifindex = 0;
  bool is_egress = false;
  uint32_t ingress_ifindex = 0;
  bool audit_only = false;
  std::function<std::string(uint32_t ifindex)> interface_of;
};

PacketWalk WalkPacket(const PacketWalkInput& input);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_TESTING_PACKET_WALK_INTERNAL_H_
