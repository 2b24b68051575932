// SPDX-License-Identifier: Apache-2.0

// What of the maps is found to be wrong, and what is not.

#include "ciliumcore/datapath/verify.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/datapath/map_walk_internal.h"
#include "tests/datapath/verify_node.h"

namespace ciliumcore {
namespace {

using Kind = CounterExample::Kind;
using testing::VerifyNode;

class VerifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    node_.Attach("web", {"10.0.0.1", "2001:db8::1"});
    node_.Attach("api", {"10.0.0.2", "2001:db8::2"});
    node_.Attach("db", {"10.0.0.3"});
    node_.AddRemote("far", "10.9.0.1");
    node_.SetPolicies(testing::kPoliciesOfEveryDialect);
    node_.Commit();
  }

  cc_cell& CellOf(const std::string& judge, cc_direction direction,
                  uint32_t peer, const PortProtocol& port) {
    return *internal::WalkJudgement(node_.maps(),
                                    static_cast<uint16_t>(node_.SlotOf(judge)),
                                    direction, peer, port)
                .cell;
  }

  // The map whose entry is said to be wrong.
  static std::string WrongMap(const VerifyReport& report) {
    if (!report.counter_example.has_value()) return "none";
    return report.counter_example->steps[report.counter_example->wrong_step]
        .map;
  }
  static std::string WrongEntry(const VerifyReport& report) {
    if (!report.counter_example.has_value()) return "none";
    return report.counter_example->steps[report.counter_example->wrong_step]
        .entry;
  }

  VerifyNode node_;
};

constexpr PortProtocol kDb = {.protocol = Protocol::kTcp, .port = 5432};

TEST_F(VerifyTest, FindsNothingInWhatWasCommitted) {
  const VerifyReport report = node_.Verify();
  EXPECT_TRUE(report.is_equal()) << report.ToString();
  EXPECT_FALSE(report.other_rules.has_value()) << report.ToString();
  EXPECT_EQ(report.endpoints, 3u);
  EXPECT_GT(report.identities, 5u);
  EXPECT_EQ(report.addresses, 7u);  // with the host's
  EXPECT_GT(report.rows, 10u);
}

TEST_F(VerifyTest, FindsNothingAfterManyChanges) {
  for (int i = 0; i < 20; ++i) {
    switch (i % 4) {
      case 0:
        node_.Detach("db");
        break;
      case 1:
        node_.SetPolicies(Policies());
        break;
      case 2:
        node_.Attach("db", {i % 8 == 2 ? "10.0.0.4" : "10.0.0.3"});
        break;
      default:
        node_.SetPolicies(testing::kPoliciesOfEveryDialect);
    }
    node_.Commit();
    const VerifyReport report = node_.Verify();
    EXPECT_TRUE(report.is_equal()) << i << ": " << report.ToString();
    EXPECT_FALSE(report.other_rules.has_value()) << i;
  }
}

// What is wanted is computed from everything, and what was written from what
// changed.
TEST_F(VerifyTest, FindsNothingAfterManyChangesOfRemotesAndNames) {
  node_.SetPolicies(absl::StrCat(testing::kPoliciesOfEveryDialect, R"(
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: names, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: web}}
  egress:
  - toFQDNs: [{matchName: api.example.com}, {matchPattern: "*.example.org"}]
)"));
  const char* const kApps[] = {"far", "web", "api", "other"};
  const char* const kNames[] = {"api.example.com", "a.example.org",
                                "b.example.org", "nobody.example.net"};
  std::mt19937 random(3);
  for (int i = 0; i < 400; ++i) {
    for (int edits = 1 + random() % 3; edits > 0; --edits) {
      const std::string address = absl::StrCat("10.9.0.", random() % 40);
      switch (random() % 4) {
        case 0:
          node_.RemoveRemote(address);
          break;
        case 1:
          node_.AddRemote(kApps[random() % 4], address);
          break;
        default:
          node_.SetName({kNames[random() % 4], *IpAddress::Parse(address)},
                        random() % 2 == 0);
      }
    }
    ASSERT_NO_FATAL_FAILURE(node_.Commit());
    const VerifyReport report = node_.Verify();
    ASSERT_TRUE(report.is_equal()) << i << ": " << report.ToString();
    ASSERT_FALSE(report.other_rules.has_value()) << i;
  }
}

