// SPDX-License-Identifier: Apache-2.0

// Verdict tables stay small where maps of peers x ports grow.

#include "benchmarks/policy/map_size.h"

#include <string>

#include "benchmarks/policy/shapes.h"
#include "gtest/gtest.h"
#include "tests/policy/policy_town.h"

namespace ciliumcore {
namespace {

using bench::MapSize;
using testing::Block;
using testing::Ingress;
using testing::On;
using testing::OnRange;
using testing::Pods;
using testing::Select;
using testing::Town;

constexpr double kLeast = 20;

void ExpectSmall(const PolicyInput& input) {
  PeerRegistry peers;
  RuleSetTable rule_sets;
  const auto compiled = Compile(input, peers, rule_sets);
  ASSERT_TRUE(compiled.ok()) << compiled.status();
  const auto size = bench::SizeOf(*compiled);
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_GE(size->fewer(), kLeast)
      << size->flows.entries << " entries, in tables " << size->tables.entries;
  EXPECT_GE(size->smaller(), kLeast)
      << size->flows.bytes << " bytes, in tables " << size->tables.bytes;
}

TEST(MapSizeTest, ServicesOfAnOpenClusterTakeLittle) {
  ExpectSmall(bench::OpenServices(20000));
}

TEST(MapSizeTest, ServicesOfClosedNamespacesTakeLittle) {
  ExpectSmall(bench::ClosedServices(20000));
}

TEST(MapSizeTest, BlocksInsideABlockTakeLittle) {
  ExpectSmall(bench::NestedBlocks(1000, 32));
}

// By hand: what the above compares.
class CountedTest : public ::testing::Test {
 protected:
  CountedTest() {
    town_.AddPod("town/db", {{"app", "db"}}, {.addresses = {"10.0.0.1"}});
    town_.AddPod("town/web", {{"app", "web"}}, {.addresses = {"10.0.0.2"}});
    town_.AddPod("town/job", {{"app", "job"}}, {.addresses = {"10.0.0.3"}});
  }

  const TableRef& IngressOfDb() {
    const CompiledPolicy& compiled = town_.Compiled();
    return compiled
        .tables[compiled.endpoints[town_.Endpoint("town/db")].ingress];
  }
  MapSize Tables() {
    const auto size = bench::SizeAsTables({&IngressOfDb(), 1});
    EXPECT_TRUE(size.ok()) << size.status();
    return size.value_or(MapSize());
  }
  uint64_t Flows() { return bench::SizeAsFlows(*IngressOfDb()).entries; }

  Town town_;
};

TEST_F(CountedTest, AnOpenSubjectIsOneEntryEitherWay) {
  // A table and its cell.
  EXPECT_EQ(Tables(), (MapSize{.entries = 2, .bytes = 64 + 8}));
  EXPECT_EQ(Flows(), 1u);
}

TEST_F(CountedTest, PeersTimesPortsAreFlowsAndPeersPlusPortsAreNot) {
  NetworkPolicy policy = Ingress(
      {{{Pods(Select({{"app", "web"}})), Pods(Select({{"app", "job"}}))},
        {On("80/TCP"), On("90/TCP"), OnRange("100/TCP", 199)}}});
  policy.pod_selector = Select({{"app", "db"}});
  town_.Add(policy);
  // The host reaches every port, and is of a third class beside nobody's. Three
  // runs of ports are seven intervals, for nobody, the two peers and the host.
  EXPECT_EQ(Flows(), 2u * 3 + 1);
  EXPECT_EQ(Tables(), (MapSize{.entries = 1 + 3 * 7 + 3,
                               .bytes = 64 + 3 * 7 * 8 + 3 * 16}));
}

TEST_F(CountedTest, PagesOfPortsCount) {
  NetworkPolicyRule rule;
  for (int port = 1000; port < 1014; port += 2) {
    rule.ports.push_back(On(std::to_string(port) + "/TCP"));
  }
  NetworkPolicy policy = Ingress({rule});
  policy.pod_selector = Select({{"app", "db"}});
  town_.Add(policy);
  // Everybody alike on seven ports, and the host on all: the bounds are more
  // than a table has room for. Five protocols have a root, and the ports of
  // 1000 to 1013 a page below it.
  EXPECT_EQ(Flows(), 7u + 1);
  EXPECT_EQ(Tables(), (MapSize{.entries = 1 + 2 * 15 + 1 + 6,
                               .bytes = 64 + 2 * 15 * 8 + 16 + 6 * 512}));
}

}  // namespace
}  // namespace ciliumcore
