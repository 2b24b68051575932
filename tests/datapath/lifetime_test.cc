// SPDX-License-Identifier: Apache-2.0

// What outlives a process, who may write, and what is refused.

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/datapath/datapath.h"
#include "tests/datapath/pinned_fixture.h"

namespace ciliumcore {
namespace {

class LifetimeTest : public PinnedTest {
 protected:
  // A datapath that lets web reach db, if `allowed`.
  absl::StatusOr<Datapath> OpenWithPolicy(bool allowed) {
    absl::StatusOr<Datapath> datapath = Datapath::Open(Options());
    if (!datapath.ok()) return datapath;
    NetworkPolicy policy = IsolateDb();
    if (allowed) policy.ingress.emplace_back();
    Transaction change = datapath->Begin();
    change.AttachEndpoint(Endpoint("web", "10.0.1.1"))
        .AttachEndpoint(Endpoint("db", "10.0.1.2"))
        .SetPolicies({policy});
    if (absl::Status done = change.Commit(); !done.ok()) return done;
    return datapath;
  }
};

TEST_F(LifetimeTest, APinnedDatapathJudgesWithoutItsProcess) {
  {
    const auto datapath = OpenWithPolicy(false);
    ASSERT_TRUE(datapath.ok()) << datapath.status();
  }
  EXPECT_FALSE(Connect().connected());
  ASSERT_TRUE(Datapath::Remove(Options()).ok());
  // nobody denies any more: programs of another instance alone decide
  DatapathOptions other = Options();
  other.lifetime = Lifetime::kProcess;
  auto datapath = Datapath::Open(other);
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  Transaction change = datapath->Begin();
  change.AttachEndpoint(Endpoint("web", "10.0.1.1"))
      .AttachEndpoint(Endpoint("db", "10.0.1.2"));
  ASSERT_TRUE(change.Commit().ok());
  EXPECT_TRUE(Connect().connected());
}

TEST_F(LifetimeTest, ANewProcessTakesOverUnderAnOpenConnection) {
  TestSocket client, server;
  {
    const auto datapath = OpenWithPolicy(true);
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    client = Connect();
    ASSERT_TRUE(client.connected());
    server = listener_.Accept();
    ASSERT_TRUE(client.Reaches(server, "first"));
  }
  ASSERT_TRUE(client.Reaches(server, "nobody is there"));
  const auto datapath = OpenWithPolicy(true);
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  EXPECT_TRUE(client.Reaches(server, "second"));
  EXPECT_TRUE(server.Reaches(client, "reply"));
}

TEST_F(LifetimeTest, ANewProcessRevokesWhatTheOldOneAllowed) {
  TestSocket client, server;
  {
    const auto datapath = OpenWithPolicy(true);
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    client = Connect();
    server = listener_.Accept();
    ASSERT_TRUE(client.Reaches(server, "first"));
  }
  const auto datapath = OpenWithPolicy(false);
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  EXPECT_FALSE(client.Reaches(server, "second"));
}

TEST_F(LifetimeTest, ASecondWriterIsRefusedAndToldThePid) {
  const auto first = Datapath::Open(Options());
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Datapath::Open(Options());
  EXPECT_EQ(second.status(),
            absl::FailedPreconditionError(absl::StrCat(
                "instance test: process ", getpid(), " writes it")));
  EXPECT_FALSE(Datapath::Remove(Options()).ok());
}

TEST_F(LifetimeTest, WithoutTheCapabilityItSaysWhichIsMissing) {
  DatapathOptions options;
  absl::Status status;
  // Capabilities are a thread's own.
  std::thread([&] {
    __user_cap_header_struct self = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    ASSERT_EQ(syscall(SYS_capset, &self, none), 0);
    status = Datapath::Open(options).status();
  }).join();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_NE(status.message().find("CAP_BPF"), std::string::npos) << status;
}

TEST_F(LifetimeTest, ADirectoryThatIsNoBpffsIsRefused) {
  DatapathOptions options = Options();
  options.bpffs = "/tmp";
  const auto datapath = Datapath::Open(options);
  EXPECT_EQ(datapath.status(),
            absl::FailedPreconditionError(
                "/tmp: expected a bpf file system; mount one: "
                "mount -t bpf bpf /tmp"));
}

TEST_F(LifetimeTest, AFullMapChangesNothing) {
  DatapathOptions options = Options();
  options.lifetime = Lifetime::kProcess;
  options.capacity.addresses = 8;
  auto datapath = Datapath::Open(options);
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  Transaction attach = datapath->Begin();
  attach.AttachEndpoint(Endpoint("web", "10.0.1.1"))
      .AttachEndpoint(Endpoint("db", "10.0.1.2"));
  ASSERT_TRUE(attach.Commit().ok());
  const uint32_t generation = datapath->generation();
  Transaction change = datapath->Begin();
  for (int i = 0; i < 32; ++i) {
    RemoteOptions remote;
    remote.addresses = {Ip(absl::StrCat("10.9.0.", i))};
    remote.identity =
        identities_.Allocate({{"app", absl::StrCat("remote-", i)}});
    change.UpsertRemote(remote);
  }
  const absl::Status done = change.Commit();
  EXPECT_TRUE(absl::IsResourceExhausted(done)) << done;
  EXPECT_TRUE(absl::StrContains(done.message(), "cc_addrs is full: 8 of 8"))
      << done;
  EXPECT_EQ(datapath->generation(), generation);
  EXPECT_TRUE(Connect().connected());
  // and there is room for what fits
  RemoteOptions one;
  one.addresses = {Ip("10.9.1.1")};
  one.identity = identities_.Allocate({{"app", "one"}});
  Transaction small = datapath->Begin();
  small.UpsertRemote(one);
  const absl::Status fits = small.Commit();
  EXPECT_TRUE(fits.ok()) << fits;
}

TEST_F(LifetimeTest, AllThereIsRoomForMayChangeAtOnce) {
  DatapathOptions options = Options();
  options.lifetime = Lifetime::kProcess;
  options.capacity.addresses = 256;
  options.capacity.prefixes = 8;
  auto datapath = Datapath::Open(options);
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  const IdentityRef identity = identities_.Allocate({{"app", "remote"}});
  for (int round = 0; round < 6; ++round) {
    // What went before is on its way out: its room is needed now.
    Transaction change = datapath->Begin();
    for (int i = 0; i < 100; ++i) {
      if (round > 0)
        change.RemoveRemote(Ip(absl::StrCat("10.", round - 1, ".0.", i)));
      change.UpsertRemote(
          {.addresses = {Ip(absl::StrCat("10.", round, ".0.", i))},
           .identity = identity});
    }
    const absl::Status done = change.Commit();
    EXPECT_TRUE(done.ok()) << round << ": " << done;
  }
}

TEST_F(LifetimeTest, WhatComesBackIsNoRoomForOthers) {
  DatapathOptions options = Options();
  options.lifetime = Lifetime::kProcess;
  options.capacity.addresses = 32;
  auto datapath = Datapath::Open(options);
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  const IdentityRef identity = identities_.Allocate({{"app", "remote"}});
  const auto remote = [&](int i) {
    return RemoteOptions{.addresses = {Ip(absl::StrCat("10.9.0.", i))},
                         .identity = identity};
  };
  int count = 0;  // beside the node's own addresses
  absl::Status filled;
  for (; filled.ok(); ++count)
    filled = datapath->Begin().UpsertRemote(remote(count)).Commit();
  ASSERT_TRUE(absl::IsResourceExhausted(filled)) << filled;
  count -= 1;
  ASSERT_GT(count, 8);
  Transaction drain = datapath->Begin();
  for (int i = count - 4; i < count; ++i)
    drain.RemoveRemote(Ip(absl::StrCat("10.9.0.", i)));
  ASSERT_TRUE(drain.Commit().ok());
  // The last one is on its way out and wanted again, behind two that need the
  // room of its like.
  Transaction back = datapath->Begin();
  back.UpsertRemote({.addresses = {Ip("10.1.0.1")}, .identity = identity})
      .UpsertRemote({.addresses = {Ip("10.1.0.2")}, .identity = identity})
      .UpsertRemote(remote(count - 1));
  const absl::Status done = back.Commit();
  ASSERT_TRUE(done.ok()) << done;
  const absl::StatusOr<VerifyReport> report = datapath->Verify();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->is_equal()) << report->ToString();
}

TEST_F(LifetimeTest, TwoEndpointsOfOneAddressAreRefused) {
  DatapathOptions options = Options();
  options.lifetime = Lifetime::kProcess;
  auto datapath = Datapath::Open(options);
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  Transaction change = datapath->Begin();
  change.AttachEndpoint(Endpoint("web", "10.0.1.1"))
      .AttachEndpoint(Endpoint("db", "10.0.1.1"));
  EXPECT_EQ(change.Commit(),
            absl::InvalidArgumentError(
                "address 10.0.1.1: belongs to two, one is endpoint veth-db"));
}

}  // namespace
}  // namespace ciliumcore
