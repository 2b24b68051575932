// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/net/cgroup.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/require_bpf.h"

namespace ciliumcore {
namespace {

// Of the calling process, in the hierarchy of version 2.
std::string OwnCgroup() {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (absl::StartsWith(line, "0::")) return line.substr(3);
  }
  return "none";
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// Cgroups want the privilege that bpf(2) wants.
class CgroupTest : public ::testing::Test {
 protected:
  void SetUp() override { testing::RequireBpf(); }
};

TEST_F(CgroupTest, HasTheProcessWhileItIsEntered) {
  const std::string before = OwnCgroup();
  std::string path;
  {
    absl::StatusOr<Cgroup> cgroup = Cgroup::Create("ciliumcore-cgroup-test");
    ASSERT_TRUE(cgroup.ok()) << cgroup.status();
    path = cgroup->path();
    EXPECT_TRUE(Exists(path));
    EXPECT_EQ(OwnCgroup(), before);
    ASSERT_EQ(cgroup->Enter(), absl::OkStatus());
    EXPECT_TRUE(absl::EndsWith(
        OwnCgroup(), absl::StrCat("/ciliumcore-cgroup-test-", getpid())));
    ASSERT_EQ(cgroup->Leave(), absl::OkStatus());
    EXPECT_EQ(OwnCgroup(), before);
    ASSERT_EQ(cgroup->Enter(), absl::OkStatus());
    const absl::StatusOr<Cgroup> again =
        Cgroup::Create("ciliumcore-cgroup-test");
    EXPECT_TRUE(again.ok()) << "below it: " << again.status();
  }
  EXPECT_EQ(OwnCgroup(), before);
  EXPECT_FALSE(Exists(path));
}

TEST_F(CgroupTest, StaysWhenItIsKept) {
  const std::string name =
      absl::StrCat("ciliumcore-cgroup-test-kept.", getpid());
  const std::string before = OwnCgroup();
  {
    absl::StatusOr<Cgroup> cgroup = Cgroup::Keep(name);
    ASSERT_TRUE(cgroup.ok()) << cgroup.status();
    EXPECT_EQ(*cgroup->Processes(), std::vector<int>());
    ASSERT_EQ(cgroup->Enter(), absl::OkStatus());
    EXPECT_EQ(*cgroup->Processes(), std::vector<int>{getpid()});
    EXPECT_TRUE(absl::EndsWith(OwnCgroup(), absl::StrCat("/", name)));
    EXPECT_TRUE(absl::IsFailedPrecondition(cgroup->Remove()));
  }
  EXPECT_EQ(OwnCgroup(), before);
  absl::StatusOr<Cgroup> again = Cgroup::Keep(name);
  ASSERT_TRUE(again.ok()) << again.status();
  const std::string path = again->path();
  EXPECT_TRUE(Exists(path));
  EXPECT_EQ(again->Remove(), absl::OkStatus());
  EXPECT_FALSE(Exists(path));
}

TEST_F(CgroupTest, IsThereOnce) {
  const absl::StatusOr<Cgroup> first = Cgroup::Create("ciliumcore-cgroup-test");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(
      absl::IsAlreadyExists(Cgroup::Create("ciliumcore-cgroup-test").status()));
}

TEST_F(CgroupTest, SweepsWhatKilledProcessesLeft) {
  std::string path;
  {
    const absl::StatusOr<Cgroup> cgroup =
        Cgroup::Create("ciliumcore-cgroup-test");
    ASSERT_TRUE(cgroup.ok()) << cgroup.status();
    path = cgroup->path();
  }
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  const std::string home = path.substr(0, path.rfind('/'));
  const std::string left =
      absl::StrCat(home, "/ciliumcore-cgroup-test-", child);
  const std::string other = absl::StrCat(home, "/ciliumcore-cgroup-other");
  ASSERT_EQ(mkdir(left.c_str(), 0755), 0);
  ASSERT_EQ(mkdir(other.c_str(), 0755), 0);
  EXPECT_TRUE(Cgroup::Create("ciliumcore-cgroup-test").ok());
  EXPECT_FALSE(Exists(left));
  EXPECT_TRUE(Exists(other));
  rmdir(other.c_str());
}

// 0, or which step failed.
int EnterAndLeaveWithoutAMount() {
  if (unshare(CLONE_NEWNS) != 0 ||
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return 1;
  std::ifstream mounts("/proc/self/mounts");
  for (std::string source, target, type, rest;
       mounts >> source >> target >> type && std::getline(mounts, rest);) {
    if (type == "cgroup2") umount2(target.c_str(), MNT_DETACH);
  }
  absl::StatusOr<Cgroup> cgroup = Cgroup::Create("ciliumcore-cgroup-test");
  if (!cgroup.ok() || !absl::StartsWith(cgroup->path(), "/proc/self/fd/"))
    return 2;
  if (!cgroup->Enter().ok() || !absl::StrContains(OwnCgroup(), "cgroup-test"))
    return 3;
  return cgroup->Leave().ok() ? 0 : 4;
}

// In a child, whose mounts are its own.
TEST_F(CgroupTest, MountsTheHierarchyWhereNobodyDid) {
  const pid_t child = fork();
  if (child == 0) _exit(EnterAndLeaveWithoutAMount());
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace ciliumcore
