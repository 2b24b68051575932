// SPDX-License-Identifier: Apache-2.0

// A hundred processes of one instance, each killed, under connections that go
// on and connections that begin.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/datapath/datapath.h"
#include "tests/datapath/pinned_fixture.h"

namespace ciliumcore {
namespace {

constexpr int kRestarts = 100;
constexpr int kOpenConnections = 16;

class RestartTest : public PinnedTest {
 protected:
  // Every tenth has other options, hence other programs; every 25th other
  // rooms, hence other maps.
  DatapathOptions OptionsOf(int restart) {
    DatapathOptions options = Options();
    options.report_new = restart / 10 % 2 == 0;
    options.capacity.connections = 16384;
    options.capacity.addresses = 1024u << (restart / 25 % 2);
    return options;
  }

  absl::Status OpenAndCommit(int restart) {
    absl::StatusOr<Datapath> datapath = Datapath::Open(OptionsOf(restart));
    if (!datapath.ok()) return datapath.status();
    NetworkPolicy policy = IsolateDb();
    policy.ingress.emplace_back()
        .peers.emplace_back()
        .pod_selector.emplace()
        .match_labels = {{"app", "web"}};
    Transaction change = datapath->Begin();
    change.AttachEndpoint(web_).AttachEndpoint(db_).SetPolicies({policy});
    change.UpsertService(
        {.name = "db",
         .frontend = {.address = Ip("10.96.0.1"), .port = kPort},
         .backends = {{.address = Ip("10.0.1.2"), .port = kPort.port}}});
    return change.Commit();
  }

  const EndpointOptions web_ = Endpoint("web", "10.0.1.1");
  const EndpointOptions db_ = Endpoint("db", "10.0.1.2");
};

TEST_F(RestartTest, NoConnectionNoticesAHundredOfThem) {
  ASSERT_EQ(OpenAndCommit(0), absl::OkStatus());
  std::vector<std::pair<TestSocket, TestSocket>> open;
  for (int i = 0; i < kOpenConnections; ++i) {
    TestSocket client = Connect("10.96.0.1");
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
      TestSocket client = Connect("10.96.0.1", 2000);
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
