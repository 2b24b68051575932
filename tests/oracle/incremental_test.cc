// SPDX-License-Identifier: Apache-2.0

// One compiler through many changes: what it says after each must be what a new
// one says of that state. CC_SEED and CC_ROUNDS choose other changes, and more.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "ciliumcore/policy/compiler.h"
#include "gtest/gtest.h"
#include "tests/oracle/random_cluster.h"
#include "tests/oracle/rounds.h"

namespace ciliumcore::testing {
namespace {

constexpr uint32_t kEditsPerCluster = 100;

// Of one registry, so that equal things have equal numbers.
void ExpectSame(const CompiledPolicy& incremental, const CompiledPolicy& full) {
  ASSERT_EQ(incremental.tables.size(), full.tables.size());
  for (size_t i = 0; i < full.tables.size(); ++i) {
    ASSERT_EQ(*incremental.tables[i], *full.tables[i]) << "table " << i;
  }
  ASSERT_EQ(incremental.endpoints, full.endpoints);
  ASSERT_EQ(incremental.rule_sets, full.rule_sets);
  ASSERT_EQ(incremental.peer_map->of_endpoint, full.peer_map->of_endpoint);
  ASSERT_EQ(incremental.peer_map->addresses, full.peer_map->addresses);
  ASSERT_EQ(incremental.peer_map->prefixes, full.peer_map->prefixes);
  const std::vector<PeerRef>& peers = full.peer_map->peers;
  ASSERT_EQ(incremental.peer_map->peers.size(), peers.size());
  for (size_t i = 0; i < peers.size(); ++i) {
    ASSERT_EQ(incremental.peer_map->peers[i]->number, peers[i]->number);
    ASSERT_EQ(incremental.peer_map->peers[i]->variety, peers[i]->variety);
  }
}

TEST(IncrementalTest, EveryChangeGivesWhatANewCompilerGives) {
  const Rounds rounds = RoundsOr(250);
  uint64_t of_policies = 0, kept = 0, tables = 0;
  for (uint64_t seed = rounds.first; seed < rounds.end; ++seed) {
    RandomCluster random(seed);
    PolicyInput input = random.Make();
    PeerRegistry peers;
    RuleSetTable rule_sets;
    PolicyCompiler compiler(&peers, &rule_sets);
    CompiledPolicy before;
    for (uint32_t edit = 0; edit < kEditsPerCluster; ++edit) {
      SCOPED_TRACE(::testing::Message()
                   << "CC_SEED=" << seed << ", edit " << edit);
      const PolicyInput old = input;
      if (edit != 0) random.Change(input);
      const bool same_nodes = edit != 0 && old.endpoints == input.endpoints &&
                              old.namespaces == input.namespaces;
      const auto incremental = same_nodes ? compiler.Recompile(input)
                                          : compiler.Compile(input);
      ASSERT_TRUE(incremental.ok()) << incremental.status();
      const auto full = Compile(input, peers, rule_sets);
      ASSERT_TRUE(full.ok()) << full.status();
      ASSERT_NO_FATAL_FAILURE(ExpectSame(*incremental, *full));
      if (same_nodes) {
        ++of_policies;
        tables += incremental->tables.size();
        for (const TableRef& table : incremental->tables) {
          kept += std::count(before.tables.begin(), before.tables.end(), table);
        }
      }
      before = *incremental;
    }
  }
  RecordProperty("edits_of_policies", std::to_string(of_policies));
  EXPECT_GT(kept * 4, tables) << "hardly any table was kept";
}

// An endpoint's tables stay the same objects while nothing that selects it
// changes.
TEST(IncrementalTest, OnlyTablesOfSelectedEndpointsAreBuiltAnew) {
  PolicyInput input;
  for (uint32_t i = 0; i < 3; ++i) {
    PolicyEndpoint pod;
    pod.identity = static_cast<Identity>(1000 + i);
    pod.ns = "town";
    pod.labels.Set("app", std::string(1, static_cast<char>('a' + i)));
    input.endpoints.push_back(pod);
    NetworkPolicy policy;
    policy.ns = "town";
    policy.name = std::string(1, static_cast<char>('a' + i));
    policy.pod_selector.match_labels = {{"app", policy.name}};
    policy.ingress.push_back({{},
                              {{.port = static_cast<uint16_t>(80 + i),
                                .end_port = {},
                                .name = {}}}});
    input.policies.push_back(policy);
  }
  PeerRegistry peers;
  RuleSetTable rule_sets;
  PolicyCompiler compiler(&peers, &rule_sets);
  const CompiledPolicy before = *compiler.Compile(input);
  input.policies[1].ingress[0].ports[0].port = 443;
  const CompiledPolicy after = *compiler.Recompile(input);
  const auto ingress = [](const CompiledPolicy& policy, uint32_t endpoint) {
    return policy.tables[policy.endpoints[endpoint].ingress];
  };
  EXPECT_EQ(ingress(before, 0), ingress(after, 0));
  EXPECT_NE(ingress(before, 1), ingress(after, 1));
  EXPECT_EQ(ingress(before, 2), ingress(after, 2));
  EXPECT_EQ(before.peer_map, after.peer_map);
  EXPECT_EQ(
      after.Decide(1, Direction::kIngress, 1000, Protocol::kTcp, 443).verdict,
      Verdict::kAllow);
  EXPECT_EQ(
      after.Decide(1, Direction::kIngress, 1000, Protocol::kTcp, 81).verdict,
      Verdict::kDeny);
}

}  // namespace
}  // namespace ciliumcore::testing
