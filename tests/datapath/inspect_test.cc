// SPDX-License-Identifier: Apache-2.0

// A pinned instance, read from outside while it works and after its process.

#include "ciliumcore/datapath/inspect.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/datapath/map_dump.h"
#include "tests/datapath/pinned_fixture.h"

namespace ciliumcore {
namespace {

class InspectTest : public PinnedTest {
 protected:
  void SetUp() override {
    PinnedTest::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) Open();
  }

  void Open() { OpenWith(Options()); }
  void OpenWith(const DatapathOptions& options) {
    datapath_.reset();
    auto datapath = Datapath::Open(options);
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    datapath_.emplace(*std::move(datapath));
    NetworkPolicy policy = IsolateDb();
    PortRule port;
    port.port = 5432;
    policy.ingress.emplace_back().ports.push_back(port);
    Transaction change = datapath_->Begin();
    change.AttachEndpoint(Endpoint("web", "10.0.1.1"))
        .AttachEndpoint(Endpoint("db", "10.0.1.2"))
        .SetPolicies({policy})
        .UpsertService(
            {.name = "shop/db",
             .frontend = {.address = Ip("10.96.0.1"), .port = kPort},
             .backends = {{.address = Ip("10.0.1.2"), .port = 5432},
                          {.address = Ip("10.0.1.9"), .port = 5432}}})
        .UpsertService({.name = "shop/none",
                        .frontend = {.address = Ip("10.96.0.2"), .port = kPort},
                        .backends = {}})
        // The only one that needs slots beside its own line.
        .UpsertService({.name = "shop/sticky",
                        .frontend = {.address = Ip("10.96.0.3"), .port = kPort},
                        .backends = {{.address = Ip("10.0.1.2"), .port = 5432},
                                     {.address = Ip("10.0.1.9"), .port = 5432}},
                        .affinity = Affinity::kClientIp});
    ASSERT_EQ(change.Commit(), absl::OkStatus());
  }

  InspectOptions Instance() {
    return {.name = "test", .bpffs = bpffs_->root()};
  }
  InstanceStatus Inspect() {
    auto status = InspectInstance(Instance());
    EXPECT_TRUE(status.ok()) << status.status();
    return status.ok() ? *std::move(status) : InstanceStatus();
  }
  MapDump Dump(const std::string& map, const MapDumpOptions& options = {}) {
    auto dump = DumpMap(Instance(), map, options);
    EXPECT_TRUE(dump.ok()) << dump.status();
    return dump.ok() ? *std::move(dump) : MapDump();
  }

