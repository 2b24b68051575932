// SPDX-License-Identifier: Apache-2.0

// Programs of others where a datapath attaches: what the doctor says of them,
// and that packets agree.

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/datapath/doctor.h"
#include "ciliumcore/net/netlink.h"
#include "tests/datapath/pinned_fixture.h"

namespace ciliumcore {
namespace {

constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
constexpr auto kTcxEgress = static_cast<bpf_attach_type>(47);
constexpr int kPass = 0, kDrop = 2;  // of tc

// Somebody else's program, which always says `verdict`.
UniqueFd Stranger(int verdict, bpf_prog_type type = BPF_PROG_TYPE_SCHED_CLS,
                  bpf_attach_type attach = BPF_CGROUP_INET_INGRESS) {
  const bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K,
                            .dst_reg = BPF_REG_0,
                            .src_reg = 0,
                            .off = 0,
                            .imm = verdict},
                           {.code = BPF_JMP | BPF_EXIT,
                            .dst_reg = 0,
                            .src_reg = 0,
                            .off = 0,
                            .imm = 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = attach);
  UniqueFd program(
      bpf_prog_load(type, "stranger", "GPL", code, std::size(code), &options));
  EXPECT_GE(program.get(), 0) << strerror(errno);
  return program;
}

uint32_t IdOf(const UniqueFd& program) {
  bpf_prog_info info = {};
  __u32 bytes = sizeof(info);
  EXPECT_EQ(bpf_obj_get_info_by_fd(program.get(), &info, &bytes), 0);
  return info.id;
}

int IndexOf(const std::string& interface) {
  return static_cast<int>(if_nametoindex(interface.c_str()));
}

class DoctorHooksTest : public PinnedTest {
 protected:
  // Lets web reach db, or nobody.
  void Open(bool is_open) {
    auto datapath = Datapath::Open(Options());
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    datapath_.emplace(*std::move(datapath));
    NetworkPolicy policy = IsolateDb();
    if (is_open) policy.ingress.emplace_back();
    Transaction change = datapath_->Begin();
    change.AttachEndpoint(Endpoint("web", "10.0.1.1"))
        .AttachEndpoint(Endpoint("db", "10.0.1.2"))
        .SetPolicies({policy})
        .UpsertService(
            {.name = "db",
             .frontend = {.address = Ip("10.96.0.1"), .port = kPort},
             .backends = {{.address = Ip("10.0.1.2"), .port = kPort.port}}});
    ASSERT_EQ(change.Commit(), absl::OkStatus());
  }

  // Attached behind what is there, for as long as the result lives.
  static UniqueFd AttachTcx(const UniqueFd& program,
                            const std::string& interface,
                            bpf_attach_type type) {
    UniqueFd link(
        bpf_link_create(program.get(), IndexOf(interface), type, nullptr));
    EXPECT_GE(link.get(), 0) << strerror(errno);
    return link;
  }

  // By a filter of the kind that was there before tcx.
  static void AddFilter(const UniqueFd& program, const std::string& interface,
                        bpf_tc_attach_point point, uint32_t priority,
                        uint32_t handle) {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = IndexOf(interface),
                .attach_point = point);
    const int made = bpf_tc_hook_create(&hook);
    ASSERT_TRUE(made == 0 || made == -EEXIST) << strerror(-made);
    LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program.get(),
                .handle = handle, .priority = priority);
    const int added = bpf_tc_attach(&hook, &options);
    ASSERT_EQ(added, 0) << strerror(-added);
  }

  // What is not in order on an interface, or with "cgroup" on cgroups: as
  // "found | remedy".
  std::vector<std::string> Ills(const std::string& subject) {
    std::vector<std::string> ills;
    for (const Finding& finding : Diagnose({.bpffs = bpffs_->root()})) {
      if (finding.subject != subject || finding.severity == Severity::kOk)
        continue;
      ills.push_back(absl::StrCat(finding.found, " | ", finding.remedy));
      EXPECT_FALSE(absl::StrContains(finding.remedy, " del ")) << ills.back();
      EXPECT_FALSE(absl::StrContains(finding.remedy, "kill")) << ills.back();
      EXPECT_FALSE(absl::StrContains(finding.remedy, "detach")) << ills.back();
    }
    return ills;
  }
  // The one ill that mentions the program.
  std::string IllOf(const std::string& subject, const UniqueFd& program) {
    const std::string who = absl::StrCat("stranger (", IdOf(program), ") ");
    std::string found = "nothing";
    for (const std::string& ill : Ills(subject)) {
      if (!absl::StrContains(ill, who)) continue;
      EXPECT_EQ(found, "nothing") << "told twice: " << ill;
      found = ill;
    }
    return found;
  }

  std::optional<Datapath> datapath_;
};

