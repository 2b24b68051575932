// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/diff.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/policy/policy_town.h"

namespace ciliumcore {
namespace {

using testing::Block;
using testing::Egress;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Ingress;
using ::testing::IsEmpty;
using testing::On;
using testing::OnRange;
using testing::Pods;
using testing::Replica;
using testing::Select;
using Presence = PolicyDiff::Presence;

constexpr char kV4[] = "0.0.0.0-255.255.255.255";
constexpr char kV6[] = "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
// Around a node.
constexpr char kV4Below[] = "0.0.0.0-192.168.0.0";
constexpr char kV4Above[] = "192.168.0.2-255.255.255.255";

// Two replicas of web and one of db, in "town", before and after.
class DiffTest : public ::testing::Test {
 protected:
  DiffTest() {
    for (Cluster* cluster : {&before_, &after_}) {
      cluster->pods = {Replica("web", "web-0"), Replica("web", "web-1"),
                       Replica("db", "db-0")};
    }
  }

  static void Add(Cluster& cluster, NetworkPolicy policy,
                  const std::string& app) {
    policy.name = absl::StrCat("p", cluster.policies.size());
    policy.pod_selector = Select({{"app", app.c_str()}});
    cluster.policies.push_back(std::move(policy));
  }

  PolicyDiff Compared() const {
    absl::StatusOr<CompiledCluster> before = CompileCluster(before_);
    absl::StatusOr<CompiledCluster> after = CompileCluster(after_);
    EXPECT_TRUE(before.ok()) << before.status();
    EXPECT_TRUE(after.ok()) << after.status();
    return Diff(*before, *after);
  }

  // "opens web -> db TCP 80 1/2", without the namespace and kind.
  static std::vector<std::string> Lines(const PolicyDiff& diff) {
    const auto name = [&diff](uint32_t peer) {
      return peer < diff.workloads.size() ? diff.workloads[peer].name
                                          : diff.PeerName(peer);
    };
    std::vector<std::string> lines;
    for (const PolicyDiff::Change& change : diff.changes) {
      lines.push_back(absl::StrCat(std::string(ChangeName(change.kind)), " ",
                                   name(change.source), " -> ",
                                   name(change.destination), " ",
                                   PortsToString(diff.port_sets[change.ports]),
                                   " ", change.pairs, "/", change.of_pairs));
    }
    return lines;
  }

