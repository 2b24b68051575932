// SPDX-License-Identifier: Apache-2.0

// What a new process of a pinned instance finds, keeps, and refuses.

#include <bpf/bpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/maps/mapped_array.h"
#include "tests/datapath/adoption_fixture.h"
#include "tests/support/traced_child.h"

namespace ciliumcore {
namespace {

using testing::MarkTraced;
using testing::RunTraced;
using testing::SystemCall;

// Of bpf(2), by command.
std::map<int, int> CountBpf(const std::function<int()>& work, int* exit_code) {
  std::map<int, int> counts;
  *exit_code = RunTraced(work, [&](const SystemCall& call) {
                 if (call.number == SYS_bpf)
                   ++counts[static_cast<int>(call.args[0])];
                 return true;
               }).exit_code;
  return counts;
}

TEST_F(AdoptionTest, WhatStaysTheSameIsNotWritten) {
  ASSERT_EQ(OpenAndCommit({}), absl::OkStatus());
  int exit_code = 0;
  const auto counts = CountBpf(
      [&] {
        MarkTraced();
        return OpenAndCommit({}).ok() ? 0 : 1;
      },
      &exit_code);
  ASSERT_EQ(exit_code, 0);
  for (const auto& [command, count] : counts)
    RecordProperty(absl::StrCat("bpf_command_", command), count);
  EXPECT_GT(counts.at(BPF_OBJ_GET), 20);
  for (const int command :
       {int{BPF_MAP_CREATE}, int{BPF_MAP_UPDATE_ELEM}, int{BPF_MAP_DELETE_ELEM},
        int{BPF_MAP_UPDATE_BATCH}, int{BPF_MAP_DELETE_BATCH},
        int{BPF_PROG_LOAD}, int{BPF_LINK_CREATE}, int{BPF_LINK_UPDATE},
        int{BPF_OBJ_PIN}}) {
    EXPECT_EQ(counts.count(command), 0u) << "command " << command;
  }
  EXPECT_FALSE(InForce()->second);
}

// The arrays that are written as memory, too.
TEST_F(AdoptionTest, NoByteOfTheMapsChanges) {
  ASSERT_EQ(OpenAndCommit({}), absl::OkStatus());
  const auto read = [&]<typename T>(const char* name, T) {
    const auto map = MappedArray<T>::OpenPinned(MapPath(name));
    EXPECT_TRUE(map.ok()) << map.status();
    return std::string(reinterpret_cast<const char*>(map->entries().data()),
                       map->entries().size() * sizeof(T));
  };
  const auto read_all = [&] {
    return std::vector<std::string>{read("cc_state", cc_state()),
                                    read("cc_endpoints", cc_endpoint()),
                                    read("cc_subjects", cc_subject()),
                                    read("cc_tables", cc_table()),
                                    read("cc_cells", cc_cell()),
                                    read("cc_addrs", cc_addr_heads()),
                                    read("cc_places", cc_place()),
                                    read("cc_services", cc_service()),
                                    read("cc_backends", cc_backend()),
                                    read("cc_hops", cc_hop()),
                                    read("cc_journal", cc_journal_line())};
  };
  const auto before = read_all();
  ASSERT_EQ(OpenAndCommit({}), absl::OkStatus());
  const auto after = read_all();
  for (size_t i = 0; i < before.size(); ++i)
    EXPECT_TRUE(before[i] == after[i]) << "map " << i;
}

TEST_F(AdoptionTest, ChangesGoOnFromWhatIsThere) {
  for (int round = 0; round < 6; ++round) {
    const Wanted wanted = {.second = round % 2 == 1};
    ASSERT_EQ(OpenAndCommit(wanted), absl::OkStatus()) << round;
    const auto in_force = InForce();
    ASSERT_TRUE(in_force.has_value()) << round;
    EXPECT_EQ(in_force->second, wanted.second) << round;
  }
}

TEST_F(AdoptionTest, NumbersAndTheirMeaningAreRecovered) {
  std::string why;
  uint32_t rule_set = 0, generation = 0;
  {
    auto datapath = Datapath::Open(Options());
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    ASSERT_EQ(Commit(*datapath, {}), absl::OkStatus());
    generation = datapath->generation();
    ASSERT_FALSE(Connects("api", "10.0.1.2"));
    while (auto flow = datapath->flows().Next(absl::Milliseconds(200))) {
      if (flow->verdict != Flow::Verdict::kDropped) continue;
      rule_set = flow->ingress.rule_set;
      why = flow->ingress.why;
    }
  }
  ASSERT_NE(rule_set, 0u);
  // An allocator that would give other numbers, if it were not told.
  IdentityAllocator fresh;
  auto datapath = Datapath::Open(Options());
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  EXPECT_EQ(datapath->generation(), generation);
  const auto recovered = datapath->RecoverIdentities(fresh);
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->size(), 4u);
  for (const char* app : {"web", "far", "db", "api"}) {
    EXPECT_EQ(fresh.Allocate({{"app", app}}).id(), known_.at(app).id()) << app;
  }
  // Before anything is committed the rules of events are known.
  ASSERT_FALSE(Connects("api", "10.0.1.2"));
  const auto flow = datapath->flows().Next(absl::Seconds(1));
  ASSERT_TRUE(flow.has_value());
  EXPECT_EQ(flow->ingress.rule_set, rule_set);
  EXPECT_EQ(flow->ingress.why, why);
}

TEST_F(AdoptionTest, WhatTheFirstCommitDoesNotNameEnds) {
  ASSERT_EQ(OpenAndCommit({}), absl::OkStatus());
  ASSERT_FALSE(Connects("api", "10.0.1.2"));
  auto datapath = Datapath::Open(Options());
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  EXPECT_FALSE(Connects("api", "10.0.1.2"));  // nothing was said yet
  EndpointOptions web;
  web.interface = "veth-web";
  web.addresses = {Ip("10.0.1.1")};
  web.identity = known_.at("web");
  Transaction change = datapath->Begin();
  change.AttachEndpoint(web);
  ASSERT_EQ(change.Commit(), absl::OkStatus());
  // The kernel detaches a moment after the pins are gone.
  EXPECT_EQ(TcxPrograms("veth-web"), 1u);
  for (int i = 0; i < 100 && TcxPrograms("veth-api") != 0; ++i) usleep(20000);
  EXPECT_EQ(TcxPrograms("veth-api"), 0u);
  EXPECT_FALSE(Connects("db", "10.96.0.1"));
}

TEST_F(AdoptionTest, OtherOptionsReplaceTheProgramsAndKeepTheMaps) {
  ASSERT_EQ(OpenAndCommit({}), absl::OkStatus());
  TestSocket client = Connect();
  ASSERT_TRUE(client.connected());
  TestSocket server = listeners_["db"].Accept();
  uint32_t generation = 0;
  for (const bool audit : {true, false}) {
    DatapathOptions options = Options();
    options.audit_only = audit;
    auto datapath = Datapath::Open(options);
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    ASSERT_EQ(Commit(*datapath, {}), absl::OkStatus());
    EXPECT_TRUE(client.Reaches(server, absl::StrCat("audit ", audit)));
    EXPECT_EQ(Connects("api", "10.0.1.2"), audit);
    if (generation == 0) generation = datapath->generation();
    EXPECT_EQ(datapath->generation(), generation);
  }
}

TEST_F(AdoptionTest, ADamagedPinIsRefusedWithTheDifference) {
  ASSERT_EQ(OpenAndCommit({}), absl::OkStatus());
  {
    auto tables = MappedArray<cc_table>::OpenPinned(MapPath("cc_tables"));
    ASSERT_TRUE(tables.ok());
    for (cc_table& table : tables->entries()) {
      if (table.class_count != 0) table.interval_count += 3;
    }
  }
  const absl::Status refused = OpenAndCommit({});
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << refused;
  EXPECT_TRUE(absl::StrContains(refused.message(), "instance test")) << refused;
  EXPECT_TRUE(absl::StrContains(refused.message(), "intervals, found"))
      << refused;
  // and goes on judging
  EXPECT_FALSE(Connects("api", "10.0.1.2"));
  ASSERT_EQ(Datapath::Remove(Options()), absl::OkStatus());
  EXPECT_EQ(OpenAndCommit({}), absl::OkStatus());
}

TEST_F(AdoptionTest, AForeignPinIsRefusedWithTheDifference) {
  ASSERT_EQ(OpenAndCommit({}), absl::OkStatus());
  const std::string path = MapPath("cc_conntrack");
  ASSERT_EQ(unlink(path.c_str()), 0);
  const int foreign =
      bpf_map_create(BPF_MAP_TYPE_HASH, "foreign", 4, 4, 16, nullptr);
  ASSERT_GE(foreign, 0);
  ASSERT_EQ(bpf_obj_pin(foreign, path.c_str()), 0);
  close(foreign);
  const absl::Status refused = OpenAndCommit({});
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
  EXPECT_TRUE(absl::StrContains(refused.message(),
                                "type: expected 9, found 1; bytes of a key: "
                                "expected 40, found 4"))
      << refused;
}

}  // namespace
}  // namespace ciliumcore