TEST_F(DoctorHooksTest, ADatapathAloneHasNoIlls) {
  Open(true);
  EXPECT_EQ(Ills("veth-web"), std::vector<std::string>());
  EXPECT_EQ(Ills("veth-db"), std::vector<std::string>());
  EXPECT_EQ(Ills("instance test"), std::vector<std::string>());
}

TEST_F(DoctorHooksTest, WhatIsInFrontDecidesAndIsSaidTo) {
  RequireFeature(KernelFeature::kTcx, "programs have no order");
  if (IsSkipped()) return;
  const UniqueFd passes = Stranger(kPass);
  const UniqueFd from = AttachTcx(passes, "veth-web", kTcxIngress);
  const UniqueFd to = AttachTcx(passes, "veth-db", kTcxEgress);
  Open(false);
  // The datapath does not answer any more where its gateway is.
  const MacAddress gateway = Netlink::Open()->FindLink("veth-web")->mac;
  testing::RunInNetns(node_->netns("web"), [&] {
    EXPECT_EQ(Netlink::Open()->SetNeighbor("eth0", Ip("169.254.1.1"), gateway),
              absl::OkStatus());
  });
  EXPECT_TRUE(Connect().connected()) << "policy denies it";
  const std::string tell =
      "; take the interface out of what put it there, or leave it out of the "
      "datapath";
  EXPECT_EQ(
      IllOf("veth-web", passes),
      absl::StrCat("program stranger (", IdOf(passes),
                   ") is at tcx ingress in front of the datapath: only what it "
                   "leaves to the next is judged | bpftool net show dev "
                   "veth-web",
                   tell));
  EXPECT_TRUE(absl::StrContains(IllOf("veth-db", passes),
                                "at tcx egress in front of the datapath"));
}

TEST_F(DoctorHooksTest, WhatIsBehindGetsNothingAndIsSaidTo) {
  RequireFeature(KernelFeature::kTcx, "programs have no order");
  if (IsSkipped()) return;
  Open(true);
  const UniqueFd drops = Stranger(kDrop);
  const UniqueFd link = AttachTcx(drops, "veth-web", kTcxIngress);
  EXPECT_TRUE(Connect().connected()) << "the stranger got the packet";
  EXPECT_TRUE(absl::StrContains(
      IllOf("veth-web", drops),
      "is at tcx ingress behind the datapath, which leaves nothing to the "
      "next: no packet comes to it"));
}

TEST_F(DoctorHooksTest, AFilterOfClsactIsFoundWhereverItIs) {
  Open(true);
  const UniqueFd in = Stranger(kDrop), out = Stranger(kDrop);
  AddFilter(in, "veth-web", BPF_TC_INGRESS, 50000, 7);
  AddFilter(out, "veth-web", BPF_TC_EGRESS, 9, 0xabc);
  EXPECT_TRUE(Connect().connected()) << "the stranger got the packet";
  EXPECT_EQ(
      IllOf("veth-web", in),
      absl::StrCat("program stranger (", IdOf(in),
                   ") is at tc ingress, pref 50000 behind the datapath, which "
                   "leaves nothing to the next: no packet comes to it | tc "
                   "filter show dev veth-web ingress; take the interface out "
                   "of what put it there, or leave it out of the datapath"));
  const std::string ill = IllOf("veth-web", out);
  EXPECT_TRUE(absl::StrContains(ill, "is at tc egress, pref 9 behind")) << ill;
  EXPECT_TRUE(absl::StrContains(ill, "tc filter show dev veth-web egress"))
      << ill;
  EXPECT_EQ(Ills("veth-db"), std::vector<std::string>());
}

