// SPDX-License-Identifier: Apache-2.0

// The table of kernel features against the running kernel, and the datapath on
// kernels that lack one.

#include "ciliumcore/datapath/features.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cerrno>
#include <string>

#include "absl/strings/match.h"
#include "ciliumcore/datapath/datapath.h"
#include "tests/support/refusing_kernel.h"
#include "tests/support/require_bpf.h"
#include "tests/support/test_node.h"

namespace ciliumcore {
namespace {

using testing::OnKernelThatRefuses;
using testing::Refusal;

class FeaturesTest : public ::testing::Test {
 protected:
  void SetUp() override { testing::RequireBpf(); }
};

TEST(FeatureTableTest, IsOrderedAndWhole) {
  int index = 0;
  KernelVersion last;
  for (const KernelFeatureInfo& info : KernelFeatures()) {
    EXPECT_EQ(static_cast<int>(info.feature), index++) << info.name;
    EXPECT_GE(info.since, last) << info.name;
    EXPECT_EQ(info.is_required, info.without.empty()) << info.name;
    EXPECT_FALSE(info.purpose.empty()) << info.name;
    last = info.since;
  }
}

TEST_F(FeaturesTest, AKernelHasWhatItsReleaseBrought) {
  for (const KernelFeatureInfo& info : KernelFeatures()) {
    const absl::StatusOr<bool> has = HasKernelFeature(info.feature);
    ASSERT_TRUE(has.ok()) << has.status();
    EXPECT_TRUE(*has || info.since > RunningKernel()) << info.name;
  }
  EXPECT_EQ(CheckKernelFeatures(), absl::OkStatus());
}

struct Lack {
  const char* name;
  KernelFeature feature;
  Refusal refusal;
};

std::vector<Lack> RequiredOnes() {
  const auto helper = [](uint32_t id) -> Refusal {
    return [id](int command, const bpf_attr& attr) {
      return testing::RefuseHelper(id, command, attr);
    };
  };
  return {
      {"MappedArrays", KernelFeature::kMappedArrays,
       [](int command, const bpf_attr& attr) {
         return command == BPF_MAP_CREATE && (attr.map_flags & BPF_F_MMAPABLE)
                    ? EINVAL
                    : 0;
       }},
      {"Jiffies", KernelFeature::kJiffies, helper(BPF_FUNC_jiffies64)},
      {"RingBuffer", KernelFeature::kRingBuffer,
       [](int command, const bpf_attr& attr) {
         return testing::RefuseMapType(BPF_MAP_TYPE_RINGBUF, command, attr);
       }},
      {"RedirectNeighbor", KernelFeature::kRedirectNeighbor,
       helper(BPF_FUNC_redirect_neigh)},
      {"RedirectPeer", KernelFeature::kRedirectPeer,
       helper(BPF_FUNC_redirect_peer)},
      {"CoarseClock", KernelFeature::kCoarseClock,
       helper(BPF_FUNC_ktime_get_coarse_ns)},
      {"Atomics", KernelFeature::kAtomics, testing::RefuseAtomics},
  };
}

class KernelWithoutTest : public FeaturesTest,
                          public ::testing::WithParamInterface<Lack> {};

TEST_P(KernelWithoutTest, OpenNamesWhatIsMissing) {
  const KernelFeatureInfo& info =
      KernelFeatures()[static_cast<size_t>(GetParam().feature)];
  ASSERT_TRUE(info.is_required);
  absl::Status opened;
  absl::StatusOr<bool> has = true;
  OnKernelThatRefuses(GetParam().refusal, [&] {
    opened = Datapath::Open({.lifetime = Lifetime::kProcess}).status();
    has = HasKernelFeature(info.feature);
  });
  ASSERT_TRUE(has.ok()) << has.status();
  EXPECT_FALSE(*has);
  EXPECT_TRUE(absl::IsUnimplemented(opened)) << opened;
  const std::string expected =
      absl::StrCat("lacks ", info.name, ", in Linux since ", info.since.major,
                   ".", info.since.minor, ", by which");
  EXPECT_TRUE(absl::StrContains(opened.message(), expected)) << opened;
}

INSTANTIATE_TEST_SUITE_P(Required, KernelWithoutTest,
                         ::testing::ValuesIn(RequiredOnes()),
                         [](const auto& info) { return info.param.name; });

// Two pods, the second isolated once a policy says so.
void JudgesPackets() {
  const IpAddress web = IpAddress::FromV4(0x0a000101);
  const IpAddress db = IpAddress::FromV4(0x0a000102);
  const PortProtocol port = {.protocol = Protocol::kTcp, .port = 5432};
  testing::TestNode node;
  node.AddPod("web", web.ToString());
  node.AddPod("db", db.ToString());
  absl::StatusOr<Datapath> datapath = Datapath::Open(
      {.lifetime = Lifetime::kProcess,
       .capacity = {.connections = 4096, .addresses = 1024, .prefixes = 1024}});
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  IdentityAllocator identities;
  Transaction attach = datapath->Begin();
  attach.AttachEndpoint({.interface = "veth-web",
                         .addresses = {web},
                         .identity = identities.Allocate({{"app", "web"}})});
  attach.AttachEndpoint({.interface = "veth-db",
                         .addresses = {db},
                         .identity = identities.Allocate({{"app", "db"}})});
  ASSERT_EQ(attach.Commit(), absl::OkStatus());
  testing::TestSocket listener =
      testing::TestSocket::Listen(node.netns("db"), db, port);
  const auto connects = [&] {
    return testing::TestSocket::Connect(node.netns("web"), web, db, port)
        .connected();
  };
  EXPECT_TRUE(connects());
  NetworkPolicy isolate;
  isolate.ns = "default";
  isolate.name = "isolate";
  isolate.pod_selector = {.match_labels = {{"app", "db"}},
                          .match_expressions = {}};
  Transaction change = datapath->Begin();
  change.SetPolicies({isolate});
  ASSERT_EQ(change.Commit(), absl::OkStatus());
  EXPECT_FALSE(connects());
}

// What is not required has a way around, on real packets.
class WayAroundTest : public FeaturesTest,
                      public ::testing::WithParamInterface<Lack> {};

TEST_P(WayAroundTest, TheDatapathJudges) {
  const KernelFeatureInfo& info =
      KernelFeatures()[static_cast<size_t>(GetParam().feature)];
  ASSERT_FALSE(info.is_required);
  OnKernelThatRefuses(GetParam().refusal, [&] {
    const absl::StatusOr<bool> has = HasKernelFeature(info.feature);
    ASSERT_TRUE(has.ok()) << has.status();
    EXPECT_FALSE(*has);
    JudgesPackets();
  });
}

INSTANTIATE_TEST_SUITE_P(
    Optional, WayAroundTest,
    ::testing::Values(Lack{"Tcx", KernelFeature::kTcx, testing::RefuseTcx},
                      Lack{"MapBatches", KernelFeature::kMapBatches,
                           testing::RefuseBatches}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ciliumcore