  std::optional<Datapath> datapath_;
};

std::string TextOf(const MapEntry& entry, const std::string& name) {
  for (const MapField& field : entry) {
    if (field.name == name) return field.text();
  }
  return absl::StrCat("no field ", name);
}

const MapStatus& MapOf(const InstanceStatus& status, const std::string& name) {
  return *std::find_if(status.maps.begin(), status.maps.end(),
                       [&](const MapStatus& map) { return map.name == name; });
}

TEST_F(InspectTest, AWorkingInstanceIsReadBesideItsWriter) {
  const InstanceStatus status = Inspect();
  EXPECT_EQ(status.writer, getpid());
  EXPECT_EQ(status.generation, datapath_->generation());
  EXPECT_EQ(status.newest_table, status.generation);
  EXPECT_EQ(status.lag, 0u);
  EXPECT_TRUE(status.is_one_build);
  EXPECT_EQ(status.staged_endpoints, 0u);
  EXPECT_EQ(status.services, 3u);
  EXPECT_EQ(status.services_without_backends, 1u);
  EXPECT_EQ(status.backends, 4u);
  ASSERT_EQ(status.endpoints.size(), 2u);
  std::set<std::string> interfaces;
  for (const EndpointStatus& endpoint : status.endpoints) {
    interfaces.insert(endpoint.interface);
    EXPECT_NE(endpoint.ingress_table, 0);
    EXPECT_GE(endpoint.identity, 256u);
  }
  EXPECT_EQ(interfaces, (std::set<std::string>{"veth-web", "veth-db"}));
  std::set<std::string> programs;
  for (const ProgramStatus& program : status.programs) {
    programs.insert(program.name);
    EXPECT_EQ(program.tag.size(), 16u);
    EXPECT_GT(program.verified_instructions, 0u) << program.name;
  }
  EXPECT_TRUE(programs.contains("cc_from_endpoint"));
  EXPECT_TRUE(programs.contains("cc_to_endpoint"));
  EXPECT_EQ(MapOf(status, "cc_endpoints").used, 2u);
  EXPECT_EQ(MapOf(status, "cc_services").used, 3u);
  EXPECT_EQ(MapOf(status, "cc_conntrack").room, 4096u);
  EXPECT_GE(MapOf(status, "cc_conntrack").memory_bytes, 4096u * 80);
}

TEST_F(InspectTest, AnInstanceWithoutItsProcessHasNoWriter) {
  datapath_.reset();
  const InstanceStatus status = Inspect();
  EXPECT_EQ(status.writer, std::nullopt);
  EXPECT_EQ(status.lag, 0u);
  EXPECT_EQ(status.endpoints.size(), 2u);
}

TEST_F(InspectTest, ReadingDoesNotKeepAWriterOut) {
  datapath_.reset();
  Inspect();
  Open();
  EXPECT_EQ(Inspect().generation, datapath_->generation());
}

TEST_F(InspectTest, AVanishedInterfaceLeavesStaleLinks) {
  const auto stale = [](const InstanceStatus& status) {
    return std::count_if(status.links.begin(), status.links.end(),
                         [](const LinkStatus& link) { return link.is_stale; });
  };
  RequireFeature(KernelFeature::kTcx, "filters are no links");
  if (IsSkipped()) return;
  EXPECT_EQ(stale(Inspect()), 0);
  ASSERT_EQ(std::system("ip link del veth-web"), 0);
  const InstanceStatus status = Inspect();
  EXPECT_EQ(stale(status), 2);
  for (const LinkStatus& link : status.links) {
    if (!link.is_stale) continue;
    EXPECT_EQ(link.interface, "veth-web");
  }
}

// Interfaces of two namespaces may have one number.
TEST_F(InspectTest, AnInterfaceElsewhereIsNotTakenForAnothersHere) {
  RequireFeature(KernelFeature::kTcx, "filters are no links");
  if (IsSkipped()) return;
  const uint32_t taken = Inspect().endpoints.at(0).ifindex;
  testing::RunInNetns(node_->netns("web"), [&] {
    const std::string add =
        absl::StrCat("ip link add other index ", taken,
                     " type veth peer name others 2>/dev/null");
    const int added = std::system(add.c_str());  // or eth0 has it
    RecordProperty("added", added);
    for (const EndpointStatus& endpoint : Inspect().endpoints)
      EXPECT_EQ(endpoint.interface, "");
  });
  EXPECT_NE(Inspect().endpoints.at(0).interface, "");
}

// As a process leaves it that is killed between pinning its maps and putting
// its programs in place.
TEST_F(InspectTest, ProgramsOfAnEarlierProcessAreBehind) {
  const std::string links = bpffs_->root() + "/ciliumcore/test/links";
  const uint32_t first = datapath_->generation();
  // The links of the first instance beside the maps of a second one.
  DatapathOptions second = Options();
  second.name = "second";
  auto other = Datapath::Open(second);
  ASSERT_TRUE(other.ok()) << other.status();
  for (uint32_t i = 0; i < first + 5; ++i) {
    Transaction change = other->Begin();
    change.UpsertRemote({.addresses = {Ip(absl::StrCat("10.9.0.", i))},
                         .identity = identities_.Allocate({{"app", "far"}})});
    ASSERT_EQ(change.Commit(), absl::OkStatus());
  }
  for (const char* link : {"from:veth-web", "to:veth-web"}) {
    std::filesystem::rename(
        links + "/" + link,
        bpffs_->root() + "/ciliumcore/second/links/" + link);
  }
  const auto status =
      InspectInstance({.name = "second", .bpffs = bpffs_->root()});
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->generation, other->generation());
  EXPECT_EQ(status->lag, other->generation() - first);
  const auto names = ListInstances(bpffs_->root());
  ASSERT_TRUE(names.ok());
  EXPECT_EQ(*names, (std::vector<std::string>{"second", "test"}));
}

TEST_F(InspectTest, EveryMapHasADecoder) {
  const InstanceStatus status = Inspect();
  ASSERT_GT(status.maps.size(), 20u);
  for (const MapStatus& map : status.maps) {
    EXPECT_TRUE(HasMapDecoder(map.name)) << map.name;
    const auto dump = DumpMap(Instance(), map.name);
    // The kernel tells nobody else what a socket remembers.
    if (map.name == "cc_socks") {
      EXPECT_TRUE(absl::IsUnimplemented(dump.status())) << dump.status();
    } else {
      EXPECT_TRUE(dump.ok()) << dump.status();
    }
  }
}

