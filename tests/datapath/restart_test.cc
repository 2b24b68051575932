// SPDX-License-Identifier: Apache-2.0

// A hundred processes of one instance, each killed, under connections that go
// on and connections that begin.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/net/cgroup.h"
#include "tests/support/private_bpffs.h"
#include "tests/support/require_bpf.h"
#include "tests/support/test_node.h"

namespace ciliumcore {
namespace {

using testing::PrivateBpffs;
using testing::TestNode;
using testing::TestSocket;

constexpr PortProtocol kPort = {.protocol = Protocol::kTcp, .port = 5432};
constexpr int kRestarts = 100;
constexpr int kOpenConnections = 16;

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }

class RestartTest : public ::testing::Test {
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
    node_->AddPod("web", "10.0.1.1");
    node_->AddPod("db", "10.0.1.2");
    web_ = identities_.Allocate({{"app", "web"}});
    db_ = identities_.Allocate({{"app", "db"}});
    listener_ = TestSocket::Listen(node_->netns("db"), Ip("10.0.1.2"), kPort);
  }
  void TearDown() override {
    if (!cgroup_.has_value()) return;
    EXPECT_EQ(cgroup_->Leave(), absl::OkStatus());
  }

  // Every tenth has other options, hence other programs; every 25th other
  // rooms, hence other maps.
  DatapathOptions Options(int restart) {
    DatapathOptions options;
    options.name = "test";
    options.lifetime = Lifetime::kPinned;
    options.bpffs = bpffs_->root();
    options.cgroup = cgroup_->path();
    options.report_new = restart / 10 % 2 == 0;
    options.capacity = {.connections = 16384,
                        .addresses = 1024u << (restart / 25 % 2),
                        .prefixes = 1024,
                        .services = 64,
                        .backends = 256,
                        .journal_bytes = 1 << 20};
    return options;
  }

  absl::Status OpenAndCommit(int restart) {
    absl::StatusOr<Datapath> datapath = Datapath::Open(Options(restart));
    if (!datapath.ok()) return datapath.status();
    NetworkPolicy policy;
    policy.ns = "default";
    policy.name = "db";
    policy.pod_selector.match_labels = {{"app", "db"}};
    policy.ingress.emplace_back()
        .peers.emplace_back()
        .pod_selector.emplace()
        .match_labels = {{"app", "web"}};
    Transaction change = datapath->Begin();
    EndpointOptions web, db;
    web.interface = "veth-web";
    web.addresses = {Ip("10.0.1.1")};
    web.identity = web_;
    db.interface = "veth-db";
    db.addresses = {Ip("10.0.1.2")};
    db.identity = db_;
    change.AttachEndpoint(web).AttachEndpoint(db).SetPolicies({policy});
    change.UpsertService(
        {.name = "db",
         .frontend = {.address = Ip("10.96.0.1"), .port = kPort},
         .backends = {{.address = Ip("10.0.1.2"), .port = kPort.port}}});
    return change.Commit();
  }

  std::optional<Cgroup> cgroup_;
  std::optional<PrivateBpffs> bpffs_;
  std::optional<TestNode> node_;
  IdentityAllocator identities_;
  IdentityRef web_, db_;
  TestSocket listener_;
};

TEST_F(RestartTest, NoConnectionNoticesAHundredOfThem) {
  ASSERT_EQ(OpenAndCommit(0), absl::OkStatus());
  std::vector<std::pair<TestSocket, TestSocket>> open;
  for (int i = 0; i < kOpenConnections; ++i) {
    TestSocket client = TestSocket::Connect(node_->netns("web"), Ip("10.0.1.1"),
                                            Ip("10.96.0.1"), kPort);
    ASSERT_TRUE(client.connected()) << i;
    open.emplace_back(std::move(client), listener_.Accept());
  }
  std::atomic<bool> stop = false;
  std::atomic<int> exchanges = 0, failed_exchanges = 0;
  std::atomic<int> connects = 0, failed_connects = 0;
  std::thread talker([&] {
    while (!stop) {
      for (auto& [client, server] : open) {
        const bool there = client.Reaches(server, "question", 2000);
        const bool back = there && server.Reaches(client, "answer", 2000);
        ++exchanges;
        if (!back) ++failed_exchanges;
      }
    }
  });
  std::thread opener([&] {
    while (!stop) {
      TestSocket client = TestSocket::Connect(
          node_->netns("web"), Ip("10.0.1.1"), Ip("10.96.0.1"), kPort, 2000);
      TestSocket server = listener_.Accept(2000);
      ++connects;
      if (!client.connected() || !client.Reaches(server, "hello", 2000))
        ++failed_connects;
    }
  });
  int failed_restarts = 0;
  for (int restart = 1; restart <= kRestarts; ++restart) {
    const pid_t child = fork();
    if (child == 0) {
      const absl::Status done = OpenAndCommit(restart);
      if (!done.ok()) {
        const std::string text = absl::StrCat(done.ToString(), "\n");
        if (write(STDERR_FILENO, text.data(), text.size()) < 0) _exit(2);
        _exit(1);
      }
      raise(SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status)) ++failed_restarts;
  }
  stop = true;
  talker.join();
  opener.join();
  EXPECT_EQ(failed_restarts, 0);
  EXPECT_EQ(failed_exchanges, 0) << "of " << exchanges;
  EXPECT_EQ(failed_connects, 0) << "of " << connects;
  EXPECT_GT(exchanges, kRestarts * kOpenConnections);
  EXPECT_GT(connects, kRestarts);
  RecordProperty("exchanges", exchanges);
  RecordProperty("connects", connects);
}

}  // namespace
}  // namespace ciliumcore