  Cluster before_;
  Cluster after_;
};

TEST_F(DiffTest, TellsIntervalsThatOpenAndThatClose) {
  Add(before_, Ingress({{{Pods({})}, {OnRange("80/TCP", 90)}}}), "db");
  Add(after_, Ingress({{{Pods({})}, {OnRange("85/TCP", 95), On("53/UDP")}}}),
      "db");
  EXPECT_THAT(Lines(Compared()),
              ElementsAre("opens web -> db TCP 91-95; UDP 53 2/2",
                          "closes web -> db TCP 80-84 2/2"));
}

TEST_F(DiffTest, NothingDiffersWhereTheRulesKeepTheirNames) {
  Add(before_, Ingress({{{Pods({})}, {OnRange("80/TCP", 90)}}}), "db");
  Add(after_,
      Ingress({{{Pods({}), Pods(Select({{"app", "web"}}))},
                {OnRange("80/TCP", 84), OnRange("85/TCP", 90)}}}),
      "db");
  EXPECT_THAT(Lines(Compared()), IsEmpty());
}

TEST_F(DiffTest, AllowedByOtherRulesIsToldApart) {
  Add(before_, Ingress({{{Pods({})}, {On("80/TCP"), On("81/TCP")}}}), "db");
  Add(after_,
      Ingress({{{Pods({})}, {On("80/TCP")}}, {{Pods({})}, {On("81/TCP")}}}),
      "db");
  const PolicyDiff diff = Compared();
  EXPECT_THAT(Lines(diff), ElementsAre("other rules web -> db TCP 81 2/2"));
  EXPECT_EQ(diff.opened.pairs + diff.closed.pairs, 0u);
  const PolicyDiff::Change& change = diff.changes.front();
  EXPECT_EQ(diff.FindRuleSet(change.before->ingress.rule_set)->ToString(),
            "allowed by NetworkPolicy town/p0 ingress[0]");
  EXPECT_EQ(diff.FindRuleSet(change.after->ingress.rule_set)->ToString(),
            "allowed by NetworkPolicy town/p0 ingress[1]");
}

TEST_F(DiffTest, EveryPortOfEveryProtocolIsCompared) {
  Add(before_, Ingress({{{Pods({})}, {}}}), "db");
  Add(after_, Ingress({{{Pods({})}, {On("80/TCP")}}}), "db");
  const PolicyDiff diff = Compared();
  EXPECT_THAT(Lines(diff),
              ElementsAre("closes web -> db protocols 0-5; TCP 0-79,81-65535; "
                          "protocols 7-255 2/2"));
  EXPECT_EQ(diff.closed.pairs, 2u);
  EXPECT_EQ(diff.closed.ports, 2u * 0xffffff);
}

TEST_F(DiffTest, SaysOfHowManyPodsAChangeHolds) {
  after_.pods[1].labels.Set("special", "yes");
  Add(before_, Ingress({}), "db");
  Add(after_, Ingress({{{Pods(Select({{"special", "yes"}}))}, {}}}), "db");
  const PolicyDiff diff = Compared();
  EXPECT_THAT(Lines(diff), ElementsAre("opens web -> db all 1/2"));
  EXPECT_EQ(diff.changes[0].source_example, "town/web-1");
  EXPECT_EQ(diff.changes[0].destination_example, "town/db-0");
}

TEST_F(DiffTest, PodsOfOneWorkloadAreComparedAmongEachOther) {
  Add(after_, Ingress({{{Pods(Select({{"app", "db"}}))}, {}}}), "web");
  EXPECT_THAT(
      Lines(Compared()),
      ElementsAre("other rules db -> web all 2/2", "closes web -> web all 2/2",
                  absl::StrCat("closes ", kV4, " -> web all 2/2"),
                  absl::StrCat("closes ", kV6, " -> web all 2/2")));
}

TEST_F(DiffTest, CutsAddressesByThePrefixesOfBothSides) {
  Add(before_, Egress({{{Block("10.0.0.0/8")}, {On("443/TCP")}}}), "web");
  Add(after_,
      Egress({{{Block("10.0.0.0/7", {"10.1.0.0/16"})}, {On("443/TCP")}}}),
      "web");
  const PolicyDiff diff = Compared();
  EXPECT_THAT(Lines(diff),
              ElementsAre("closes web -> 10.1.0.0-10.1.255.255 TCP 443 2/2",
                          "opens web -> 11.0.0.0-11.255.255.255 TCP 443 2/2"));
  EXPECT_EQ(diff.closed.pairs, 2u << 16);
  EXPECT_EQ(diff.closed.ports, 2u << 16);
  EXPECT_EQ(diff.opened.pairs, 2u << 24);
}

TEST_F(DiffTest, CountsNoFurtherThanItsNumbersGo) {
  Add(before_, Ingress({}), "web");
  Add(after_, Ingress({{{Block("::/0")}, {On("80/TCP")}}}), "web");
  const PolicyDiff diff = Compared();
  EXPECT_THAT(Lines(diff),
              ElementsAre(absl::StrCat("opens ", kV6, " -> web TCP 80 2/2")));
  EXPECT_EQ(diff.opened.pairs, UINT64_MAX);
  EXPECT_EQ(diff.opened.ports, UINT64_MAX);
}

TEST_F(DiffTest, PrefixesThatSayTheSameCutNothing) {
  Add(before_, Egress({{{Block("10.0.0.0/8")}, {On("443/TCP")}}}), "web");
  Add(after_,
      Egress({{{Block("10.0.0.0/9"), Block("10.128.0.0/9")}, {On("443/TCP")}}}),
      "web");
  const PolicyDiff diff = Compared();
  EXPECT_THAT(Lines(diff), IsEmpty());
  EXPECT_EQ(diff.ranges.size(), 4u);
}

// For every pod of the town.
CiliumPolicy AllowOnly(Direction direction, CiliumPeers peers) {
  CiliumPolicy policy;
  policy.ns = "town";
  policy.name = "only";
  CiliumSpec& spec = policy.specs.emplace_back();
  spec.endpoint_selector.emplace();
  (direction == Direction::kIngress ? spec.ingress : spec.egress)
      .emplace_back()
      .peers = std::move(peers);
  return policy;
}

TEST_F(DiffTest, ANodesAddressIsNotOneOfTheWorld) {
  for (Cluster* cluster : {&before_, &after_}) {
    cluster->pods = {Replica("web", "web-0")};
    cluster->nodes["n1"] = {
        .name = "n1",
        .labels = {{"role", "edge"}},
        .addresses = {*IpAddress::Parse("192.168.0.1")},
        .health_addresses = {*IpAddress::Parse("10.0.0.9")}};
    cluster->nodes["n2"] = {.name = "n2",
                            .addresses = {*IpAddress::Parse("192.168.0.2"),
                                          *IpAddress::Parse("fd00::2")}};
  }
  for (const Direction direction : {Direction::kEgress, Direction::kIngress}) {
    const auto line = [&](const char* kind, const std::string& range) {
      return direction == Direction::kEgress
                 ? absl::StrCat(kind, " web -> ", range, " all 1/1")
                 : absl::StrCat(kind, " ", range, " -> web all 1/1");
    };
    const auto allow = [&](Cluster& cluster, CiliumPeers peers) {
      cluster.cilium_policies = {AllowOnly(direction, std::move(peers))};
    };
    allow(before_, {.entities = {CiliumEntity::kNone}});
    allow(after_, {.entities = {CiliumEntity::kRemoteNode}});
    EXPECT_THAT(Lines(Compared()),
                ElementsAre(line("opens", "192.168.0.1-192.168.0.2"),
                            line("opens", "fd00::2-fd00::2")));
    allow(before_, {.nodes = {Select({{"role", "edge"}})}});
    EXPECT_THAT(Lines(Compared()),
                ElementsAre(line("opens", "192.168.0.2-192.168.0.2"),
                            line("opens", "fd00::2-fd00::2")));
    allow(after_, {.entities = {CiliumEntity::kNone}});
    EXPECT_THAT(Lines(Compared()),
                ElementsAre(line("closes", "192.168.0.1-192.168.0.1")));
    allow(after_, {.nodes = {Select({{"role", "edge"}})},
                   .entities = {CiliumEntity::kHealth}});
    EXPECT_THAT(Lines(Compared()),
                ElementsAre(line("opens", "10.0.0.9-10.0.0.9")));
  }
}

TEST_F(DiffTest, ANodeThatIsNewIsOfTheWorldNoMore) {
  for (Cluster* cluster : {&before_, &after_}) {
    cluster->pods = {Replica("web", "web-0")};
    cluster->cilium_policies = {
        AllowOnly(Direction::kEgress, {.entities = {CiliumEntity::kWorld}})};
  }
  after_.nodes["n1"] = {.name = "n1",
                        .addresses = {*IpAddress::Parse("192.168.0.1")}};
  EXPECT_THAT(Lines(Compared()),
              ElementsAre("closes web -> 192.168.0.1-192.168.0.1 all 1/1"));
  // With a pod on it, on one side: its address is the same.
  before_.nodes = after_.nodes;
  before_.pods.push_back(Replica("agent", "agent-0", {"192.168.0.1"}));
  before_.pods.back().host_network = true;
  EXPECT_THAT(
      Lines(Compared()),
      ElementsAre("closes agent -> web all 1/1",
                  absl::StrCat("closes agent -> ", kV4Below, " all 1/1"),
                  "closes agent -> 192.168.0.1-192.168.0.1 all 1/1",
                  absl::StrCat("closes agent -> ", kV4Above, " all 1/1"),
                  absl::StrCat("closes agent -> ", kV6, " all 1/1"),
                  absl::StrCat("closes ", kV4Below, " -> agent all 1/1"),
                  "closes 192.168.0.1-192.168.0.1 -> agent all 1/1",
                  absl::StrCat("closes ", kV4Above, " -> agent all 1/1"),
                  absl::StrCat("closes ", kV6, " -> agent all 1/1")));
}

TEST_F(DiffTest, ABlockThatCoversAPodOpensThePod) {
  for (Cluster* cluster : {&before_, &after_}) {
    cluster->pods[2] = Replica("db", "db-0", {"10.0.0.7"});
  }
  Add(before_, Egress({}), "web");
  Add(after_, Egress({{{Block("10.0.0.7/32")}, {On("5432/TCP")}}}), "web");
  EXPECT_THAT(Lines(Compared()),
              ElementsAre("opens web -> db TCP 5432 2/2",
                          "opens web -> 10.0.0.7-10.0.0.7 TCP 5432 2/2"));
}

TEST_F(DiffTest, ReplicasAndTheirNamesDoNotMatter) {
  after_.pods = {Replica("web", "web-x"), Replica("web", "web-y"),
                 Replica("web", "web-z"), Replica("db", "db-0")};
  Add(before_, Ingress({{{Pods(Select({{"app", "web"}}))}, {}}}), "db");
  after_.policies = before_.policies;
  const PolicyDiff diff = Compared();
  EXPECT_THAT(Lines(diff), IsEmpty());
  EXPECT_THAT(diff.lone_pods,
              ElementsAre(PolicyDiff::LonePod{"town/web-0", Presence::kBefore},
                          PolicyDiff::LonePod{"town/web-1", Presence::kBefore},
                          PolicyDiff::LonePod{"town/web-x", Presence::kAfter},
                          PolicyDiff::LonePod{"town/web-y", Presence::kAfter},
                          PolicyDiff::LonePod{"town/web-z", Presence::kAfter}));
}

TEST_F(DiffTest, APodThatIsRenamedIsStillOnePod) {
  Add(before_, Ingress({}), "db");
  Add(after_, Ingress({{{Pods({})}, {On("80/TCP")}}}), "db");
  after_.pods[0].name = "web-x";
  after_.pods[2].name = "db-x";
  EXPECT_THAT(Lines(Compared()), ElementsAre("opens web -> db TCP 80 2/2"));
  after_.pods[1].name = "web-y";
  const PolicyDiff diff = Compared();
  EXPECT_THAT(Lines(diff), ElementsAre("opens web -> db TCP 80 2/2"));
  EXPECT_EQ(diff.opened.pairs, 2u);
}

TEST_F(DiffTest, APodThatIsRenamedKeepsItsAddress) {
  for (Cluster* cluster : {&before_, &after_}) {
    cluster->pods = {Replica("web", "web-0", {"10.0.0.1"}),
                     Replica("web", "web-1", {"10.0.0.2"}),
                     Replica("db", "db-0")};
    Add(*cluster, Ingress({{{Block("10.0.0.1/32")}, {}}}), "db");
  }
  after_.pods[0].name = "web-y";
  after_.pods[1].name = "web-x";
  std::swap(after_.pods[0], after_.pods[1]);
  EXPECT_THAT(Lines(Compared()), IsEmpty());
}

TEST_F(DiffTest, APodThatIsRenamedMayGetOtherLabelsToo) {
  // As when a template changes: each of the old replicas gives way to one.
  after_.pods[0] = Replica("web", "web-x");
  after_.pods[1] = Replica("web", "web-y");
  for (Pod& pod : after_.pods) pod.labels.Set("version", "2");
  Add(before_, Ingress({}), "db");
  Add(after_, Ingress({{{Pods(Select({{"version", "2"}}))}, {}}}), "db");
  EXPECT_THAT(Lines(Compared()), ElementsAre("opens web -> db all 2/2"));
}

TEST_F(DiffTest, AReplicaThatIsLeftIsComparedWithOneOfItsLabels) {
  for (Cluster* cluster : {&before_, &after_}) {
    cluster->pods[1].labels.Set("special", "yes");
    Add(*cluster, Ingress({{{Pods(Select({{"special", "yes"}}))}, {}}}), "db");
  }
  after_.pods.push_back(after_.pods[1]);
  after_.pods.back().name = "web-2";
  EXPECT_THAT(Lines(Compared()), IsEmpty());
  std::swap(before_, after_);
  EXPECT_THAT(Lines(Compared()), IsEmpty());
}

TEST_F(DiffTest, AReplicaIsComparedWithOneOfItsLabels) {
  for (Cluster* cluster : {&before_, &after_}) {
    cluster->pods[1].labels.Set("special", "yes");
    Add(*cluster, Ingress({{{Pods(Select({{"special", "yes"}}))}, {}}}), "db");
  }
  after_.pods[1].name = "web-new";
  EXPECT_THAT(Lines(Compared()), IsEmpty());
}

TEST_F(DiffTest, WhatANewWorkloadIsAllowedOpens) {
  after_.pods.push_back(Replica("probe", "probe-0"));
  Add(after_, Egress({{{Pods(Select({{"app", "db"}}))}, {On("80/TCP")}}}),
      "probe");
  Add(after_, Ingress({}), "probe");
  const PolicyDiff diff = Compared();
  EXPECT_THAT(Lines(diff), ElementsAre("opens probe -> db TCP 80 1/1"));
  EXPECT_EQ(diff.changes[0].before, std::nullopt);
  EXPECT_EQ(diff.PresenceOf(diff.changes[0].source), Presence::kAfter);
  EXPECT_EQ(diff.PresenceOf(diff.changes[0].destination), Presence::kBoth);
  EXPECT_EQ(diff.PeerName(diff.changes[0].source), "town/probe[Deployment]");
}

TEST_F(DiffTest, WhatAWorkloadThatIsGoneWasAllowedCloses) {
  before_.pods.push_back(Replica("probe", "probe-0"));
  Add(before_, Egress({{{Pods(Select({{"app", "db"}}))}, {On("80/TCP")}}}),
      "probe");
  Add(before_, Ingress({}), "probe");
  const PolicyDiff diff = Compared();
  EXPECT_THAT(Lines(diff), ElementsAre("closes probe -> db TCP 80 1/1"));
  EXPECT_EQ(diff.changes[0].after, std::nullopt);
  EXPECT_EQ(diff.PresenceOf(diff.changes[0].source), Presence::kBefore);
}

TEST_F(DiffTest, AddressesOfOneFamilyAreComparedWithEachOther) {
  for (Cluster* cluster : {&before_, &after_}) {
    cluster->pods = {Replica("web", "web-0", {"10.0.0.1", "fd00::1"}),
                     Replica("db", "db-0", {"10.0.0.2", "fd00::2"})};
  }
  // Neither the order nor the numbers matter to who is selected by labels.
  after_.pods[0] = Replica("web", "web-0", {"fd00::9", "10.0.0.9"});
  Add(before_, Ingress({{{Block("fd00::/64")}, {On("80/TCP")}}}), "db");
  Add(after_, Ingress({{{Block("10.0.0.0/24")}, {On("80/TCP")}}}), "db");
  EXPECT_THAT(
      Lines(Compared()),
      ElementsAre("opens web -> db TCP 80 1/2", "closes web -> db TCP 80 1/2",
                  HasSubstr("opens 10.0.0.0-10.0.0.255 -> db TCP 80"),
                  HasSubstr("closes fd00::-fd00::ffff:ffff:ffff:ffff "
                            "-> db TCP 80")));
}

TEST_F(DiffTest, AnAddressThatAnotherReplacesIsStillOne) {
  before_.pods = {Replica("web", "web-0", {"10.0.0.1", "10.0.0.2"}),
                  Replica("db", "db-0", {"10.0.0.3"})};
  after_.pods = {Replica("web", "web-0", {"10.0.0.4", "10.0.0.1"}),
                 Replica("db", "db-0", {"10.0.0.3"})};
  Add(before_, Ingress({}), "db");
  Add(after_, Ingress({{{Pods({})}, {}}}), "db");
  EXPECT_THAT(Lines(Compared()), ElementsAre("opens web -> db all 2/2"));
}

TEST_F(DiffTest, AnAddressThatIsNewMeetsWhatItMeets) {
  before_.pods[0] = Replica("web", "web-0", {"10.0.0.1"});
  before_.pods[2] = Replica("db", "db-0", {"10.0.0.2", "fd00::2"});
  after_.pods[2] = before_.pods[2];
  after_.pods[0] = Replica("web", "web-0", {"10.0.0.1", "fd00::1"});
  before_.pods.erase(before_.pods.begin() + 1);
  after_.pods.erase(after_.pods.begin() + 1);
  const PolicyDiff diff = Compared();
  EXPECT_THAT(Lines(diff), ElementsAre("opens db -> web all 1/2",
                                       "opens web -> db all 1/2"));
}

TEST_F(DiffTest, ThePodsOwnNodeIsAllowedOnBothSides) {
  for (Cluster* cluster : {&before_, &after_}) {
    Pod agent = Replica("agent", "agent-0", {"192.168.0.1"});
    agent.host_network = true;
    cluster->pods.push_back(agent);
    Add(*cluster, Ingress({{{Pods({})}, {}}}), "db");
  }
  Add(after_, Ingress({}), "agent");
  after_.policies[0].ingress.clear();
  EXPECT_THAT(Lines(Compared()), ElementsAre("closes web -> db all 2/2"));
}

struct PortsCase {
  std::vector<PortKeyRange> ranges;
  const char* text;
};

TEST(PortsToStringTest, NamesPortsByProtocol) {
  const auto tcp = [](uint16_t port) { return PortKey(Protocol::kTcp, port); };
  const auto udp = [](uint16_t port) { return PortKey(Protocol::kUdp, port); };
  const PortsCase cases[] = {
      {{}, ""},
      {{{0, kMaxPortKey}}, "all"},
      {{{tcp(0), tcp(65535)}}, "TCP"},
      {{{tcp(80), tcp(80)}, {tcp(443), tcp(444)}, {udp(53), udp(53)}},
       "TCP 80,443-444; UDP 53"},
      {{{tcp(0), tcp(0)}, {tcp(65535), tcp(65535) + 1}},
       "TCP 0,65535; protocol 7 0"},
      {{{tcp(1), tcp(65535)}, {udp(0), udp(65535)}}, "TCP 1-65535; UDP"},
      {{{0, tcp(79)}, {tcp(81), kMaxPortKey}},
       "protocols 0-5; TCP 0-79,81-65535; protocols 7-255"},
      {{{5, 0x1ffff}}, "protocol 0 5-65535; ICMP"},
      {{{tcp(65535), udp(0)}}, "TCP 65535; protocols 7-16; UDP 0"},
  };
  for (const PortsCase& c : cases) EXPECT_EQ(PortsToString(c.ranges), c.text);
}

}  // namespace
}  // namespace ciliumcore
