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
#include "ciliumcore/net/cgroup.h"
#include "tests/support/private_bpffs.h"
#include "tests/support/require_bpf.h"
#include "tests/support/test_node.h"
#include "tests/support/traced_child.h"

namespace ciliumcore {
namespace {

using testing::MarkTraced;
using testing::PrivateBpffs;
using testing::RunTraced;
using testing::SystemCall;
using testing::TestNode;
using testing::TestSocket;

IpAddress Ip(const std::string& text) { return *IpAddress::Parse(text); }

constexpr PortProtocol kPort = {.protocol = Protocol::kTcp, .port = 5432};

// What the node is told: one of two states, by policy and by service.
struct Wanted {
  bool second =
      false;  // api may reach db, not web; the service is api, not web
};

class AdoptionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::RequireBpf();
    if (IsSkipped()) return;
    auto cgroup = Cgroup::Create("ciliumcore-test");
    ASSERT_TRUE(cgroup.ok()) << cgroup.status();
    cgroup_.emplace(*std::move(cgroup));
    ASSERT_EQ(cgroup_->Enter(), absl::OkStatus());
    bpffs_.emplace();
    node_.emplace();
    for (const auto& [name, address] : Pods()) {
      node_->AddPod(name, address);
      listeners_.push_back(
          TestSocket::Listen(node_->netns(name), Ip(address), kPort));
      known_[name] = identities_.Allocate({{"app", name}});
    }
    known_["far"] = identities_.Allocate({{"app", "far"}});
  }
  void TearDown() override {
    if (!cgroup_.has_value()) return;
    EXPECT_EQ(cgroup_->Leave(), absl::OkStatus());
  }

  static std::map<std::string, std::string> Pods() {
    return {{"api", "10.0.1.3"}, {"db", "10.0.1.2"}, {"web", "10.0.1.1"}};
  }

  DatapathOptions Options() {
    DatapathOptions options;
    options.name = "test";
    options.lifetime = Lifetime::kPinned;
    options.bpffs = bpffs_->root();
    options.cgroup = cgroup_->path();
    options.capacity = {.connections = 4096,
                        .addresses = 1024,
                        .prefixes = 1024,
                        .services = 64,
                        .backends = 256,
                        .journal_bytes = 1 << 20};
    return options;
  }

  // Many ports, so that a table has pages.
  static std::vector<NetworkPolicy> Policies(const Wanted& wanted) {
    std::vector<NetworkPolicy> policies;
    NetworkPolicy policy;
    policy.ns = "default";
    policy.name = "db";
    policy.pod_selector.match_labels = {{"app", "db"}};
    NetworkPolicyRule& rule = policy.ingress.emplace_back();
    PeerRule& peer = rule.peers.emplace_back();
    peer.pod_selector.emplace().match_labels = {
        {"app", wanted.second ? "api" : "web"}};
    PeerRule& block = rule.peers.emplace_back();
    block.ip_block = IpBlock{.cidr = *IpPrefix::Parse("192.0.2.0/24"),
                             .except = {*IpPrefix::Parse("192.0.2.8/29")}};
    policies.push_back(policy);
    policy.name = "web";
    policy.pod_selector.match_labels = {{"app", "web"}};
    policy.ingress.clear();
    for (uint16_t port = 100; port < 140; port += 2) {
      policy.ingress.emplace_back().ports.emplace_back().port = port;
    }
    policies.push_back(policy);
    return policies;
  }

  static ServiceOptions Service(const Wanted& wanted) {
    return {
        .name = "db",
        .frontend = {.address = Ip("10.96.0.1"), .port = kPort},
        .backends = {{.address = Ip(wanted.second ? "10.0.1.3" : "10.0.1.1"),
                      .port = kPort.port}}};
  }

