// SPDX-License-Identifier: Apache-2.0

// What a compiler keeps from one compilation to the next, and what it does not.

#include <string>
#include <utility>

#include "ciliumcore/policy/compiler.h"
#include "gtest/gtest.h"
#include "tests/policy/policy_town.h"

namespace ciliumcore::testing {
namespace {

// Each of three pods has a policy that lets everybody in on a port of its own.
class RecompileTest : public ::testing::Test {
 protected:
  RecompileTest() {
    for (const char* app : {"a", "b", "c"}) {
      town_.AddPod(std::string("town/") + app, {{"app", app}},
                   {.ports = {{"http", std::string(app) == "a" ? "8080/TCP"
                                                               : "8081/TCP"}}});
      NetworkPolicy policy = Ingress({{{}, {On("80/TCP")}}});
      policy.name = app;
      policy.pod_selector = Select({{"app", app}});
      policies().push_back(std::move(policy));
    }
    before_ = *compiler_.Compile(town_.input());
  }

  std::vector<NetworkPolicy>& policies() { return town_.input().policies; }
  CompiledPolicy Recompile() { return *compiler_.Recompile(town_.input()); }

  static TableRef IngressOf(const CompiledPolicy& policy, uint32_t endpoint) {
    return policy.tables[policy.endpoints[endpoint].ingress];
  }
  static bool Allows(const CompiledPolicy& policy, uint32_t endpoint,
                     uint16_t port) {
    return policy
               .Decide(endpoint, Direction::kIngress,
                       static_cast<uint32_t>(Identity::kWorld), Protocol::kTcp,
                       port)
               .verdict == Verdict::kAllow;
  }

