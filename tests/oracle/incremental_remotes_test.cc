// SPDX-License-Identifier: Apache-2.0

// One compiler while pods elsewhere and addresses of names come and go, alone
// and several at once, and policies change between: what it says after each
// must be what a new one says of that state. CC_SEED and CC_ROUNDS choose other
// changes, and more.

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "ciliumcore/policy/compiler.h"
#include "gtest/gtest.h"
#include "tests/oracle/random_cluster.h"
#include "tests/oracle/rounds.h"
#include "tests/oracle/same_policy.h"

namespace ciliumcore::testing {
namespace {

constexpr uint32_t kEditsPerCluster = 100;

std::vector<NameAddress> NamesOf(const PolicyInput& input) {
  std::vector<NameAddress> names;
  for (const ResolvedName& resolved : input.names) {
    for (const IpAddress& address : resolved.addresses) {
      names.push_back({resolved.name, address});
    }
  }
  return names;
}

// A random cluster of which half of the pods are elsewhere, but for those that
// are away.
class Cluster {
 public:
  Cluster(uint64_t seed, const Extent& most)
      : random_(seed, seed % 2 == 0 ? Dialects::kAll : Dialects::kNetworkPolicy,
                most),
        all_(random_.Make()) {}

  void Change() {
    if (random_.Chance(30)) return random_.Change(all_);
    for (uint32_t i = random_.OneOf<uint32_t>({1, 1, 1, 2, 5}); i > 0; --i) {
      const uint32_t pod = random_.OneOf(random_.pods());
      if (away_.erase(pod) == 0) away_.insert(pod);
      const std::vector<NameAddress> names = NamesOf(all_);
      if (names.empty()) continue;
      const NameAddress& name = random_.OneOf(names);
      if (forgotten_.erase(name) == 0) forgotten_.insert(name);
    }
  }

  PolicyInput Here() const {
    PolicyInput here = all_;
    here.endpoints.clear();
    here.names.clear();
    for (const NameAddress& name : NamesOf(all_)) {
      if (forgotten_.contains(name)) continue;
      here.names.push_back({name.name, {name.address}});
    }
    for (size_t i = 0; i < all_.endpoints.size(); ++i) {
      const PolicyEndpoint& pod = all_.endpoints[i];
      const uint32_t number = random_.pods()[i];
      if (number % 2 == 0 || pod.host_network || pod.addresses.empty()) {
        here.endpoints.push_back(pod);
      } else if (!away_.contains(number)) {
        here.remotes.push_back(pod);
      }
    }
    return here;
  }

 private:
  RandomCluster random_;
  PolicyInput all_;
  std::set<uint32_t> away_;
  std::set<NameAddress> forgotten_;
};

template <typename T>
std::vector<T> Without(const std::vector<T>& some,
                       const std::vector<T>& others) {
  std::vector<T> without;
  std::copy_if(
      some.begin(), some.end(), std::back_inserter(without), [&](const T& one) {
        return std::find(others.begin(), others.end(), one) == others.end();
      });
  return without;
}

// How many changes were of which kind, and what became of tables.
struct Seen {
  uint64_t of_remotes = 0, of_names = 0, of_policies = 0, others = 0;
  uint64_t kept = 0, tables = 0;
};

// A cluster for each of `rounds`, of at most this extent.
void CompareEveryChange(const Rounds& rounds, const Extent& most, Seen& seen) {
  auto& [of_remotes, of_names, of_policies, others, kept, tables] = seen;
  for (uint64_t seed = rounds.first; seed < rounds.end; ++seed) {
    Cluster cluster(seed, most);
    PeerRegistry peers;
    RuleSetTable rule_sets;
    PolicyCompiler compiler(&peers, &rule_sets);
    PolicyInput before = cluster.Here();
    absl::StatusOr<CompiledPolicy> compiled = compiler.Compile(before);
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    for (uint32_t edit = 0; edit < kEditsPerCluster; ++edit) {
      SCOPED_TRACE(::testing::Message()
                   << "CC_SEED=" << seed << ", edit " << edit);
      cluster.Change();
      const PolicyInput after = cluster.Here();
      const RemoteChange change = {
          .gone = Without(before.remotes, after.remotes),
          .come = Without(after.remotes, before.remotes)};
      const CompiledPolicy old = *std::move(compiled);
      const NameChanges renaming = {
          .gone = Without(NamesOf(before), NamesOf(after)),
          .come = Without(NamesOf(after), NamesOf(before))};
      PolicyInput moved = before;
      moved.remotes = after.remotes;
      moved.names = after.names;
      PolicyInput rewritten = before;
      static_cast<Policies&>(rewritten) = after;
      if (moved == after) {
        compiled = compiler.Recompile(change, renaming);
        of_remotes += !change.empty();
        of_names += !renaming.empty();
        for (const TableRef& table : compiled->tables) {
          ++tables;
          kept += std::count(old.tables.begin(), old.tables.end(), table);
        }
      } else if (rewritten == after) {
        compiled = compiler.Recompile(after);
        ++of_policies;
      } else {
        compiled = compiler.Compile(after);
        ++others;
      }
      ASSERT_TRUE(compiled.ok()) << compiled.status();
      const auto full = Compile(after, peers, rule_sets);
      ASSERT_TRUE(full.ok()) << full.status();
      ASSERT_NO_FATAL_FAILURE(ExpectSame(*compiled, *full));
      before = after;
    }
  }
  ::testing::Test::RecordProperty("changes_of_remotes",
                                  std::to_string(of_remotes));
  ::testing::Test::RecordProperty("changes_of_policies",
                                  std::to_string(of_policies));
}

TEST(IncrementalRemotesTest, EveryChangeGivesWhatANewCompilerGives) {
  const Rounds rounds = RoundsOr(120);
  Seen seen;
  ASSERT_NO_FATAL_FAILURE(CompareEveryChange(rounds, {}, seen));
  if (rounds.are_few()) return;
  EXPECT_GT(seen.of_remotes, seen.others);
  EXPECT_GT(seen.of_names * 5, seen.others);
  EXPECT_GT(seen.of_policies, 0u);
  EXPECT_GT(seen.kept * 4, seen.tables) << "hardly any table was kept";
  EXPECT_LT(seen.kept, seen.tables) << "no table changed";
}

TEST(IncrementalRemotesTest,
     EveryChangeOfASmallClusterGivesWhatANewCompilerGives) {
  const Rounds rounds = RoundsOr(180);
  Seen seen;
  ASSERT_NO_FATAL_FAILURE(CompareEveryChange(rounds, kSmallExtent, seen));
  if (rounds.are_few()) return;
  EXPECT_GT(seen.of_remotes, 0u);
  EXPECT_GT(seen.of_names, 0u);
}

}  // namespace
}  // namespace ciliumcore::testing