TEST_F(VerifyTest, TellsTheCellThatAllowsWhatIsDenied) {
  const uint32_t api = node_.IdentityOf("api");
  cc_cell& cell = CellOf("db", CC_INGRESS, api, kDb);
  ASSERT_EQ(cell.verdict, CC_VERDICT_DENY);
  cell.verdict = CC_VERDICT_ALLOW;
  const VerifyReport report = node_.Verify();
  ASSERT_FALSE(report.is_equal());
  const CounterExample& found = *report.counter_example;
  EXPECT_EQ(found.kind, Kind::kVerdict);
  EXPECT_EQ(found.endpoint, "veth-db");
  EXPECT_EQ(found.direction, Direction::kIngress);
  EXPECT_TRUE(absl::StartsWith(found.wanted, "deny: ")) << found.wanted;
  EXPECT_TRUE(absl::StartsWith(found.live, "allow: ")) << found.live;
  EXPECT_EQ(found.ports, (PortKeyRange{PortKey(Protocol::kTcp, 5432),
                                       PortKey(Protocol::kTcp, 5432)}));
  EXPECT_EQ(WrongMap(report), "cc_cells");
}

// Endpoints by name, ingress first, the lowest identity, the lowest port.
TEST_F(VerifyTest, TellsTheSmallestOfManyDifferences) {
  for (cc_cell& cell : node_.maps().cells.entries()) {
    if (cell.rule_set != 0 && cell.verdict == CC_VERDICT_DENY)
      cell.verdict = CC_VERDICT_ALLOW;
  }
  const VerifyReport report = node_.Verify();
  ASSERT_FALSE(report.is_equal());
  EXPECT_EQ(report.counter_example->endpoint, "veth-api");
  EXPECT_EQ(report.counter_example->direction, Direction::kIngress);
  // The host may; the world may not.
  EXPECT_TRUE(absl::StartsWith(report.counter_example->peer, "2 ("))
      << report.counter_example->peer;
  EXPECT_EQ(report.counter_example->ports, (PortKeyRange{0, kMaxPortKey}));
}

TEST_F(VerifyTest, TellsTheClassOfAPeer) {
  const uint32_t web = node_.IdentityOf("web");
  const uint32_t table = node_.SubjectOf("db").table[CC_INGRESS];
  auto value = node_.maps().classes.Lookup({.table = table, .peer = web});
  ASSERT_TRUE(value.ok());
  value->check ^= 1;
  ASSERT_TRUE(
      node_.maps().classes.Put({.table = table, .peer = web}, *value).ok());
  const VerifyReport report = node_.Verify();
  EXPECT_EQ(WrongMap(report), "cc_classes") << report.ToString();
  EXPECT_EQ(WrongEntry(report), absl::StrCat("table ", table, ", peer ", web));
}

TEST_F(VerifyTest, TellsTheSubjectWhoseTableIsAnothers) {
  node_.SubjectOf("db").table[CC_INGRESS] =
      node_.SubjectOf("web").table[CC_INGRESS];
  const VerifyReport report = node_.Verify();
  EXPECT_EQ(WrongMap(report), "cc_subjects") << report.ToString();
  EXPECT_EQ(report.counter_example->endpoint, "veth-db");
}

TEST_F(VerifyTest, TellsTheEndpointWhoseSubjectIsAnothers) {
  node_.maps().endpoints[node_.SlotOf("db")].subject =
      node_.maps().endpoints[node_.SlotOf("web")].subject;
  const VerifyReport report = node_.Verify();
  EXPECT_EQ(WrongMap(report), "cc_endpoints") << report.ToString();
}

TEST_F(VerifyTest, TellsTheAxisAndThePage) {
  cc_table& table =
      node_.maps().tables[node_.SubjectOf("db").table[CC_INGRESS]];
  ASSERT_NE(table.bound_count, CC_BOUNDS_PAGED);
  table.axis[1] ^= 1;
  EXPECT_EQ(WrongMap(node_.Verify()), "cc_tables");
  table.axis[1] ^= 1;
  const cc_table& paged =
      node_.maps().tables[node_.SubjectOf("api").table[CC_INGRESS]];
  ASSERT_EQ(paged.bound_count, CC_BOUNDS_PAGED);
  cc_port_page& page = node_.maps().port_pages[paged.axis[CC_ROOT_SCTP]];
  page.entry[200] ^= 1;
  const VerifyReport report = node_.Verify();
  EXPECT_EQ(WrongMap(report), "cc_port_pages") << report.ToString();
  EXPECT_EQ(PortsToString({report.counter_example->ports}), "SCTP 51200-51455");
}

