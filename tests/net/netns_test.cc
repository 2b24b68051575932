// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/net/netns.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/net/netlink.h"
#include "tests/support/require_bpf.h"

namespace ciliumcore {
namespace {

// What makes two namespaces the same one.
ino_t Inode(const NetNs& netns) {
  struct stat status = {};
  EXPECT_EQ(fstat(netns.fd(), &status), 0);
  return status.st_ino;
}

// Namespaces want the privilege that bpf(2) wants.
class NetNsTest : public ::testing::Test {
 protected:
  void SetUp() override { testing::RequireBpf(); }
};

TEST_F(NetNsTest, IsNewAndHasItsLoopbackUp) {
  absl::StatusOr<NetNs> netns = NetNs::Create();
  ASSERT_TRUE(netns.ok()) << netns.status();
  EXPECT_NE(Inode(*netns), Inode(*NetNs::Current()));
  EXPECT_NE(Inode(*netns), Inode(*NetNs::Create()));
  absl::StatusOr<Netlink> netlink = Netlink::Open(*netns);
  ASSERT_TRUE(netlink.ok()) << netlink.status();
  absl::StatusOr<LinkInfo> loopback = netlink->FindLink("lo");
  ASSERT_TRUE(loopback.ok()) << loopback.status();
  EXPECT_TRUE(loopback->is_up);
}

TEST_F(NetNsTest, RunsWorkInItAndLeavesTheCallerWhereItIs) {
  absl::StatusOr<NetNs> netns = NetNs::Create();
  ASSERT_TRUE(netns.ok()) << netns.status();
  const ino_t before = Inode(*NetNs::Current());
  ino_t inside = 0;
  EXPECT_TRUE(netns
                  ->Run([&] {
                    inside = Inode(*NetNs::Current());
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(inside, Inode(*netns));
  EXPECT_EQ(Inode(*NetNs::Current()), before);
}

TEST_F(NetNsTest, ReturnsTheErrorOfTheWork) {
  absl::StatusOr<NetNs> netns = NetNs::Create();
  ASSERT_TRUE(netns.ok()) << netns.status();
  const ino_t before = Inode(*NetNs::Current());
  const absl::Status status =
      netns->Run([] { return absl::AbortedError("of the work"); });
  EXPECT_EQ(status, absl::AbortedError("of the work"));
  EXPECT_EQ(Inode(*NetNs::Current()), before);
}

TEST_F(NetNsTest, KeepsSocketsThatWereMadeInIt) {
  absl::StatusOr<NetNs> netns = NetNs::Create();
  ASSERT_TRUE(netns.ok()) << netns.status();
  absl::StatusOr<Netlink> netlink = Netlink::Open(*netns);
  ASSERT_TRUE(netlink.ok());
  ASSERT_TRUE(netlink->AddVeth({.name = "inside"}, {.name = "peer"}).ok());
  UniqueFd socket_fd;
  ASSERT_TRUE(netns
                  ->Run([&] {
                    socket_fd = UniqueFd(socket(AF_INET, SOCK_DGRAM, 0));
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(setsockopt(socket_fd.get(), SOL_SOCKET, SO_BINDTODEVICE, "inside",
                       sizeof("inside")),
            0);
  EXPECT_EQ(if_nametoindex("inside"), 0u) << "not where the test is";
}

TEST_F(NetNsTest, OpensByPath) {
  absl::StatusOr<NetNs> netns = NetNs::Create();
  ASSERT_TRUE(netns.ok()) << netns.status();
  absl::StatusOr<NetNs> same = NetNs::Open(netns->path());
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(Inode(*same), Inode(*netns));
}

TEST_F(NetNsTest, NamesThePathThatIsNoNamespace) {
  absl::Status missing = NetNs::Open("/run/netns/no-such").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(missing.message(),
            "network namespace /run/netns/no-such: No such file or directory");
  for (const char* other : {"/proc/self/ns/mnt", "/dev/null"}) {
    absl::Status status = NetNs::Open(other).status();
    EXPECT_EQ(status,
              absl::InvalidArgumentError(std::string("network namespace ") +
                                         other + ": it is something else"));
  }
}

TEST_F(NetNsTest, HasSettingsOfItsOwn) {
  absl::StatusOr<NetNs> netns = NetNs::Create();
  absl::StatusOr<NetNs> other = NetNs::Create();
  ASSERT_TRUE(netns.ok() && other.ok());
  const char* forward = "net/ipv4/ip_forward";
  ASSERT_TRUE(netns->WriteSysctl(forward, "1").ok());
  ASSERT_TRUE(other->WriteSysctl(forward, "0").ok());
  EXPECT_EQ(*netns->ReadSysctl(forward), "1");
  EXPECT_EQ(*other->ReadSysctl(forward), "0");
}

TEST_F(NetNsTest, NamesTheSettingThatIsWrong) {
  absl::StatusOr<NetNs> netns = NetNs::Create();
  ASSERT_TRUE(netns.ok()) << netns.status();
  const absl::Status missing = netns->WriteSysctl("net/ipv4/no_such", "1");
  EXPECT_EQ(missing,
            absl::NotFoundError("/proc/sys/net/ipv4/no_such: No such file or "
                                "directory"));
  EXPECT_EQ(netns->ReadSysctl("net/ipv4/no_such").status(), missing);
  EXPECT_EQ(netns->WriteSysctl("net/ipv4/ip_forward", "maybe"),
            absl::InvalidArgumentError(
                "/proc/sys/net/ipv4/ip_forward: maybe: Invalid argument"));
}

// What holds a namespace is descriptors alone, so it goes with them.
TEST_F(NetNsTest, GoesWithItsLastDescriptor) {
  absl::StatusOr<NetNs> watcher = NetNs::Create();
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  absl::StatusOr<Netlink> netlink = Netlink::Open(*watcher);
  ASSERT_TRUE(netlink.ok());
  {
    absl::StatusOr<NetNs> netns = NetNs::Create();
    ASSERT_TRUE(netns.ok());
    ASSERT_TRUE(
        netlink->AddVeth({.name = "here"}, {.name = "there", .netns = &*netns})
            .ok());
    EXPECT_TRUE(netlink->FindLink("here").ok());
  }
  // The kernel removes namespaces, and the far ends of their pairs, by and by.
  absl::Status here;
  for (int i = 0; i < 500 && here.ok(); ++i) {
    usleep(10'000);
    here = netlink->FindLink("here").status();
  }
  EXPECT_EQ(here, absl::NotFoundError("link here: No such device"));
}

}  // namespace
}  // namespace ciliumcore