// It has one side, which answers for either.
TEST_F(DoctorHooksTest, AFilterOfAnIngressQdiscIsFoundOnce) {
  RequireFeature(KernelFeature::kTcx, "filters need clsact");
  if (IsSkipped()) return;
  Open(true);
  ASSERT_EQ(std::system("tc qdisc add dev veth-web ingress"), 0);
  const UniqueFd drops = Stranger(kDrop);
  AddFilter(drops, "veth-web", BPF_TC_INGRESS, 3, 1);
  const std::string ill = IllOf("veth-web", drops);
  EXPECT_TRUE(absl::StrContains(ill, "is at tc ingress, pref 3 behind")) << ill;
}

TEST_F(DoctorHooksTest, WithoutADatapathOnItTheFirstWouldDecide) {
  ASSERT_EQ(std::system("ip link add lonely type veth peer name alone"), 0);
  const UniqueFd program = Stranger(kPass);
  AddFilter(program, "lonely", BPF_TC_INGRESS, 1, 1);
  const std::vector<Finding> findings =
      Diagnose({.bpffs = bpffs_->root(), .interfaces = {"lonely"}});
  const auto found = std::find_if(
      findings.begin(), findings.end(),
      [](const Finding& finding) { return finding.subject == "lonely"; });
  ASSERT_NE(found, findings.end());
  EXPECT_EQ(found->severity, Severity::kWarning);
  EXPECT_EQ(found->found,
            absl::StrCat("program stranger (", IdOf(program),
                         ") is at tc ingress, pref 1: with a datapath too, the "
                         "first of both would decide alone"));
}

TEST_F(DoctorHooksTest, AnXdpProgramIsNoted) {
  Open(true);
  const UniqueFd drops = Stranger(/*XDP_DROP*/ 1, BPF_PROG_TYPE_XDP);
  constexpr uint32_t kGeneric = 2;  // XDP_FLAGS_SKB_MODE
  ASSERT_EQ(bpf_xdp_attach(IndexOf("veth-web"), drops.get(), kGeneric, nullptr),
            0);
  EXPECT_FALSE(Connect("10.0.1.2", 100).connected());
  const std::string ill = IllOf("veth-web", drops);
  EXPECT_TRUE(absl::StrContains(
      ill, "is at XDP: what it drops or redirects is not judged"))
      << ill;
}

TEST_F(DoctorHooksTest, TwoDatapathsOnAnInterfaceAreToldOf) {
  RequireFeature(KernelFeature::kTcx, "a filter is replaced");
  if (IsSkipped()) return;
  Open(true);
  DatapathOptions options = Options();
  options.name = "other";
  options.cgroup.clear();
  auto other = Datapath::Open(options);
  ASSERT_TRUE(other.ok()) << other.status();
  Transaction change = other->Begin();
  change.AttachEndpoint(Endpoint("web", "10.0.1.1"));
  ASSERT_EQ(change.Commit(), absl::OkStatus());
  const std::vector<std::string> ills = Ills("veth-web");
  ASSERT_EQ(ills.size(), 2u);
  EXPECT_TRUE(absl::StrContains(
      ills[0],
      "two programs cc_from_endpoint are at tc ingress: two datapaths have it, "
      "and the first one decides"))
      << ills[0];
  EXPECT_TRUE(absl::StrContains(ills[1], "cc_to_endpoint are at tc egress"));
  EXPECT_EQ(Ills("veth-db"), std::vector<std::string>());
}

