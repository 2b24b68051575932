// SPDX-License-Identifier: Apache-2.0

// `ccore flows` and `ccore drops` say what is missing from what they print.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/event.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/identity/allocator.h"
#include "tests/support/private_bpffs.h"
#include "tests/support/require_bpf.h"
#include "tests/support/ring_writer.h"
#include "tests/support/test_node.h"
#include "tests/tools/ccore.h"

namespace ciliumcore {
namespace {

using testing::Ccore;
using testing::Ran;
using testing::TestSocket;

TEST(LossesTest, EventsThatAreMissingAreCounted) {
  testing::RequireBpf();
  if (::testing::Test::IsSkipped()) return;
  const testing::PrivateBpffs bpffs;
  testing::TestNode node;
  node.AddPod("web", "10.0.1.1");
  node.AddPod("db", "10.0.1.2");
  IdentityAllocator identities;
  auto datapath = Datapath::Open({.name = "small",
                                  .lifetime = Lifetime::kPinned,
                                  .bpffs = bpffs.root(),
                                  .capacity = {.connections = 4096,
                                               .addresses = 1024,
                                               .prefixes = 1024,
                                               .event_bytes = 4096}});
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  Transaction change = datapath->Begin();
  for (const auto& [app, address] :
       {std::pair("web", "10.0.1.1"), std::pair("db", "10.0.1.2")}) {
    change.AttachEndpoint({.interface = absl::StrCat("veth-", app),
                           .addresses = {*IpAddress::Parse(address)},
                           .identity = identities.Allocate({{"app", app}})});
  }
  ASSERT_EQ(change.Commit(), absl::OkStatus());
  const std::string where =
      absl::StrCat(" --instance small --bpffs ", bpffs.root());
  Ccore("flows" + where);  // what came of setting up
  const Ran whole = Ccore("flows" + where);
  EXPECT_EQ(whole.code, 0);
  EXPECT_EQ(whole.out, "");
  EXPECT_EQ(whole.err, "");

  cc_event event = {};
  event.kind = CC_EVENT_NEW;
  event.version = CC_EVENT_VERSION + 1;
  event.bytes = sizeof(event);
  const std::string ring =
      bpffs.root() + "/ciliumcore/small/state/maps/cc_events";
  for (const char* command : {"flows", "drops"}) {
    for (int i = 0; i < 3; ++i) {
      testing::WriteToRing(
          ring, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&event),
                                    sizeof(event)));
    }
    const Ran foreign = Ccore(command + where);
    EXPECT_EQ(foreign.code, 0);
    EXPECT_EQ(foreign.out, command == std::string("drops") ? "no drops\n" : "");
    EXPECT_EQ(foreign.err,
              "note: 3 events were of another build, and are left out\n");
  }

  // Each a connection of its own: more than 4096 bytes of events.
  for (int i = 0; i < 100; ++i) {
    TestSocket web = TestSocket::Connect(
        node.netns("web"), *IpAddress::Parse("10.0.1.1"),
        *IpAddress::Parse("10.0.1.2"),
        {.protocol = Protocol::kUdp, .port = static_cast<uint16_t>(5000 + i)});
    ASSERT_EQ(send(web.fd(), "x", 1, 0), 1);
  }
  const uint64_t lost = datapath->flows().lost();
  ASSERT_GT(lost, 50u);
  const Ran full = Ccore("flows" + where + " protocol=udp kind=new");
  EXPECT_EQ(full.code, 0);
  EXPECT_TRUE(absl::StrContains(full.out, "10.0.1.2:5000")) << full.out;
  EXPECT_FALSE(absl::StrContains(full.out, "10.0.1.2:5099")) << full.out;
  EXPECT_EQ(full.err, absl::StrCat("note: ", lost,
                                   " events were lost: the ring was full\n"));
}

}  // namespace
}  // namespace ciliumcore
