// SPDX-License-Identifier: Apache-2.0

// Diff against the oracle's judgement of both sides, pair by pair and port by
// port.

#include "ciliumcore/policy/diff.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/oracle/oracle.h"
#include "tests/oracle/oracle_cluster.h"
#include "tests/oracle/random_cluster.h"
#include "tests/oracle/rounds.h"
#include "tests/oracle/small_policies.h"

namespace ciliumcore::testing {
namespace {

// What becomes of one port of one pair, in words, and for how many addresses.
using Fates = std::map<std::string, uint64_t>;
// By source, destination (names of pods or addresses) and port.
using Fate = std::map<std::tuple<std::string, std::string, uint32_t>, Fates>;

struct Point {
  Protocol protocol;
  uint16_t port;
  uint32_t key() const { return PortKey(protocol, port); }
};

std::string Words(bool was, bool is, const std::string& before,
                  const std::string& after) {
  const char* kind = was == is ? "other rules" : is ? "opens" : "closes";
  return absl::StrCat(kind, ": ", before, " | ", after);
}

// One side of a comparison: the cluster and what the oracle says of it. Every
// pod is a workload of its own.
class OracleSide {
 public:
  OracleSide(const PolicyInput& input, const std::vector<std::string>& names)
      : cluster_(ClusterOf(input, names)) {}

  void SetPolicies(std::vector<NetworkPolicy> policies) {
    cluster_.policies = std::move(policies);
  }

  // To be called before what is below.
  const CompiledCluster& Compile() {
    absl::StatusOr<CompiledCluster> compiled = CompileCluster(cluster_);
    EXPECT_TRUE(compiled.ok()) << compiled.status();
    compiled_ = *std::move(compiled);
    input_ = std::make_unique<const PolicyInput>(OracleInputOf(cluster_));
    oracle_ = std::make_unique<const Oracle>(*input_);
    ends_.clear();
    for (uint32_t i = 0; i < cluster_.pods.size(); ++i) {
      const Pod& pod = cluster_.pods[i];
      std::vector<FlowEnd>& ends = ends_[pod.ToString()];
      for (const IpAddress& address : pod.addresses)
        ends.push_back({i, address});
      if (ends.empty()) ends.push_back({i, std::nullopt});
    }
    return compiled_;
  }

  const CompiledCluster& compiled() const { return compiled_; }
  // By the name of the pod.
  const std::map<std::string, std::vector<FlowEnd>>& ends() const {
    return ends_;
  }

  // {allowed, why}; "not there" without both ends.
  std::pair<bool, std::string> Judge(const std::optional<FlowEnd>& source,
                                     const std::optional<FlowEnd>& destination,
                                     const Point& point) const {
    if (!source.has_value() || !destination.has_value()) {
      return {false, "not there"};
    }
    const Judgement egress =
        oracle_->Egress(*source, *destination, point.protocol, point.port);
    const Judgement ingress =
        oracle_->Ingress(*source, *destination, point.protocol, point.port);
    const auto why = [](const Judgement& judgement) {
      return judgement.why.has_value() ? judgement.why->ToString() : "nobody";
    };
    return {egress.allowed && ingress.allowed,
            absl::StrCat(why(egress), " / ", why(ingress))};
  }

