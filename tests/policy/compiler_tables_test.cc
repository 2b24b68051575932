// SPDX-License-Identifier: Apache-2.0

// The shape of what is compiled: classes, intervals, peer numbers.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/policy/policy_town.h"

namespace ciliumcore {
namespace {

using testing::Block;
using testing::Egress;
using testing::Ingress;
using testing::On;
using testing::OnNamed;
using testing::OnRange;
using testing::Pods;
using testing::Select;
using testing::Town;

constexpr uint32_t kHost = static_cast<uint32_t>(Identity::kHost);
constexpr uint32_t kWorld = static_cast<uint32_t>(Identity::kWorld);

class CompiledTablesTest : public ::testing::Test {
 protected:
  CompiledTablesTest() {
    town_.AddPod("town/web", {{"app", "web"}}, {.addresses = {"10.0.0.1"}});
    town_.AddPod("town/api", {{"app", "api"}}, {.addresses = {"10.0.0.2"}});
    town_.AddPod("town/db", {{"app", "db"}}, {.addresses = {"10.0.0.3"}});
  }

  const CompiledTable& IngressOf(const std::string& pod) {
    const CompiledPolicy& compiled = town_.Compiled();
    return *compiled.tables[compiled.endpoints[town_.Endpoint(pod)].ingress];
  }
  uint32_t PeerOf(const std::string& pod) {
    return town_.Compiled().peer_map->of_endpoint[town_.Endpoint(pod)].at(0);
  }

