// SPDX-License-Identifier: Apache-2.0

// To which proxy a flow is redirected, and when there is no telling. Which
// flows go to a proxy at all, the cases of tests/oracle say.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "ciliumcore/policy/compiler.h"
#include "gtest/gtest.h"
#include "tests/policy/policy_town.h"

namespace ciliumcore::testing {
namespace {

CiliumPortRule Plain(const std::string& port) { return {.ports = {On(port)}}; }
CiliumPortRule Http(const std::string& port) {
  CiliumPortRule rule = Plain(port);
  rule.http.emplace_back();
  return rule;
}
CiliumPortRule Dns(const std::string& port) {
  CiliumPortRule rule = Plain(port);
  rule.dns = {{.pattern = "*"}};
  return rule;
}
CiliumPortRule ServerNames(const std::string& port) {
  CiliumPortRule rule = Plain(port);
  rule.server_names = {"example.com"};
  return rule;
}
CiliumPortRule Listener(const std::string& port) {
  CiliumPortRule rule = Plain(port);
  rule.listener = {
      .config_kind = "CiliumEnvoyConfig", .config_name = "e", .name = "l"};
  return rule;
}

// Egress of a client to the world, with ports of proxies that are no default.
class CompilerProxyTest : public ::testing::Test {
 protected:
  CompilerProxyTest() {
    town_.AddPod("town/client", {});
    town_.input().proxies = {.http = 1, .dns = 2, .tls = 3, .listener = 4};
  }

  // A policy that lets everything out that `rules` say, each a rule.
  void Allow(const std::vector<CiliumPortRule>& rules) {
    CiliumSpec spec;
    spec.endpoint_selector.emplace();
    for (const CiliumPortRule& rule : rules) {
      spec.egress.push_back({.ports = {rule}});
    }
    Add(std::move(spec));
  }
  void Deny(const std::string& port) {
    CiliumSpec spec;
    spec.endpoint_selector.emplace();
    spec.egress_deny = {{.ports = {Plain(port)}}};
    Add(std::move(spec));
  }
  void Add(CiliumSpec spec) {
    auto& policies = town_.input().cilium_policies;
    policies.push_back(
        {.ns = "town",
         .name = std::string(1, static_cast<char>('p' + policies.size())),
         .specs = {std::move(spec)}});
  }

  Cell Egress(const std::string& port) {
    return town_.Decide("town/client", "203.0.113.9", port).egress;
  }
  // The port of the proxy that it is redirected to; 0: it is not.
  uint16_t ProxyOf(const std::string& port) {
    const Cell cell = Egress(port);
    EXPECT_EQ(cell.verdict == Verdict::kRedirect, cell.proxy_port != 0);
    return cell.proxy_port;
  }
  absl::Status Compiles() {
    return Compile(town_.input(), town_.peers(), town_.rule_sets()).status();
  }

  Town town_;
};

TEST_F(CompilerProxyTest, EachApplicationProtocolHasAProxy) {
  Allow({Http("80/TCP"), Dns("53/UDP"), ServerNames("443/TCP"),
         Listener("9000/TCP"), Plain("22/TCP")});
  EXPECT_EQ(ProxyOf("80/TCP"), 1);
  EXPECT_EQ(ProxyOf("53/UDP"), 2);
  EXPECT_EQ(ProxyOf("443/TCP"), 3);
  EXPECT_EQ(ProxyOf("9000/TCP"), 4);
  EXPECT_EQ(ProxyOf("22/TCP"), 0);
  EXPECT_EQ(Egress("22/TCP").verdict, Verdict::kAllow);
}

TEST_F(CompilerProxyTest, OfOneRuleEachListOfPortsHasItsProxy) {
  CiliumSpec spec;
  spec.endpoint_selector.emplace();
  spec.egress = {{.ports = {Http("80/TCP"), Dns("53/TCP"), Plain("22/TCP")}}};
  Add(std::move(spec));
  EXPECT_EQ(ProxyOf("80/TCP"), 1);
  EXPECT_EQ(ProxyOf("53/TCP"), 2);
  EXPECT_EQ(Egress("22/TCP").verdict, Verdict::kAllow);
  EXPECT_EQ(Egress("81/TCP").verdict, Verdict::kDeny);
}

TEST_F(CompilerProxyTest, TheProxyOfRequestsOrNamesOpensTheTlsAroundThem) {
  CiliumPortRule requests = Http("443/TCP"), names = Dns("853/TCP");
  for (CiliumPortRule* rule : {&requests, &names}) {
    rule->terminating_tls.emplace().secret.name = "s";
  }
  CiliumPortRule alone = Plain("8443/TCP");
  alone.originating_tls.emplace().secret.name = "s";
  Allow({requests, names, alone});
  EXPECT_EQ(ProxyOf("443/TCP"), 1);
  EXPECT_EQ(ProxyOf("853/TCP"), 2);
  EXPECT_EQ(ProxyOf("8443/TCP"), 3);
}

TEST_F(CompilerProxyTest, AProxyPrevailsOverRulesThatAllowThePortAsItIs) {
  Allow({Plain("80/TCP"), Http("80/TCP"), Plain("80/TCP")});
  EXPECT_EQ(ProxyOf("80/TCP"), 1);
}

TEST_F(CompilerProxyTest, ADenialPrevailsOverAProxy) {
  Allow({Http("80/TCP"), Http("81/TCP")});
  Deny("80/TCP");
  EXPECT_EQ(Egress("80/TCP").verdict, Verdict::kDeny);
  EXPECT_EQ(ProxyOf("80/TCP"), 0);
  EXPECT_EQ(ProxyOf("81/TCP"), 1);
}

TEST_F(CompilerProxyTest, RulesOfOneProxyMayMeet) {
  Allow({Http("80/TCP"), Http("80/TCP")});
  EXPECT_EQ(ProxyOf("80/TCP"), 1);
}

TEST_F(CompilerProxyTest, RulesMayNotWantTwoProxiesForOneFlow) {
  Allow({Http("80/TCP"), Plain("80/TCP")});
  Allow({Listener("80/TCP")});
  EXPECT_EQ(Compiles(),
            absl::InvalidArgumentError(
                "CiliumNetworkPolicy town/q egress[0] and CiliumNetworkPolicy "
                "town/p egress[0]: expected one application protocol for the "
                "same peers and ports, found two"));
}

TEST_F(CompilerProxyTest, WhatIsDeniedMayHaveHadTwoProxies) {
  Allow({Http("80/TCP"), Listener("80/TCP")});
  Deny("80/TCP");
  EXPECT_EQ(Compiles(), absl::OkStatus());
  EXPECT_EQ(Egress("80/TCP").verdict, Verdict::kDeny);
}

TEST_F(CompilerProxyTest, AProxyMayMove) {
  Allow({Http("80/TCP")});
  PolicyCompiler compiler(&town_.peers(), &town_.rule_sets());
  for (uint16_t port : {1, 5}) {
    town_.input().proxies.http = port;
    const absl::StatusOr<CompiledPolicy> compiled =
        compiler.Compile(town_.input());
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    EXPECT_EQ(compiled
                  ->Decide(0, Direction::kEgress,
                           static_cast<uint32_t>(Identity::kWorld),
                           Protocol::kTcp, 80)
                  .proxy_port,
              port);
  }
}

}  // namespace
}  // namespace ciliumcore::testing
