// SPDX-License-Identifier: Apache-2.0

// Diagnoses of machines that are made of files, and one of this machine.

#include "ciliumcore/datapath/doctor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "tests/support/private_bpffs.h"
#include "tests/support/private_netns.h"
#include "tests/support/require_bpf.h"

namespace ciliumcore {
namespace {

class DoctorTest : public ::testing::Test {
 protected:
  DoctorTest() : root_(::testing::TempDir() + "/doctor-XXXXXX") {
    EXPECT_NE(mkdtemp(root_.data()), nullptr);
    // A machine in good health.
    Write("proc/self/status", "Name:\tx\nCapEff:\t000001ffffffffff\n");
    Write("proc/self/mountinfo",
          "1 0 0:1 / /sys/fs/bpf rw - bpf bpf rw\n"
          "2 0 0:2 / /sys/fs/cgroup rw shared:1 - cgroup2 cgroup2 rw\n");
    Write("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
    Write("proc/sys/net/core/bpf_jit_enable", "1\n");
    Write("proc/sys/net/ipv4/ip_forward", "1\n");
    Write("proc/sys/net/ipv6/conf/all/forwarding", "1\n");
    Write("proc/sys/net/ipv4/conf/all/rp_filter", "2\n");
    Write("sys/kernel/btf/vmlinux", "types");
    Write("sys/devices/system/cpu/nohz_full", "(null)\n");
  }
  ~DoctorTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  // What is not in order.
  std::vector<Finding> Ills() {
    std::vector<Finding> findings = Diagnose(
        {.proc = root_ + "/proc", .sys = root_ + "/sys", .asks_kernel = false});
    std::erase_if(findings, [](const Finding& finding) {
      return finding.severity == Severity::kOk;
    });
    return findings;
  }
  void ExpectOnly(Severity severity, const std::string& subject,
                  const std::string& remedy) {
    const std::vector<Finding> ills = Ills();
    ASSERT_EQ(ills.size(), 1u);
    EXPECT_EQ(ills[0].severity, severity) << ills[0].found;
    EXPECT_EQ(ills[0].subject, subject);
    EXPECT_EQ(ills[0].remedy, remedy);
  }

  std::string root_;
};

TEST_F(DoctorTest, AHealthyMachineHasNothing) {
  for (const Finding& ill : Ills())
    ADD_FAILURE() << ill.subject << ": " << ill.found;
}

TEST_F(DoctorTest, AMissingCapabilityIsAnErrorAndIsNamed) {
  Write("proc/self/status", "CapEff:\t0000008000000000\n");  // CAP_BPF alone
  const std::vector<Finding> ills = Ills();
  ASSERT_EQ(ills.size(), 1u);
  EXPECT_EQ(ills[0].severity, Severity::kError);
  EXPECT_TRUE(absl::StrContains(ills[0].found, "CAP_NET_ADMIN"));
  EXPECT_FALSE(absl::StrContains(ills[0].found, "CAP_BPF"));
}

TEST_F(DoctorTest, CapSysAdminImpliesCapBpf) {
  Write("proc/self/status", "CapEff:\t0000000000201000\n");
  EXPECT_TRUE(Ills().empty());
}

TEST_F(DoctorTest, ABpffsThatIsMountedElsewhereIsNone) {
  Write("proc/self/mountinfo",
        "1 0 0:1 / /run/bpf rw - bpf bpf rw\n"
        "2 0 0:2 / /sys/fs/cgroup rw shared:1 - cgroup2 cgroup2 rw\n");
  ExpectOnly(Severity::kWarning, "bpffs", "mount -t bpf bpf /sys/fs/bpf");
}

TEST_F(DoctorTest, WithoutCgroup2ThereAreNoServices) {
  Write("proc/self/mountinfo",
        "1 0 0:1 / /sys/fs/bpf rw - bpf bpf rw\n"
        "2 0 0:2 / /sys/fs/cgroup rw - cgroup cgroup rw\n");
  ExpectOnly(Severity::kWarning, "cgroup2",
             "mount -t cgroup2 cgroup2 /sys/fs/cgroup");
}

TEST_F(DoctorTest, TheLimitOnLockedMemoryMattersToOldKernelsOnly) {
  const std::string limits =
      "Max locked memory         65536                65536      bytes\n";
  Write("proc/self/limits", limits);
  EXPECT_TRUE(Ills().empty());
  Write("proc/sys/kernel/osrelease", "5.10.0-28-amd64\n");
  ExpectOnly(Severity::kError, "memory", "ulimit -l unlimited");
  Write("proc/self/limits",
        "Max locked memory         unlimited            unlimited  bytes\n");
  EXPECT_TRUE(Ills().empty());
}

TEST_F(DoctorTest, SettingsAreReadByTheirMeaning) {
  Write("proc/sys/net/core/bpf_jit_enable", "0\n");
  ExpectOnly(Severity::kWarning, "jit", "sysctl -w net.core.bpf_jit_enable=1");
  Write("proc/sys/net/core/bpf_jit_enable", "1\n");
  Write("proc/sys/net/ipv4/ip_forward", "0\n");
  ExpectOnly(Severity::kWarning, "forwarding",
             "sysctl -w net.ipv4.ip_forward=1");
  Write("proc/sys/net/ipv4/ip_forward", "1\n");
  Write("proc/sys/net/ipv4/conf/all/rp_filter", "1\n");
  ExpectOnly(Severity::kNote, "rp_filter",
             "sysctl -w net.ipv4.conf.all.rp_filter=2");
}

TEST_F(DoctorTest, AKernelWithoutTypesIsAnError) {
  std::filesystem::remove(root_ + "/sys/kernel/btf/vmlinux");
  ExpectOnly(Severity::kError, "btf",
             "boot a kernel with CONFIG_DEBUG_INFO_BTF=y");
}

TEST_F(DoctorTest, CpusWithoutTicksAreNoted) {
  Write("sys/devices/system/cpu/nohz_full", "2-7\n");
  ExpectOnly(Severity::kNote, "nohz_full", "");
}

TEST_F(DoctorTest, OthersWhoHandlePodsPacketsAreNamed) {
  Write("proc/4711/comm", "cilium-agent\n");
  Write("proc/12/comm", "bash\n");
  ExpectOnly(Severity::kWarning, "cilium",
             "take the node out of Cilium first, or give the datapath "
             "interfaces and a cgroup that Cilium has not");
}

TEST_F(DoctorTest, AnEmptyTreeIsFullOfFindingsAndNoCrash) {
  std::filesystem::remove_all(root_ + "/proc");
  std::filesystem::remove_all(root_ + "/sys");
  EXPECT_GE(Ills().size(), 4u);
}

TEST(DoctorOnThisMachineTest, TheKernelAndItsHooksAreAsked) {
  testing::RequireBpf();
  if (::testing::Test::IsSkipped()) return;
  const testing::PrivateBpffs bpffs;
  testing::PrivateNetns netns;
  netns.AddVeth("cc-doctor", 4000);
  const std::vector<Finding> findings = Diagnose(
      {.bpffs = bpffs.root(), .interfaces = {"cc-doctor", "cc-nobody"}});
  const auto severity_of = [&](const std::string& subject) {
    const auto found = std::find_if(
        findings.begin(), findings.end(),
        [&](const Finding& finding) { return finding.subject == subject; });
    return found == findings.end() ? "none" : SeverityName(found->severity);
  };
  EXPECT_EQ(severity_of("kernel"), "ok");
  EXPECT_EQ(severity_of("bpffs"), "ok");
  EXPECT_EQ(severity_of("cc-doctor"), "ok");
  EXPECT_EQ(severity_of("cc-nobody"), "warning");
}

}  // namespace
}  // namespace ciliumcore