  Town town_;
  PeerRegistry peers_;
  RuleSetTable rule_sets_;
  PolicyCompiler compiler_{&peers_, &rule_sets_};
  CompiledPolicy before_;
};

TEST_F(RecompileTest, BuildsTheTablesOfWhomTheChangedPolicySelects) {
  policies()[1].ingress[0].ports[0].port = 443;
  const CompiledPolicy after = Recompile();
  EXPECT_EQ(IngressOf(before_, 0), IngressOf(after, 0));
  EXPECT_NE(IngressOf(before_, 1), IngressOf(after, 1));
  EXPECT_EQ(IngressOf(before_, 2), IngressOf(after, 2));
  EXPECT_EQ(before_.peer_map, after.peer_map);
  EXPECT_TRUE(Allows(after, 1, 443));
  EXPECT_FALSE(Allows(after, 1, 80));
}

TEST_F(RecompileTest, FollowsWhomAPolicySelects) {
  policies()[1].pod_selector = Select({{"app", "c"}});
  policies()[1].ingress[0].ports[0].port = 443;
  const CompiledPolicy after = Recompile();
  EXPECT_TRUE(Allows(after, 1, 1)) << "nobody selects it any more";
  EXPECT_TRUE(Allows(after, 2, 443));
  EXPECT_TRUE(Allows(after, 2, 80));
}

TEST_F(RecompileTest, ForgetsPoliciesThatHaveGone) {
  policies().erase(policies().begin());
  const CompiledPolicy without = Recompile();
  EXPECT_TRUE(Allows(without, 0, 1));
  EXPECT_FALSE(Allows(without, 1, 1));
  policies().clear();
  EXPECT_TRUE(Allows(Recompile(), 1, 1));
}

TEST_F(RecompileTest, KnowsNewPrefixes) {
  policies()[0].ingress[0].peers = {Block("10.0.0.0/8")};
  const CompiledPolicy after = Recompile();
  EXPECT_FALSE(Allows(after, 0, 80));
  const uint32_t inside = after.PeerOf(*IpAddress::Parse("10.1.2.3"));
  EXPECT_EQ(
      after.Decide(0, Direction::kIngress, inside, Protocol::kTcp, 80).verdict,
      Verdict::kAllow);
}

TEST_F(RecompileTest, TellsEndpointsApartByTheirPorts) {
  for (NetworkPolicy& policy : policies()) {
    policy.pod_selector = {};
    policy.ingress[0].ports = {OnNamed("http")};
  }
  const CompiledPolicy after = Recompile();
  EXPECT_TRUE(Allows(after, 0, 8080));
  EXPECT_FALSE(Allows(after, 1, 8080));
  EXPECT_TRUE(Allows(after, 1, 8081));
}

TEST_F(RecompileTest, RefusesWithoutAnInput) {
  PolicyCompiler fresh(&peers_, &rule_sets_);
  EXPECT_EQ(fresh.Recompile(Policies()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(RecompileTest, GoesOnBehindAnError) {
  policies().push_back(policies()[0]);
  EXPECT_EQ(compiler_.Recompile(town_.input()).status().code(),
            absl::StatusCode::kInvalidArgument);
  policies().pop_back();
  policies()[2].ingress[0].ports[0].port = 443;
  EXPECT_TRUE(Allows(Recompile(), 2, 443));
}

PolicyEndpoint Remote(uint32_t identity, const std::string& app,
                      const char* address) {
  return {.identity = static_cast<Identity>(identity),
          .labels = {{"app", app}},
          .ns = "town",
          .addresses = {*IpAddress::Parse(address)}};
}

TEST_F(RecompileTest, RefusesRemotesWithoutAnInputOrThatAreNotThere) {
  PolicyCompiler fresh(&peers_, &rule_sets_);
  EXPECT_EQ(fresh.Recompile(RemoteChange()).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const PolicyEndpoint remote = Remote(2000, "far", "10.1.0.1");
  EXPECT_EQ(compiler_.Recompile(RemoteChange{.gone = {remote}}).status().code(),
            absl::StatusCode::kNotFound);
  // Nothing was half applied: there is nothing to go on with.
  EXPECT_EQ(compiler_.Recompile(RemoteChange{.come = {remote}}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(RecompileTest, NoRemoteComesToPoliciesThatDoNotCompile) {
  policies().push_back(policies()[0]);
  EXPECT_FALSE(compiler_.Recompile(town_.input()).ok());
  const RemoteChange change = {.come = {Remote(2000, "far", "10.1.0.1")}};
  EXPECT_EQ(compiler_.Recompile(change).status().code(),
            absl::StatusCode::kFailedPrecondition);
  policies().pop_back();
  Recompile();
  const absl::StatusOr<CompiledPolicy> after = compiler_.Recompile(change);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_NE(after->endpoints[0].ingress, kNoTable);
}

TEST_F(RecompileTest, RefusesARemoteThatCannotBe) {
  const auto code_of = [&](const PolicyEndpoint& remote) {
    PolicyCompiler compiler(&peers_, &rule_sets_);
    EXPECT_TRUE(compiler.Compile(town_.input()).ok());
    return compiler.Recompile(RemoteChange{.come = {remote}}).status().code();
  };
  EXPECT_EQ(code_of(Remote(2000, "far", "10.1.0.1")), absl::StatusCode::kOk);
  PolicyEndpoint remote = Remote(2000, "far", "10.1.0.1");
  remote.addresses.clear();
  EXPECT_EQ(code_of(remote), absl::StatusCode::kInvalidArgument);
  remote = Remote(1000, "far", "10.1.0.1");  // of other labels
  EXPECT_EQ(code_of(remote), absl::StatusCode::kInvalidArgument);
  remote = Remote(2000, "far", "10.1.0.1");
  remote.addresses.push_back(remote.addresses[0]);
  EXPECT_EQ(code_of(remote), absl::StatusCode::kInvalidArgument);
}

TEST_F(RecompileTest, AnIdentityMayComeAgainWithOtherLabels) {
  policies()[1].ingress[0].peers.emplace_back().pod_selector =
      Select({{"app", "far"}});
  Recompile();
  const auto allows = [&](const absl::StatusOr<CompiledPolicy>& compiled) {
    return compiled
               ->Decide(1, Direction::kIngress,
                        compiled->PeerOf(*IpAddress::Parse("10.1.0.1")),
                        Protocol::kTcp, 80)
               .verdict == Verdict::kAllow;
  };
  const PolicyEndpoint far = Remote(2000, "far", "10.1.0.1");
  const PolicyEndpoint other = Remote(2000, "other", "10.1.0.1");
  EXPECT_TRUE(allows(compiler_.Recompile(RemoteChange{.come = {far}})));
  EXPECT_FALSE(allows(
      compiler_.Recompile(RemoteChange{.gone = {far}, .come = {other}})));
  EXPECT_TRUE(allows(
      compiler_.Recompile(RemoteChange{.gone = {other}, .come = {far}})));
  EXPECT_FALSE(allows(compiler_.Recompile(RemoteChange{.gone = {far}})));
}

}  // namespace
}  // namespace ciliumcore::testing