TEST_F(InspectTest, AConnectionIsDecodedFromWhoOpenedIt) {
  const TestSocket client = Connect();
  ASSERT_TRUE(client.connected());
  const MapDump dump = Dump("cc_conntrack", {.address = Ip("10.0.1.2")});
  ASSERT_EQ(dump.entries.size(), 1u);
  const MapEntry& entry = dump.entries[0];
  EXPECT_EQ(TextOf(entry, "protocol"), "TCP");
  EXPECT_TRUE(absl::StartsWith(TextOf(entry, "source"), "10.0.1.1:"));
  EXPECT_EQ(TextOf(entry, "destination"), "10.0.1.2:5432");
  EXPECT_EQ(TextOf(entry, "state"), "established");
  EXPECT_EQ(TextOf(entry, "judged"), "egress, ingress");
  EXPECT_EQ(TextOf(entry, "epoch"), absl::StrCat(datapath_->generation()));
  EXPECT_EQ(TextOf(entry, "check"), "right");
  EXPECT_TRUE(
      Dump("cc_conntrack", {.address = Ip("10.0.1.7")}).entries.empty());
  // it was told, and nobody has read that yet
  const MapDump events = Dump("cc_events", {.address = Ip("10.0.1.2")});
  ASSERT_FALSE(events.entries.empty());
  EXPECT_EQ(TextOf(events.entries[0], "event"), "new connection");
  EXPECT_EQ(TextOf(events.entries[0], "dst"), "10.0.1.2");
  EXPECT_EQ(TextOf(events.entries[0], "dport"), "5432");
  EXPECT_TRUE(datapath_->flows().Next(absl::Seconds(1)).has_value());
}

// What is said of a record is what packets make of it.
TEST_F(InspectTest, AConnectionThatIsSilentForTooLongIsNotCounted) {
  DatapathOptions options = Options();
  options.timeouts.tcp = absl::Seconds(3);
  OpenWith(options);
  // db may answer web, and not speak to it.
  NetworkPolicy web;
  web.ns = "default";
  web.name = "web";
  web.pod_selector.match_labels = {{"app", "web"}};
  Transaction change = datapath_->Begin();
  change.SetPolicies({web});
  ASSERT_EQ(change.Commit(), absl::OkStatus());
  EXPECT_EQ(Inspect().live_connections, 0u);
  TestSocket client = Connect();
  ASSERT_TRUE(client.connected());
  TestSocket server = listener_.Accept();
  const auto live = [&] {
    const MapDump dump = Dump("cc_conntrack", {.address = Ip("10.0.1.2")});
    return dump.entries.size() == 1 ? TextOf(dump.entries[0], "live") : "none";
  };
  ASSERT_TRUE(server.Reaches(client, "an answer"));
  EXPECT_EQ(live(), "yes");
  EXPECT_EQ(Inspect().live_connections, 1u);
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (live() == "yes" && absl::Now() < deadline)
    absl::SleepFor(absl::Milliseconds(100));
  EXPECT_EQ(live(), "no");
  const InstanceStatus status = Inspect();
  EXPECT_EQ(status.live_connections, 0u);
  EXPECT_EQ(MapOf(status, "cc_conntrack").used, 1u) << "its room is not free";
  EXPECT_FALSE(server.Reaches(client, "too late"));
  // The connection goes on as a new one, if its client speaks.
  EXPECT_TRUE(client.Reaches(server, "a question"));
  EXPECT_EQ(live(), "yes");
  EXPECT_EQ(Inspect().live_connections, 1u);
}

TEST_F(InspectTest, CellsAndServicesAreDecoded) {
  std::set<std::string> verdicts;
  for (const MapEntry& cell : Dump("cc_cells").entries) {
    if (TextOf(cell, "ports") == "5432/TCP")
      verdicts.insert(TextOf(cell, "verdict"));
  }
  EXPECT_TRUE(verdicts.contains("allow"));
  const MapDump services = Dump("cc_services", {.address = Ip("10.96.0.1")});
  ASSERT_EQ(services.entries.size(), 1u);
  EXPECT_EQ(TextOf(services.entries[0], "frontend"), "10.96.0.1:5432/TCP");
  EXPECT_EQ(TextOf(services.entries[0], "backends"),
            "10.0.1.2:5432, 10.0.1.9:5432");
  EXPECT_EQ(Dump("cc_addrs", {.limit = 1}).entries.size(), 1u);
  EXPECT_TRUE(Dump("cc_addrs", {.limit = 1}).is_limited);
  uint64_t slots = 0;
  const MapDump maglev = Dump("cc_maglev");
  for (const MapEntry& share : maglev.entries)
    slots += std::stoull(TextOf(share, "slots"));
  ASSERT_FALSE(maglev.entries.empty());
  EXPECT_EQ(TextOf(maglev.entries[0], "of"), absl::StrCat(slots));
}

TEST_F(InspectTest, WhatIsNotThereIsNamed) {
  EXPECT_TRUE(absl::IsNotFound(
      InspectInstance({.name = "no", .bpffs = bpffs_->root()}).status()));
  const absl::Status map = DumpMap(Instance(), "cc_no").status();
  EXPECT_TRUE(absl::IsNotFound(map));
  EXPECT_TRUE(absl::StrContains(map.message(), "cc_conntrack")) << map;
  EXPECT_TRUE(absl::IsFailedPrecondition(ListInstances("/tmp").status()));
}

}  // namespace
}  // namespace ciliumcore