// The instance knows its cgroup: nobody has to name it.
TEST_F(DoctorHooksTest, AnotherConnectHookOfTheCgroupIsFound) {
  Open(true);
  const UniqueFd connects =
      Stranger(1, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT);
  const UniqueFd cgroup(::open(cgroup_->path().c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd link(bpf_link_create(connects.get(), cgroup.get(),
                                      BPF_CGROUP_INET4_CONNECT, nullptr));
  ASSERT_GE(link.get(), 0) << strerror(errno);
  EXPECT_TRUE(Connect("10.96.0.1").connected());
  EXPECT_EQ(
      IllOf("cgroup", connects),
      absl::StrCat("program stranger (", IdOf(connects), ") is at connect4 of ",
                   cgroup_->path(),
                   ": it too may change where sockets connect to | bpftool "
                   "cgroup show ",
                   cgroup_->path(),
                   "; give the datapath a cgroup that its owner has not"));
}

TEST_F(DoctorHooksTest, AConnectHookThatSuffersNoOtherIsSaidTo) {
  const UniqueFd connects =
      Stranger(1, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT);
  const UniqueFd cgroup(::open(cgroup_->path().c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(bpf_prog_attach(connects.get(), cgroup.get(),
                            BPF_CGROUP_INET4_CONNECT, 0),
            0)
      << strerror(errno);
  auto datapath = Datapath::Open(Options());
  absl::Status done = datapath.status();
  if (datapath.ok()) {
    Transaction change = datapath->Begin();
    change.AttachEndpoint(Endpoint("web", "10.0.1.1"));
    done = change.Commit();
  }
  EXPECT_FALSE(done.ok());
  const std::vector<Finding> findings =
      Diagnose({.bpffs = bpffs_->root(), .cgroup = cgroup_->path()});
  EXPECT_TRUE(std::any_of(
      findings.begin(), findings.end(), [&](const Finding& finding) {
        return absl::StrContains(
            finding.found,
            absl::StrCat("is at connect4 of ", cgroup_->path(),
                         ", alone: services cannot be attached to this cgroup, "
                         "nor to any below it"));
      }));
}

TEST_F(DoctorHooksTest, AnInstanceOfAnotherBuildIsLeftToThat) {
  Open(true);
  const std::string path = MapPath("cc_tables");
  ASSERT_EQ(unlink(path.c_str()), 0);
  const UniqueFd foreign(
      bpf_map_create(BPF_MAP_TYPE_HASH, "foreign", 4, 4, 16, nullptr));
  ASSERT_EQ(bpf_obj_pin(foreign.get(), path.c_str()), 0);
  const std::vector<std::string> ills = Ills("instance test");
  ASSERT_EQ(ills.size(), 1u);
  EXPECT_TRUE(
      absl::EndsWith(ills[0], " | ask the ccore of the build that pinned it"))
      << ills[0];
  EXPECT_TRUE(Connect().connected()) << "it works all the same";
}

TEST_F(DoctorHooksTest, ADirectoryThatIsNoCgroupIsSaidToBeNone) {
  const std::vector<Finding> findings =
      Diagnose({.bpffs = bpffs_->root(), .cgroup = bpffs_->root()});
  std::vector<std::string> found;
  for (const Finding& finding : findings) {
    if (finding.subject == "cgroup") found.push_back(finding.found);
  }
  EXPECT_EQ(found, std::vector<std::string>{absl::StrCat(
                       bpffs_->root(), " is no cgroup of version 2")});
}

// What cannot be asked is not in order.
TEST_F(DoctorHooksTest, WithoutPrivilegeNothingIsSaidToBeInOrder) {
  Open(true);
  std::vector<Finding> findings;
  std::thread([&] {
    __user_cap_header_struct self = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    ASSERT_EQ(syscall(SYS_capset, &self, none), 0);
    findings = Diagnose({.bpffs = bpffs_->root(),
                         .cgroup = cgroup_->path(),
                         .interfaces = {"veth-web"}});
  }).join();
  int told = 0;
  for (const Finding& finding : findings) {
    if (finding.subject != "veth-web" && finding.subject != "cgroup") continue;
    ++told;
    EXPECT_EQ(finding.severity, Severity::kWarning) << finding.found;
    EXPECT_EQ(finding.remedy, "run as root") << finding.found;
  }
  EXPECT_GE(told, 2);
}

TEST_F(DoctorHooksTest, InterfacesElsewhereAreNotPassedOverInSilence) {
  RequireFeature(KernelFeature::kTcx, "filters are no links");
  if (IsSkipped()) return;
  Open(true);
  std::vector<std::string> ills;
  testing::RunInNetns(node_->netns("web"),
                      [&] { ills = Ills("instance test"); });
  ASSERT_EQ(ills.size(), 1u);
  EXPECT_EQ(ills[0],
            "2 of its endpoints have no interface in this namespace: what else "
            "is on those was not looked at | run it in theirs: nsenter "
            "--net=PATH ccore doctor");
}

}  // namespace
}  // namespace ciliumcore
