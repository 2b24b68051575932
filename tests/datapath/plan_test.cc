// SPDX-License-Identifier: Apache-2.0

// What a plan says is what the commit does.

#include "ciliumcore/datapath/plan.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/testing/native_datapath.h"

namespace ciliumcore {
namespace {

using testing::NativeDatapath;

class PlanTest : public ::testing::Test {
 protected:
  EndpointOptions Endpoint(const std::string& name, const char* address) {
    EndpointOptions endpoint;
    endpoint.interface = "veth-" + name;
    endpoint.addresses = {*IpAddress::Parse(address)};
    endpoint.identity = identities_.Allocate({{"app", name}});
    return endpoint;
  }

  static NetworkPolicy Policy(uint16_t port) {
    NetworkPolicy policy;
    policy.ns = "default";
    policy.name = "web";
    policy.pod_selector.match_labels = {{"app", "web"}};
    policy.ingress.emplace_back().ports.emplace_back().port = port;
    return policy;
  }

  static std::vector<std::string> Lines(const Transaction& change) {
    const auto plan = change.Plan();
    EXPECT_TRUE(plan.ok()) << plan.status();
    std::vector<std::string> lines;
    for (const PlannedChange& planned : plan->changes)
      lines.push_back(planned.ToString());
    return lines;
  }

  IdentityAllocator identities_;
};

using Text = std::vector<std::string>;

TEST_F(PlanTest, TellsWhatTheCommitWillDo) {
  auto datapath = NativeDatapath::Open();
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  Transaction first = datapath->Begin();
  first.AttachEndpoint(Endpoint("web", "10.0.0.1"))
      .AttachEndpoint(Endpoint("db", "10.0.0.2"))
      .SetPolicies({Policy(80)});
  const Text lines = Lines(first);
  EXPECT_EQ(lines.front(), "+ endpoint veth-db");
  EXPECT_EQ(lines[1], "+ endpoint veth-web");
  EXPECT_EQ(lines.back(), "+ prefix 0.0.0.0/0");
  const uint32_t before = datapath->generation();
  EXPECT_EQ(Lines(first), lines) << "a plan writes nothing";
  EXPECT_EQ(datapath->generation(), before);
  ASSERT_EQ(first.Commit(), absl::OkStatus());
  EXPECT_EQ(datapath->generation(), before + 1);

  Transaction same = datapath->Begin();
  same.AttachEndpoint(Endpoint("web", "10.0.0.1"));
  EXPECT_EQ(Lines(same), Text());
  ASSERT_EQ(same.Commit(), absl::OkStatus());
  EXPECT_EQ(datapath->generation(), before + 1);

  Transaction policy = datapath->Begin();
  policy.SetPolicies({Policy(81)});
  EXPECT_EQ(Lines(policy),
            (Text{"~ endpoint veth-web",
                  "+ table of 2 classes, 3 intervals and 1 listed peers",
                  "- table 3"}));
  ASSERT_EQ(policy.Commit(), absl::OkStatus());
  EXPECT_EQ(datapath->generation(), before + 2);

  Transaction gone = datapath->Begin();
  gone.DetachEndpoint("veth-db");
  EXPECT_EQ(Lines(gone),
            (Text{"- endpoint veth-db", "- table 1", "- address 10.0.0.2"}));
  ASSERT_EQ(gone.Commit(), absl::OkStatus());

  // Its address is on its way out, and needed again.
  Transaction again = datapath->Begin();
  again.AttachEndpoint(Endpoint("db", "10.0.0.2"));
  EXPECT_EQ(Lines(again),
            (Text{"+ endpoint veth-db",
                  "+ table of 1 classes, 1 intervals and 0 listed peers",
                  "~ address 10.0.0.2"}));
  ASSERT_EQ(again.Commit(), absl::OkStatus());
}

TEST_F(PlanTest, TellsWhatDoesNotFit) {
  testing::NativeDatapathOptions options;
  options.capacity.cells = 4;
  auto datapath = NativeDatapath::Open(options);
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  Transaction change = datapath->Begin();
  NetworkPolicy policy = Policy(80);
  for (uint16_t port = 100; port < 140; port += 2)
    policy.ingress.emplace_back().ports.emplace_back().port = port;
  change.AttachEndpoint(Endpoint("web", "10.0.0.1")).SetPolicies({policy});
  const auto plan = change.Plan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(absl::StrContains(plan->ToString(),
                                "! map cc_cells: 87 more beside 0 of 4: does "
                                "not fit\n"))
      << plan->ToString();
  EXPECT_TRUE(absl::IsResourceExhausted(change.Commit()));
}

TEST_F(PlanTest, RefusesWhatTheCommitRefuses) {
  auto datapath = NativeDatapath::Open();
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  Transaction change = datapath->Begin();
  change.DetachEndpoint("veth-web");
  EXPECT_EQ(change.Plan().status(), change.Commit());
  EXPECT_TRUE(absl::IsNotFound(change.Plan().status()));
}

TEST_F(PlanTest, WhatChangesNoPolicyKeepsTheCompiledOne) {
  auto datapath = NativeDatapath::Open();
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  Transaction first = datapath->Begin();
  first.AttachEndpoint(Endpoint("web", "10.0.0.1")).SetPolicies({Policy(80)});
  ASSERT_EQ(first.Commit(), absl::OkStatus());
  const auto compiled = datapath->policy();

  Transaction nothing = datapath->Begin();
  ASSERT_EQ(nothing.Commit(), absl::OkStatus());
  EXPECT_EQ(datapath->policy(), compiled);

  Transaction refused = datapath->Begin();
  refused.SetPolicies({Policy(80), Policy(81)});
  EXPECT_FALSE(refused.Commit().ok()) << "two of one name";
  EXPECT_EQ(datapath->policy(), compiled);
  Transaction again = datapath->Begin();
  ASSERT_EQ(again.Commit(), absl::OkStatus());
  Transaction policy = datapath->Begin();
  policy.SetPolicies({Policy(81)});
  ASSERT_EQ(policy.Commit(), absl::OkStatus());
  EXPECT_NE(datapath->policy(), compiled);
}

}  // namespace
}  // namespace ciliumcore
