// SPDX-License-Identifier: Apache-2.0

// What only a process can be made to show: a full ring of events.

#include "bpf/native/world.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "bpf/native/programs.h"
#include "ciliumcore/abi/event.h"

namespace ciliumcore::native {
namespace {

TEST(WorldTest, CountsTheEventsThatFindTheRingFull) {
  World world;
  world.config.emit_drops = 1;
  world.event_bytes_free = 250;  // two and a bit
  const std::string frame(60, '\0');
  for (int i = 0; i < 5; ++i) {
    Packet packet(frame.data(), frame.size());
    EXPECT_EQ(native::Run(world, cc_from_endpoint, packet),
              2);  // dropped all the same
  }
  EXPECT_EQ(world.events.size(), 2u);
  const uint32_t kind = CC_EVENT_DROP;
  uint64_t lost = 0;
  std::memcpy(&lost, world.FindMap("cc_events_lost")->Lookup(&kind),
              sizeof(lost));
  EXPECT_EQ(lost, 3u);
}

TEST(WorldTest, KeepsWorldsApart) {
  World one, other;
  one.config.emit_drops = other.config.emit_drops = 1;
  const std::string frame(60, '\0');
  Packet packet(frame.data(), frame.size());
  native::Run(one, cc_to_endpoint, packet);
  EXPECT_EQ(one.events.size(), 1u);
  EXPECT_TRUE(other.events.empty());
}

}  // namespace
}  // namespace ciliumcore::native