TEST_F(VerifyTest, TellsTheInterfaceThatIsJudgedAsAnother) {
  const uint32_t ifindex = node_.IfindexOf("db");
  ASSERT_TRUE(node_.maps().ifindex.Put(ifindex, node_.SlotOf("web")).ok());
  const VerifyReport report = node_.Verify();
  ASSERT_FALSE(report.is_equal());
  EXPECT_EQ(report.counter_example->kind, Kind::kInterface);
  EXPECT_EQ(report.counter_example->endpoint, "veth-db");
  EXPECT_EQ(WrongMap(report), "cc_ifindex");
}

TEST_F(VerifyTest, TellsWhoMaySendFromAnotherAddress) {
  node_.maps().endpoints[node_.SlotOf("db")].v6.w[3] = abi::ToBe32(1);
  const VerifyReport report = node_.Verify();
  ASSERT_FALSE(report.is_equal());
  EXPECT_EQ(report.counter_example->kind, Kind::kSource);
  EXPECT_EQ(report.counter_example->live, "may send from 10.0.0.3, ::1");
}

TEST_F(VerifyTest, TellsAnAddressThatIsTakenForSomebodyElse) {
  const auto at = internal::AddressIndex::Find(
      node_.maps().state[0], node_.maps().addresses.entries(),
      node_.maps().places.entries(), *IpAddress::Parse("10.9.0.1"));
  ASSERT_NE(at, 0u);
  cc_place& place = node_.maps().places[at];
  cc_place_value& value =
      place.value[cc_switch_pick(place.which, node_.maps().state[0].epoch)];
  value.peer = node_.IdentityOf("web");
  const VerifyReport report = node_.Verify();
  ASSERT_FALSE(report.is_equal());
  EXPECT_EQ(report.counter_example->kind, Kind::kAddress);
  EXPECT_EQ(report.counter_example->addresses, "10.9.0.1");
  EXPECT_EQ(WrongMap(report), "cc_places") << report.ToString();
  // By another next hop it is who it is.
  value.peer = node_.IdentityOf("far");
  value.where = CC_REMOTE | 7;
  EXPECT_TRUE(node_.Verify().is_equal());
  value.where = 7;
  EXPECT_FALSE(node_.Verify().is_equal());
}

TEST_F(VerifyTest, TellsAPrefixThatIsGone) {
  const IpPrefix block = *IpPrefix::Parse("192.0.2.0/24");
  ASSERT_TRUE(node_.maps()
                  .prefixes
                  .Erase({.bits = static_cast<uint32_t>(block.bits()),
                          .addr = abi::ToAddr(block.address())})
                  .ok());
  const VerifyReport report = node_.Verify();
  ASSERT_FALSE(report.is_equal());
  EXPECT_EQ(report.counter_example->kind, Kind::kAddress);
  EXPECT_EQ(report.counter_example->addresses, "192.0.2.0-192.0.2.7");
  EXPECT_EQ(WrongMap(report), "cc_prefixes");
}

// A number that nobody has, where everybody who is not named fares alike.
TEST_F(VerifyTest, DoesNotMindAPeerThatFaresAlike) {
  const auto at = internal::AddressIndex::Find(
      node_.maps().state[0], node_.maps().addresses.entries(),
      node_.maps().places.entries(), *IpAddress::Parse("10.9.0.1"));
  node_.SetPolicies(Policies());
  node_.Commit();
  cc_place& place = node_.maps().places[at];
  for (cc_place_value& value : place.value) value.peer ^= 1 << 20;
  EXPECT_TRUE(node_.Verify().is_equal()) << node_.Verify().ToString();
}

TEST_F(VerifyTest, DoesNotMindWhatNoProgramReads) {
  cc_endpoint& endpoint = node_.maps().endpoints[node_.SlotOf("db")];
  endpoint.mac[0] ^= 1;
  endpoint.flags ^= 8;
  endpoint.pad = 1;
  node_.maps().tables[node_.SubjectOf("db").table[CC_INGRESS]].class_count ^= 1;
  node_.SubjectOf("db").identity ^= 1;
  cc_cell& cell = CellOf("db", CC_INGRESS, node_.IdentityOf("api"), kDb);
  cell.proxy_port = 7;  // it denies
  cell.auth = 1;
  cell.verdict = 4;  // not a verdict, but nothing that lets pass
  EXPECT_TRUE(node_.Verify().is_equal()) << node_.Verify().ToString();
}