  Town town_;
};

TEST_F(CompiledTablesTest, WithoutPolicyOneCellPerDirectionServesEveryone) {
  const CompiledPolicy& compiled = town_.Compiled();
  ASSERT_EQ(compiled.tables.size(), 2u);
  for (const TableRef& ref : compiled.tables) {
    const CompiledTable& table = *ref;
    EXPECT_TRUE(table.bounds.empty());
    EXPECT_TRUE(table.classes.empty());
    ASSERT_EQ(table.cells.size(), 1u);
    EXPECT_EQ(table.cells[0].verdict, Verdict::kAllow);
  }
}

TEST_F(CompiledTablesTest, APeerNumberIsTheIdentityUntilItMustDiffer) {
  EXPECT_EQ(PeerOf("town/web"), 1000u);
  town_.Add(Ingress({{{Block("172.16.0.0/12")}, {}}}));
  EXPECT_EQ(PeerOf("town/web"), 1000u);
  town_.Add(Ingress({{{Block("10.0.0.0/31")}, {}}}));
  EXPECT_GE(PeerOf("town/web"), kFirstSplitPeer);
  EXPECT_EQ(PeerOf("town/api"), 1001u);
}

TEST_F(CompiledTablesTest, OnlyPortNamesThatEgressRulesAskForSplitPeers) {
  town_.AddPod("town/web2", {{"app", "web"}},
               {.ports = {{"http", "80/TCP"}, {"metrics", "9090/TCP"}}});
  town_.Add(Ingress({{{}, {OnNamed("http")}}}));
  town_.Add(Egress({{{}, {OnNamed("http", Protocol::kUdp)}}}));
  EXPECT_EQ(PeerOf("town/web2"), 1000u);
  town_.Add(Egress({{{}, {OnNamed("http")}}}));
  EXPECT_GE(PeerOf("town/web2"), kFirstSplitPeer);
  EXPECT_EQ(PeerOf("town/web"), 1000u);
}

TEST_F(CompiledTablesTest, WorldAddressesAreKnownByTheLongestPrefix) {
  town_.Add(Ingress({{{Block("172.16.0.0/12", {"172.16.5.0/24"})}, {}}}));
  const CompiledPolicy& compiled = town_.Compiled();
  ASSERT_EQ(compiled.peer_map->prefixes.size(), 2u);
  EXPECT_EQ(compiled.peer_map->prefixes[0].prefix.ToString(), "172.16.0.0/12");
  EXPECT_EQ(compiled.peer_map->prefixes[1].parent, 0u);
  const auto peer = [&](const char* address) {
    return compiled.PeerOf(*IpAddress::Parse(address));
  };
  EXPECT_EQ(peer("172.16.0.1"), compiled.peer_map->prefixes[0].peer);
  EXPECT_EQ(peer("172.16.5.1"), compiled.peer_map->prefixes[1].peer);
  EXPECT_EQ(peer("8.8.8.8"), kWorld);
  EXPECT_EQ(peer("2001:db8::"), kWorld);
  EXPECT_GE(compiled.peer_map->prefixes[0].peer, kFirstCidrPeer);
  EXPECT_LE(compiled.peer_map->prefixes[0].peer, kLastCidrPeer);
}

TEST_F(CompiledTablesTest, FindsTheLongestPrefixOfEitherFamily) {
  town_.Add(Ingress(
      {{{Block("::/0"), Block("0.0.0.0/0"), Block("10.0.0.0/8"),
         Block("10.1.0.0/16"), Block("10.1.2.3/32"), Block("2001:db8::/32"),
         Block("2001:db8:1::/48"), Block("::/64")},
        {}}}));
  const CompiledPolicy& compiled = town_.Compiled();
  for (const auto& [address, prefix] :
       std::vector<std::pair<std::string, std::string>>{
           {"10.1.2.3", "10.1.2.3/32"},
           {"10.1.2.4", "10.1.0.0/16"},
           {"10.2.0.0", "10.0.0.0/8"},
           {"9.255.255.255", "0.0.0.0/0"},
           {"255.255.255.255", "0.0.0.0/0"},
           {"2001:db8:1::1", "2001:db8:1::/48"},
           {"2001:db8:2::1", "2001:db8::/32"},
           {"2001:db9::", "::/0"},
           {"0:0:0:1::", "::/0"},
           {"::fffe:0:0", "::/64"},
           {"::1:0:0:0", "::/64"},
           {"ffff::", "::/0"}}) {
    const uint32_t peer = compiled.PeerOf(*IpAddress::Parse(address));
    for (const PrefixPeer& entry : compiled.peer_map->prefixes) {
      EXPECT_EQ(entry.peer == peer, entry.prefix.ToString() == prefix)
          << address << " " << entry.prefix.ToString();
    }
  }
}

TEST_F(CompiledTablesTest, PeersThatNoRuleTellsApartAreOneClass) {
  for (int i = 0; i < 20; ++i) {
    const std::string name = absl::StrCat("x", i);
    town_.AddPod("town/" + name,
                 {{"app", name.c_str()}, {"group", i % 2 ? "odd" : "even"}});
  }
  NetworkPolicy policy =
      Ingress({{{Pods(Select({{"group", "odd"}}))}, {On("80/TCP")}},
               {{Pods(Select({{"group", "even"}}))}, {On("81/TCP")}}});
  policy.pod_selector = Select({{"app", "db"}});
  town_.Add(policy);
  const CompiledTable& table = IngressOf("town/db");
  // Nobody, the host, odd, even.
  EXPECT_EQ(table.class_count, 4u);
  EXPECT_EQ(table.classes.size(), 21u);
  EXPECT_EQ(table.ClassOf(kHost), 1u);
  EXPECT_EQ(table.ClassOf(PeerOf("town/web")), 0u);
  EXPECT_EQ(table.ClassOf(PeerOf("town/x3")), table.ClassOf(PeerOf("town/x5")));
  EXPECT_NE(table.ClassOf(PeerOf("town/x3")), table.ClassOf(PeerOf("town/x4")));
  EXPECT_EQ(table.bounds, (std::vector<uint32_t>{PortKey(Protocol::kTcp, 80),
                                                 PortKey(Protocol::kTcp, 81),
                                                 PortKey(Protocol::kTcp, 82)}));
  EXPECT_EQ(table.cells.size(), 16u);
}

TEST_F(CompiledTablesTest, PortsThatNoRuleTellsApartAreOneInterval) {
  town_.Add(Ingress({{{}, {OnRange("80/TCP", 89), OnRange("90/TCP", 99)}},
                     {{Pods({})}, {OnRange("80/TCP", 99)}}}));
  EXPECT_EQ(IngressOf("town/db").bounds,
            (std::vector<uint32_t>{PortKey(Protocol::kTcp, 80),
                                   PortKey(Protocol::kTcp, 100)}));
}

TEST_F(CompiledTablesTest, IntervalsReachFromTheFirstKeyToTheLast) {
  town_.Add(Ingress({{{}, {}}}));
  const CompiledTable& table = IngressOf("town/db");
  EXPECT_TRUE(table.bounds.empty());
  EXPECT_EQ(table.IntervalOf(kMaxPortKey), 0u);
  EXPECT_EQ(table.At(kWorld, static_cast<Protocol>(255), 65535).verdict,
            Verdict::kAllow);
}

TEST_F(CompiledTablesTest, ARuleForPeersWithoutTheNamedPortMakesNoClass) {
  NetworkPolicy policy = Egress({{{Pods({})}, {OnNamed("nothing")}}});
  town_.Add(policy);
  const CompiledPolicy& compiled = town_.Compiled();
  const CompiledTable& table =
      *compiled.tables[compiled.endpoints[town_.Endpoint("town/db")].egress];
  EXPECT_EQ(table.class_count, 2u);
  EXPECT_EQ(table.classes.size(), 1u);
}

TEST_F(CompiledTablesTest, EqualTablesAreShared) {
  town_.Add(Ingress({{{Pods({})}, {}}}));
  const CompiledPolicy& compiled = town_.Compiled();
  EXPECT_EQ(compiled.endpoints[0].ingress, compiled.endpoints[1].ingress);
  EXPECT_EQ(compiled.endpoints[0].egress, compiled.endpoints[2].egress);
  EXPECT_EQ(compiled.tables.size(), 2u);
}

TEST_F(CompiledTablesTest, PodsOfOneIdentityAreTwoSubjectsIfTheirPortsDiffer) {
  town_.AddPod("town/web2", {{"app", "web"}}, {.ports = {{"http", "80/TCP"}}});
  town_.Add(Ingress({{{}, {OnNamed("http")}}}));
  EXPECT_TRUE(town_.Allows("8.8.8.8", "town/web2"));
  EXPECT_FALSE(town_.Allows("8.8.8.8", "town/web"));
  EXPECT_EQ(PeerOf("town/web"), PeerOf("town/web2"));
}

TEST_F(CompiledTablesTest, APodHasANumberForEachAddress) {
  town_.AddPod("town/dual", {{"app", "dual"}},
               {.addresses = {"10.0.0.9", "fd00::9"}});
  town_.Add(Ingress({{{Block("fd00::/8")}, {}}}));
  const CompiledPolicy& compiled = town_.Compiled();
  const auto& peers =
      compiled.peer_map->of_endpoint[town_.Endpoint("town/dual")];
  ASSERT_EQ(peers.size(), 2u);
  EXPECT_LT(peers[0], 65536u);
  EXPECT_GE(peers[1], kFirstSplitPeer);
  EXPECT_TRUE(town_.Allows("fd00::9", "town/db"));
  EXPECT_FALSE(town_.Allows("10.0.0.9", "town/db"));
  EXPECT_EQ(compiled.PartyOf(*IpAddress::Parse("fd00::9")).endpoint,
            town_.Endpoint("town/dual"));
}

TEST_F(CompiledTablesTest, DescribesItsPeers) {
  town_.AddPod("town/in", {{"app", "in"}},
               {.addresses = {"172.16.0.1"}, .ports = {{"http", "8080/TCP"}}});
  town_.Add(Ingress({{{Block("172.16.0.0/12")}, {}}}));
  town_.Add(Egress({{{}, {OnNamed("http")}}}));
  std::vector<std::string> texts;
  for (const auto& [number, peer] : town_.Compiled().peer_map->peers) {
    texts.push_back(peer->variety.ToString());
  }
  EXPECT_EQ(texts, (std::vector<std::string>{
                       "host", "world", "1000", "1001", "1002",
                       "world in 172.16.0.0/12",
                       "1003 in 172.16.0.0/12 with http=8080/TCP"}));
}

TEST_F(CompiledTablesTest, NumbersSurviveARecompilation) {
  town_.Add(Ingress({{{Block("10.0.0.2/31")}, {}}}));
  town_.Add(Ingress({{{Block("10.0.0.0/24"), Block("172.16.0.0/12")}, {}}}));
  const CompiledPolicy before = town_.Compiled();
  // As if the first policy had never been: its prefix sorts between the others.
  town_.input().policies.erase(town_.input().policies.begin());
  NetworkPolicy later = Ingress({{{Block("9.0.0.0/8")}, {}}});
  later.name = "later";
  town_.Add(later);
  const CompiledPolicy after = town_.Compiled();
  for (const char* address : {"172.16.0.1", "10.0.0.1", "10.0.0.77"}) {
    EXPECT_EQ(before.PeerOf(*IpAddress::Parse(address)),
              after.PeerOf(*IpAddress::Parse(address)))
        << address;
  }
  EXPECT_NE(before.PeerOf(*IpAddress::Parse("10.0.0.2")),
            after.PeerOf(*IpAddress::Parse("10.0.0.2")));
}

TEST_F(CompiledTablesTest, NumbersAreFreedWithTheLastPolicyThatUsesThem) {
  town_.Add(Ingress({{{Block("10.0.0.0/24")}, {}}}));
  town_.Compiled();
  EXPECT_EQ(town_.peers().size(), 4u);
  EXPECT_GT(town_.rule_sets().live(), 0u);
  town_.input().policies.clear();
  town_.AddPod("town/late", {{"app", "late"}});
  town_.Compiled();
  EXPECT_EQ(town_.peers().size(), 0u);
  EXPECT_EQ(town_.rule_sets().live(), 2u);
  EXPECT_GT(town_.rule_sets().remembered(), 0u);
}

TEST_F(CompiledTablesTest, EqualInputGivesEqualOutputInAnyOrderOfPolicies) {
  town_.Add(Ingress({{{Block("10.0.0.0/31")}, {On("80/TCP")}}}));
  town_.Add(Ingress({{{Pods(Select({{"app", "db"}}))}, {OnNamed("http")}}}));
  town_.Add(Egress({{{}, {On("53/UDP")}}}));
  const auto compile = [&](bool reversed) {
    PolicyInput input = town_.input();
    if (reversed) std::swap(input.policies[0], input.policies[2]);
    PeerRegistry peers;
    RuleSetTable rule_sets;
    return *Compile(input, peers, rule_sets);
  };
  const CompiledPolicy a = compile(false);
  const CompiledPolicy b = compile(true);
  ASSERT_EQ(a.tables.size(), b.tables.size());
  for (size_t i = 0; i < a.tables.size(); ++i) {
    EXPECT_EQ(*a.tables[i], *b.tables[i]);
  }
  EXPECT_EQ(a.endpoints, b.endpoints);
  EXPECT_EQ(a.peer_map->of_endpoint, b.peer_map->of_endpoint);
  EXPECT_EQ(a.peer_map->addresses, b.peer_map->addresses);
  EXPECT_EQ(a.peer_map->prefixes, b.peer_map->prefixes);
}

absl::StatusCode CodeOf(Town& town) {
  return Compile(town.input(), town.peers(), town.rule_sets()).status().code();
}

TEST_F(CompiledTablesTest, RefusesTwoPoliciesOfOneName) {
  NetworkPolicy policy = Ingress({});
  policy.name = "same";
  town_.Add(policy);
  town_.Add(policy);
  EXPECT_EQ(CodeOf(town_), absl::StatusCode::kInvalidArgument);
}

TEST_F(CompiledTablesTest, RefusesOneAddressForTwoEndpoints) {
  town_.AddPod("town/twin", {{"app", "twin"}}, {.addresses = {"10.0.0.1"}});
  EXPECT_EQ(CodeOf(town_), absl::StatusCode::kInvalidArgument);
}

TEST_F(CompiledTablesTest, RefusesAnIdentityOfTwoLabelSets) {
  town_.AddPod("town/other", {{"app", "other"}});
  town_.input().endpoints.back().identity = static_cast<Identity>(1000);
  EXPECT_EQ(CodeOf(town_), absl::StatusCode::kInvalidArgument);
}

TEST_F(CompiledTablesTest, RefusesAnEndpointWithoutIdentity) {
  town_.input().endpoints[0].identity = Identity::kUnknown;
  EXPECT_EQ(CodeOf(town_), absl::StatusCode::kInvalidArgument);
}

TEST_F(CompiledTablesTest, RefusesAPodWithTheIdentityOfWhatIsNone) {
  for (Identity identity :
       {Identity::kHost, Identity::kWorld, Identity::kRemoteNode,
        Identity::kKubeApiserver, Identity::kWorldIpv4, Identity::kWorldIpv6}) {
    town_.input().endpoints[0].identity = identity;
    EXPECT_EQ(CodeOf(town_), absl::StatusCode::kInvalidArgument)
        << IdentityName(identity);
  }
}

TEST_F(CompiledTablesTest, RefusesAnIdentityThatWouldBeAnotherPeersNumber) {
  town_.input().endpoints[0].identity = static_cast<Identity>(kFirstCidrPeer);
  EXPECT_EQ(CodeOf(town_), absl::StatusCode::kInvalidArgument);
}

TEST(PeerRegistryTest, RestoresNumbersInTheirRange) {
  PeerRegistry registry;
  PeerVariety variety;
  variety.cover = *IpPrefix::Parse("10.0.0.0/8");
  EXPECT_EQ(registry.Restore(kFirstSplitPeer, variety).status().code(),
            absl::StatusCode::kInvalidArgument);
  PeerRef restored = *registry.Restore(kFirstCidrPeer + 7, variety);
  EXPECT_EQ((*registry.Intern(variety))->number, kFirstCidrPeer + 7);
  PeerVariety plain;
  plain.identity = static_cast<Identity>(300);
  EXPECT_EQ((*registry.Restore(300, plain))->number, 300u);
  EXPECT_EQ(registry.Restore(301, plain).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ciliumcore
