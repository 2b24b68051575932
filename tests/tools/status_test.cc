// SPDX-License-Identifier: Apache-2.0

// `ccore status`, `map` and `doctor` on a real pinned instance: what they print
// is what the library says.

#include <gtest/gtest.h>
#include <unistd.h>

#include <iostream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/datapath/inspect.h"
#include "ciliumcore/identity/allocator.h"
#include "nlohmann/json.hpp"
#include "tests/support/private_bpffs.h"
#include "tests/support/require_bpf.h"
#include "tests/support/test_node.h"
#include "tests/tools/ccore.h"

namespace ciliumcore {
namespace {

using Json = nlohmann::json;
using testing::Ccore;
using testing::Ran;

TEST(StatusCommandTest, ItPrintsWhatTheLibrarySays) {
  testing::RequireBpf();
  if (::testing::Test::IsSkipped()) return;
  const testing::PrivateBpffs bpffs;
  testing::TestNode node;
  node.AddPod("web", "10.0.1.1");
  IdentityAllocator identities;
  auto datapath = Datapath::Open(
      {.name = "shop",
       .lifetime = Lifetime::kPinned,
       .bpffs = bpffs.root(),
       .capacity = {.connections = 4096, .addresses = 1024, .prefixes = 1024}});
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  const std::string where =
      absl::StrCat(" --instance shop --bpffs ", bpffs.root());
  EXPECT_EQ(Ccore("status" + where).code, 2) << "nothing is committed";
  Transaction change = datapath->Begin();
  change.AttachEndpoint({.interface = "veth-web",
                         .addresses = {*IpAddress::Parse("10.0.1.1")},
                         .identity = identities.Allocate({{"app", "web"}})});
  ASSERT_EQ(change.Commit(), absl::OkStatus());
  const auto status = InspectInstance({.name = "shop", .bpffs = bpffs.root()});
  ASSERT_TRUE(status.ok()) << status.status();

  const Ran text = Ccore("status" + where);
  EXPECT_EQ(text.code, 0);
  EXPECT_TRUE(absl::StartsWith(
      text.out,
      absl::StrCat("instance shop: generation ", datapath->generation(),
                   ", lag 0, one build, written by process ", getpid(), "\n")))
      << text.out;
  EXPECT_TRUE(absl::StrContains(text.out, "veth-web   10.0.1.1   256"))
      << text.out;
  ASSERT_TRUE(status->live_connections.has_value());
  EXPECT_TRUE(absl::StrContains(
      text.out, absl::StrCat("\nconnections: ", *status->live_connections)))
      << text.out;
  std::cout << text.out;

  const Ran json = Ccore("status -o json --bpffs " + bpffs.root());
  const Json all = Json::parse(json.out, nullptr, false);
  ASSERT_TRUE(all.is_array()) << json.out;
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["writer"], getpid());
  EXPECT_EQ(all[0]["endpoints"][0]["interface"], "veth-web");
  EXPECT_EQ(all[0]["live_connections"], *status->live_connections);
  EXPECT_EQ(all[0]["programs"].size(), status->programs.size());
  EXPECT_EQ(all[0]["maps"].size(), status->maps.size());

  const Ran list = Ccore("map list" + where);
  for (const MapStatus& map : status->maps)
    EXPECT_TRUE(absl::StrContains(list.out, absl::StrCat("\n", map.name, " ")))
        << map.name;

  const Json places = Json::parse(
      Ccore("map dump cc_addrs --address 10.0.1.1 -o json" + where).out,
      nullptr, false);
  ASSERT_EQ(places.size(), 1u);
  EXPECT_EQ(places[0]["where"], "endpoint 1");
  EXPECT_EQ(places[0]["peer"], "256");
  std::cout << Ccore("map dump cc_endpoints" + where).out
            << Ccore("map dump cc_cells" + where).out;
  EXPECT_EQ(Ccore("map dump cc_nothing" + where).code, 2);
  EXPECT_EQ(Ccore("map dump cc_addrs --address 10.0.1" + where).code, 2);

  const Ran doctor = Ccore("doctor --all -o json --bpffs " + bpffs.root());
  const Json findings = Json::parse(doctor.out, nullptr, false);
  ASSERT_TRUE(findings.is_array()) << doctor.out;
  bool has_error = false, tells_instance = false;
  for (const Json& finding : findings) {
    has_error = has_error || finding["severity"] == "error";
    tells_instance =
        tells_instance ||
        (finding["subject"] == "instance shop" &&
         finding["found"] == absl::StrCat("process ", getpid(), " writes it"));
  }
  EXPECT_EQ(doctor.code, has_error ? 1 : 0);
  EXPECT_TRUE(tells_instance) << doctor.out;
  std::cout << Ccore("doctor --bpffs " + bpffs.root()).out;
}

}  // namespace
}  // namespace ciliumcore