TEST_F(VerifyTest, TellsOtherRulesApartFromOtherVerdicts) {
  cc_cell& cell = CellOf("db", CC_INGRESS, node_.IdentityOf("web"), kDb);
  cell.rule_set ^= 1u << 20;
  const VerifyReport report = node_.Verify();
  EXPECT_TRUE(report.is_equal());
  ASSERT_TRUE(report.other_rules.has_value());
  EXPECT_EQ(report.other_rules->endpoint, "veth-db");
  EXPECT_TRUE(absl::StrContains(report.other_rules->live, "which is none"))
      << report.other_rules->live;
}

TEST_F(VerifyTest, TellsWhoJudgesAtAnInterfaceThatIsNobodys) {
  internal::WantedVerdicts wanted = node_.Wanted();
  wanted.idle_interfaces[77] = "veth-old";
  EXPECT_TRUE(node_.Verify(wanted).is_equal());
  ASSERT_TRUE(node_.maps().ifindex.Put(77, node_.SlotOf("web")).ok());
  EXPECT_TRUE(node_.Verify().is_equal());  // no program is there
  const VerifyReport report = node_.Verify(wanted);
  ASSERT_FALSE(report.is_equal());
  EXPECT_EQ(report.counter_example->endpoint, "veth-old");
}

TEST_F(VerifyTest, IsUnavailableWhileEveryReadingMeetsAChange) {
  internal::LiveMaps maps = node_.LiveMaps();
  int changes = 0;
  maps.slot_of = [&, slot_of = maps.slot_of](uint32_t ifindex) {
    if (changes > 0) {
      --changes;
      ++node_.maps().state[0].epoch;
    }
    return slot_of(ifindex);
  };
  const internal::WantedVerdicts wanted = node_.Wanted();
  changes = 4;  // two readings
  const auto report = internal::VerifyMaps(maps, wanted, node_.planner());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->is_equal());
  changes = 1000;
  EXPECT_TRUE(absl::IsUnavailable(
      internal::VerifyMaps(maps, wanted, node_.planner()).status()));
}

TEST(VerifyScaleTest, ComparesAThousandEndpointsWithTenThousandIdentities) {
  VerifyNode node({.endpoints = 2048,
                   .subjects = 8192,
                   .addresses = 32768,
                   .prefixes = 64,
                   .places = 65536,
                   .hops = 16,
                   .tables = 4096,
                   .classes = 1 << 22,
                   .cells = 1 << 20,
                   .port_pages = 64});
  Policies policies;
  for (int i = 0; i < 1000; ++i) {
    const std::string app = absl::StrCat("own", i);
    node.Attach(app, {absl::StrCat("10.1.", i / 250, ".", i % 250 + 1)});
    if (i >= 100) continue;
    // Tables that name every remote identity.
    NetworkPolicy& policy = policies.policies.emplace_back();
    policy.ns = "default";
    policy.name = app;
    policy.pod_selector.match_labels = {{"app", app}};
    NetworkPolicyRule& rule = policy.ingress.emplace_back();
    LabelSelector& peers = rule.peers.emplace_back().pod_selector.emplace();
    peers.match_expressions.push_back({.key = "app",
                                       .op = LabelSelector::Operator::kNotIn,
                                       .values = {absl::StrCat("far", i)}});
    rule.ports.emplace_back().port = static_cast<uint16_t>(1000 + i);
  }
  for (int i = 0; i < 9000; ++i) {
    node.AddRemote(absl::StrCat("far", i),
                   absl::StrCat("10.2.", i / 250, ".", i % 250 + 1));
  }
  node.SetPolicies(std::move(policies));
  node.Commit();
  const absl::Time begin = absl::Now();
  const VerifyReport report = node.Verify();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  RecordProperty("seconds", std::to_string(seconds));
  EXPECT_TRUE(report.is_equal()) << report.ToString();
  EXPECT_GT(report.identities, 10000u);
  EXPECT_LT(seconds, 60);  // also under sanitizers
}

}  // namespace
}  // namespace ciliumcore