  // All that there shall be, in one change.
  absl::Status Commit(Datapath& datapath, const Wanted& wanted) {
    Transaction change = datapath.Begin();
    for (const auto& [name, address] : Pods()) {
      EndpointOptions endpoint;
      endpoint.interface = absl::StrCat("veth-", name);
      endpoint.addresses = {Ip(address)};
      endpoint.identity = known_.at(name);
      change.AttachEndpoint(endpoint);
    }
    RemoteOptions remote;
    remote.addresses = {Ip("10.9.0.1")};
    remote.identity = known_.at("far");
    remote.next_hop = NextHop{.interface = "veth-db", .gateway = {}};
    change.UpsertRemote(remote)
        .SetPolicies(Policies(wanted))
        .SetServices({Service(wanted)});
    return change.Commit();
  }

  absl::Status OpenAndCommit(const Wanted& wanted) {
    absl::StatusOr<Datapath> datapath = Datapath::Open(Options());
    if (!datapath.ok()) return datapath.status();
    return Commit(*datapath, wanted);
  }

  bool Connects(const std::string& from, const std::string& to) {
    return TestSocket::Connect(node_->netns(from), Ip(Pods().at(from)), Ip(to),
                               kPort, 60)
        .connected();
  }

  // Which of the two states decides, by all that differs between them; nothing
  // if it is a mix.
  std::optional<Wanted> InForce() {
    const bool web = Connects("web", "10.0.1.2");
    const bool api = Connects("api", "10.0.1.2");
    for (TestSocket& listener : listeners_) {
      while (listener.Accept(0).connected()) {
      }  // room for the next
    }
    // Nobody may reach web on that port, everybody may reach api.
    const bool service = Connects("db", "10.96.0.1");
    if (web && !api && !service) return Wanted{.second = false};
    if (!web && api && service) return Wanted{.second = true};
    ADD_FAILURE() << "web " << web << ", api " << api << ", service "
                  << service;
    return std::nullopt;
  }

  // On its ingress.
  static uint32_t TcxPrograms(const std::string& interface) {
    LIBBPF_OPTS(bpf_prog_query_opts, query);
    constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
    EXPECT_EQ(
        bpf_prog_query_opts(static_cast<int>(if_nametoindex(interface.c_str())),
                            kTcxIngress, &query),
        0);
    return query.prog_cnt;
  }

  std::string MapPath(const std::string& name) {
    return absl::StrCat(bpffs_->root(), "/ciliumcore/test/state/maps/", name);
  }

  std::optional<Cgroup> cgroup_;
  std::optional<PrivateBpffs> bpffs_;
  std::optional<TestNode> node_;
  IdentityAllocator identities_;
  std::map<std::string, IdentityRef> known_;
  std::vector<TestSocket> listeners_;
};

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
  TestSocket client = TestSocket::Connect(node_->netns("web"), Ip("10.0.1.1"),
                                          Ip("10.0.1.2"), kPort);
  ASSERT_TRUE(client.connected());
  TestSocket server = listeners_[1].Accept();
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

TEST_F(AdoptionTest, AProcessKilledAtAnySystemCallLeavesOldOrNew) {
  ASSERT_EQ(OpenAndCommit({}), absl::OkStatus());
  bool second = false;
  int kills = 0;
  for (int at = 1;; ++at) {
    int calls = 0;
    const auto end = RunTraced(
        [&] {
          absl::StatusOr<Datapath> datapath = Datapath::Open(Options());
          if (!datapath.ok()) return 2;
          MarkTraced();
          return Commit(*datapath, {.second = !second}).ok() ? 0 : 3;
        },
        [&](const SystemCall&) { return ++calls < at; });
    const auto in_force = InForce();
    ASSERT_TRUE(in_force.has_value()) << "killed at call " << at;
    if (!end.killed) {
      ASSERT_EQ(end.exit_code, 0) << at;
      EXPECT_EQ(in_force->second, !second);
      break;
    }
    ++kills;
    second = in_force->second;
  }
  RecordProperty("kills", kills);
  EXPECT_GT(kills, 20);
}

}  // namespace
}  // namespace ciliumcore
