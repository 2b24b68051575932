// SPDX-License-Identifier: Apache-2.0

// A node of its own with two pods, web and db, and places where an instance can
// be pinned and its sockets found.

#ifndef CILIUMCORE_TESTS_DATAPATH_PINNED_FIXTURE_H_
#define CILIUMCORE_TESTS_DATAPATH_PINNED_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/datapath/features.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/net/cgroup.h"
#include "ciliumcore/policy/network_policy.h"
#include "tests/support/private_bpffs.h"
#include "tests/support/require_bpf.h"
#include "tests/support/test_node.h"

namespace ciliumcore {

using testing::PrivateBpffs;
using testing::TestNode;
using testing::TestSocket;

inline IpAddress Ip(const std::string& text) { return *IpAddress::Parse(text); }

inline constexpr PortProtocol kPort = {.protocol = Protocol::kTcp,
                                       .port = 5432};

class PinnedTest : public ::testing::Test {
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
    listener_ = Listen("db", "10.0.1.2");
  }
  void TearDown() override {
    if (!cgroup_.has_value()) return;
    EXPECT_EQ(cgroup_->Leave(), absl::OkStatus());
  }

  // Skips the running test, whose own reason is `why`, where the kernel lacks
  // `feature`; fails it if that cannot be found out. Return if IsSkipped().
  static void RequireFeature(KernelFeature feature, absl::string_view why) {
    const absl::StatusOr<bool> has = HasKernelFeature(feature);
    ASSERT_TRUE(has.ok()) << has.status();
    if (*has) return;
    const absl::Span<const KernelFeatureInfo> all = KernelFeatures();
    const auto info = std::find_if(all.begin(), all.end(),
                                   [feature](const KernelFeatureInfo& one) {
                                     return one.feature == feature;
                                   });
    ASSERT_LT(RunningKernel(), info->since) << info->name;
    GTEST_SKIP() << info->name << ": since Linux " << info->since.major << "."
                 << info->since.minor << "; " << why;
  }

  // The policy default/db: nobody reaches db, until rules say who.
  static NetworkPolicy IsolateDb() {
    NetworkPolicy policy;
    policy.ns = "default";
    policy.name = "db";
    policy.pod_selector.match_labels = {{"app", "db"}};
    return policy;
  }

  TestSocket Listen(const std::string& pod, const std::string& address) {
    return TestSocket::Listen(node_->netns(pod), Ip(address), kPort);
  }
  // From web, by default to db.
  TestSocket Connect(const std::string& to = "10.0.1.2",
                     int milliseconds = 500) {
    return TestSocket::Connect(node_->netns("web"), Ip("10.0.1.1"), Ip(to),
                               kPort, milliseconds);
  }

  // Of the instance "test", which has little room.
  DatapathOptions Options() {
    DatapathOptions options;
    options.name = "test";
    options.lifetime = Lifetime::kPinned;
    options.bpffs = bpffs_->root();
    options.cgroup = cgroup_->path();
    options.capacity = {.connections = 4096,
                        .addresses = 1024,
                        .prefixes = 1024,
                        .services = 256,
                        .backends = 1024,
                        .journal_bytes = 1 << 20};
    return options;
  }

  EndpointOptions Endpoint(const std::string& app, const std::string& address) {
    EndpointOptions endpoint;
    endpoint.interface = absl::StrCat("veth-", app);
    endpoint.addresses = {Ip(address)};
    endpoint.identity = identities_.Allocate({{"app", app}});
    return endpoint;
  }

  std::string MapPath(const std::string& name) {
    return absl::StrCat(bpffs_->root(), "/ciliumcore/test/state/maps/", name);
  }

  std::optional<Cgroup> cgroup_;
  std::optional<PrivateBpffs> bpffs_;
  std::optional<TestNode> node_;
  IdentityAllocator identities_;
  TestSocket listener_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_TESTS_DATAPATH_PINNED_FIXTURE_H_