 private:
  Cluster cluster_;
  CompiledCluster compiled_;
  std::unique_ptr<const PolicyInput> input_;
  std::unique_ptr<const Oracle> oracle_;  // of input_
  std::map<std::string, std::vector<FlowEnd>> ends_;
};

// What `diff` says at `points` between pods, and from or to the addresses of
// `outside`, spelled out.
Fate Spelled(const PolicyDiff& diff, const std::vector<Point>& points,
             const std::vector<IpAddress>& outside) {
  const auto names = [&](uint32_t peer) {
    std::vector<std::string> names;
    if (peer < diff.workloads.size()) {
      names.push_back(diff.workloads[peer].ns + "/" +
                      diff.workloads[peer].name);
      return names;
    }
    const AddressRange& range = diff.ranges[peer - diff.workloads.size()];
    for (const IpAddress& address : outside) {
      if (address.is_v4() == range.first.is_v4() && range.first <= address &&
          address <= range.last) {
        names.push_back(address.ToString());
      }
    }
    return names;
  };
  const auto why = [&](const std::optional<PairDecision>& decision) {
    if (!decision.has_value()) return std::string("not there");
    const auto side = [&](const Cell& cell) {
      const RuleSet* set = diff.FindRuleSet(cell.rule_set);
      return set == nullptr ? "nobody" : set->ToString();
    };
    return absl::StrCat(side(decision->egress), " / ", side(decision->ingress));
  };
  const auto allowed = [](const std::optional<PairDecision>& decision) {
    return decision.has_value() && !decision->denied();
  };
  Fate fate;
  for (const PolicyDiff::Change& change : diff.changes) {
    const bool is_outside = change.source >= diff.workloads.size() ||
                            change.destination >= diff.workloads.size();
    for (const std::string& source : names(change.source)) {
      for (const std::string& destination : names(change.destination)) {
        for (const Point& point : points) {
          for (const PortKeyRange& range : diff.port_sets[change.ports]) {
            if (point.key() < range.first || point.key() > range.last) continue;
            fate[{source, destination, point.key()}]
                [Words(allowed(change.before), allowed(change.after),
                       why(change.before), why(change.after))] +=
                is_outside ? 1 : change.pairs;
          }
        }
      }
    }
  }
  return fate;
}

bool Meet(const FlowEnd& a, const FlowEnd& b) {
  return !a.address.has_value() || !b.address.has_value() ||
         a.address->is_v4() == b.address->is_v4();
}

// The same by the oracle. Pods in `left_out` are.
Fate Expected(const OracleSide& before, const OracleSide& after,
              const std::vector<Point>& points,
              const std::vector<IpAddress>& outside,
              const std::set<std::string>& left_out = {}) {
  using Ends = std::vector<FlowEnd>;
  const auto find = [](const OracleSide& side,
                       const std::string& name) -> const Ends* {
    const auto at = side.ends().find(name);
    return at == side.ends().end() ? nullptr : &at->second;
  };
  std::set<std::string> pods;
  for (const OracleSide* side : {&before, &after}) {
    for (const auto& [name, ends] : side->ends()) {
      if (!left_out.contains(name)) pods.insert(name);
    }
  }
  Fate fate;
  const auto add = [&](const std::string& source,
                       const std::string& destination,
                       const std::optional<FlowEnd>& old_source,
                       const std::optional<FlowEnd>& old_destination,
                       const std::optional<FlowEnd>& new_source,
                       const std::optional<FlowEnd>& new_destination) {
    for (const Point& point : points) {
      const auto [was, old_why] =
          before.Judge(old_source, old_destination, point);
      const auto [is, new_why] =
          after.Judge(new_source, new_destination, point);
      if (was == is && (!was || old_why == new_why)) continue;
      ++fate[{source, destination, point.key()}]
            [Words(was, is, old_why, new_why)];
    }
  };
  for (const std::string& source : pods) {
    const Ends* const old_sources = find(before, source);
    const Ends* const new_sources = find(after, source);
    const auto at = [](const Ends* ends, size_t i) {
      return ends == nullptr ? std::nullopt : std::optional(ends->at(i));
    };
    const size_t count =
        (old_sources != nullptr ? old_sources : new_sources)->size();
    for (const std::string& destination : pods) {
      if (source == destination) continue;
      const Ends* const old_ends = find(before, destination);
      const Ends* const new_ends = find(after, destination);
      const size_t end_count =
          (old_ends != nullptr ? old_ends : new_ends)->size();
      for (size_t i = 0; i < count; ++i) {
        for (size_t j = 0; j < end_count; ++j) {
          const auto from = old_sources != nullptr ? old_sources : new_sources;
          const auto to = old_ends != nullptr ? old_ends : new_ends;
          if (!Meet(from->at(i), to->at(j))) continue;
          add(source, destination, at(old_sources, i), at(old_ends, j),
              at(new_sources, i), at(new_ends, j));
        }
      }
    }
    for (const IpAddress& address : outside) {
      const FlowEnd end = {kNoEndpoint, address};
      add(source, address.ToString(), at(old_sources, 0), end,
          at(new_sources, 0), end);
      add(address.ToString(), source, end, at(old_sources, 0), end,
          at(new_sources, 0));
    }
  }
  return fate;
}

std::string ToString(const Fate& fate) {
  std::string text;
  for (const auto& [where, fates] : fate) {
    for (const auto& [words, count] : fates) {
      absl::StrAppend(&text, std::get<0>(where), " -> ", std::get<1>(where),
                      " ", std::get<2>(where) >> 16, ":",
                      std::get<2>(where) & 0xffff, " ", count, " x ", words,
                      "\n");
    }
  }
  return text;
}

// Every port where a small rule begins or ends, and its neighbours.
std::vector<Point> SmallPoints() {
  std::vector<Point> points = {{Protocol::kAny, 0},
                               {Protocol::kIcmp, 0},
                               {static_cast<Protocol>(5), 65535},
                               {static_cast<Protocol>(7), 0},
                               {static_cast<Protocol>(16), 65535},
                               {static_cast<Protocol>(18), 0},
                               {static_cast<Protocol>(255), 65535}};
  for (Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
    for (uint16_t port : {0, 79, 80, 81, 82, 65535}) {
      points.push_back({protocol, port});
    }
  }
  return points;
}

TEST(DiffAgainstOracleTest, EveryTwoPoliciesOfOneRule) {
  const PolicyInput village = Village();
  const std::vector<std::string> names = {"a", "b", "c"};
  const std::vector<Point> points = SmallPoints();
  std::vector<IpAddress> outside;
  for (const char* text :
       {"9.255.255.255", "10.0.0.4", "10.0.0.255", "10.0.1.0", "fd00::1"}) {
    outside.push_back(*IpAddress::Parse(text));
  }
  std::vector<OracleSide> sides;
  const auto add = [&](std::vector<NetworkPolicy> policies) {
    OracleSide& side = sides.emplace_back(village, names);
    for (NetworkPolicy& policy : policies) policy.name = "p";
    side.SetPolicies(std::move(policies));
    side.Compile();
  };
  add({});
  const std::vector<NetworkPolicyRule> rules = SmallRules();
  for (Direction direction : {Direction::kIngress, Direction::kEgress}) {
    add({PolicyOf({}, direction, {})});
    for (size_t i = 0; i < rules.size(); ++i) {
      add({PolicyOf(i % 3 == 0 ? Only("app", "a") : LabelSelector(), direction,
                    {rules[i]})});
    }
  }
  uint64_t changed = 0;
  for (size_t i = 0; i < sides.size(); ++i) {
    // Every seventh, and each with itself: the oracle is slow.
    for (size_t j = i % 7; j < sides.size(); j += 7) {
      const PolicyDiff diff = Diff(sides[i].compiled(), sides[j].compiled());
      const Fate found = Spelled(diff, points, outside);
      const Fate expected = Expected(sides[i], sides[j], points, outside);
      ASSERT_EQ(ToString(found), ToString(expected)) << i << " and " << j;
      changed += found.size();
    }
  }
  EXPECT_GT(changed, 10000u);
}

TEST(DiffAgainstOracleTest, RandomClustersThatChange) {
  const Rounds rounds = RoundsOr(60);
  uint64_t changed = 0;
  for (uint64_t seed = rounds.first; seed < rounds.end; ++seed) {
    SCOPED_TRACE(::testing::Message() << "CC_SEED=" << seed);
    RandomCluster random(seed);
    PolicyInput input = random.Make();
    const auto names = [&random] {
      std::vector<std::string> names;
      for (uint32_t pod : random.pods())
        names.push_back(absl::StrCat("p", pod));
      return names;
    };
    OracleSide before(input, names());
    before.Compile();
    std::vector<FlowEnd> ends = RandomCluster::EndsOf(input);
    std::vector<PortProtocol> targets = RandomCluster::TargetsOf(input);
    for (int changes = 0; changes < 4; ++changes) random.Change(input);
    OracleSide after(input, names());
    after.Compile();
    for (const FlowEnd& end : RandomCluster::EndsOf(input)) ends.push_back(end);
    for (const PortProtocol& port : RandomCluster::TargetsOf(input)) {
      targets.push_back(port);
    }

    // Where addresses change, another rule says what is compared.
    std::set<std::string> left_out;
    for (const auto& [name, old_ends] : before.ends()) {
      const auto at = after.ends().find(name);
      if (at == after.ends().end()) continue;
      const bool same =
          std::equal(old_ends.begin(), old_ends.end(), at->second.begin(),
                     at->second.end(), [](const FlowEnd& a, const FlowEnd& b) {
                       return a.address == b.address;
                     });
      if (!same) left_out.insert(name);
    }
    std::vector<IpAddress> outside;
    std::vector<Point> points;
    for (int i = 0; i < 6; ++i) {
      const FlowEnd& end = random.OneOf(ends);
      const PortProtocol& target = random.OneOf(targets);
      points.push_back({target.protocol, target.port});
      if (!end.address.has_value()) continue;
      bool is_a_pods = false;
      for (const OracleSide* side : {&before, &after}) {
        for (const Pod& pod : side->compiled().cluster.pods) {
          is_a_pods |= std::count(pod.addresses.begin(), pod.addresses.end(),
                                  *end.address) > 0;
        }
      }
      if (!is_a_pods &&
          std::count(outside.begin(), outside.end(), *end.address) == 0) {
        outside.push_back(*end.address);
      }
    }
    std::set<uint32_t> keys;
    std::erase_if(points, [&keys](const Point& point) {
      return !keys.insert(point.key()).second;
    });

    const PolicyDiff diff = Diff(before.compiled(), after.compiled());
    Fate found = Spelled(diff, points, outside);
    std::erase_if(found, [&](const auto& entry) {
      return left_out.contains(std::get<0>(entry.first)) ||
             left_out.contains(std::get<1>(entry.first));
    });
    const Fate expected = Expected(before, after, points, outside, left_out);
    ASSERT_EQ(ToString(found), ToString(expected));
    changed += found.size();
  }
  if (!rounds.are_few()) {
    EXPECT_GT(changed, 1000u);
  }
}

TEST(DiffAgainstOracleTest, AClusterDiffersInNothingFromItself) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    RandomCluster random(seed);
    const PolicyInput input = random.Make();
    std::vector<std::string> names;
    for (uint32_t pod : random.pods()) names.push_back(absl::StrCat("p", pod));
    OracleSide side(input, names);
    side.Compile();
    const PolicyDiff diff = Diff(side.compiled(), side.compiled());
    EXPECT_TRUE(diff.changes.empty());
    EXPECT_TRUE(diff.lone_pods.empty());
  }
}

}  // namespace
}  // namespace ciliumcore::testing
