// SPDX-License-Identifier: Apache-2.0

// Why-not against the oracle: what fails is what the oracle denies, the change
// that is proposed allows, and no smaller one does.

#include "ciliumcore/policy/why_not.h"

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "lib/policy/flow_denials_internal.h"
#include "tests/oracle/oracle.h"
#include "tests/oracle/oracle_cluster.h"
#include "tests/oracle/random_cluster.h"
#include "tests/oracle/rounds.h"
#include "tests/oracle/small_policies.h"

namespace ciliumcore::testing {
namespace {

using Edits = std::vector<PolicyEdit>;
using Kind = PolicyEdit::Kind;

// A flow between two ends of FindNamedEnds.
struct NamedFlow {
  NamedEnd source, destination;
  PortProtocol port;
};

FlowEnd EndOf(const NamedEnd& end) {
  return {end.pod.value_or(kNoEndpoint), end.address};
}

bool Allows(const Oracle& oracle, const NamedFlow& flow) {
  const FlowEnd source = EndOf(flow.source);
  const FlowEnd destination = EndOf(flow.destination);
  return oracle.Egress(source, destination, flow.port.protocol, flow.port.port)
             .allowed &&
         oracle.Ingress(source, destination, flow.port.protocol, flow.port.port)
             .allowed;
}

bool AllowsIn(Cluster cluster, const NamedFlow& flow) {
  const PolicyInput input = OracleInputOf(std::move(cluster));
  return Allows(Oracle(input), flow);
}

bool IsLabel(const PolicyEdit& edit) {
  return edit.kind == Kind::kAddPodLabel ||
         edit.kind == Kind::kAddNamespaceLabel;
}

// Every edit of so many conditions that could be of any use to `flow`, the ones
// that add to a policy as wide as can be: what these do not allow, no narrower
// ones do.
Edits WidestEdits(const Cluster& cluster, const NamedFlow& flow,
                  size_t conditions) {
  Edits edits;
  PeerRule pods, v4;
  pods.namespace_selector.emplace();
  v4.ip_block.emplace().cidr = *IpPrefix::Parse("0.0.0.0/0");
  PortRule every;
  every.protocol = flow.port.protocol;
  for (const NetworkPolicy& policy : cluster.policies) {
    for (Direction section : {Direction::kIngress, Direction::kEgress}) {
      const auto& rules =
          section == Direction::kIngress ? policy.ingress : policy.egress;
      RuleRef ref = {"NetworkPolicy", policy.ns, policy.name, section, 0};
      for (const NetworkPolicyRule& rule : rules) {
        if (conditions == 1 && !rule.ports.empty() &&
            flow.port.protocol != Protocol::kIcmp) {
          edits.push_back({Kind::kAddPort, ref, {{}, {every}}});
        }
        if (conditions == 1 && !rule.peers.empty()) {
          edits.push_back({Kind::kAddPeer, ref, {{pods}, {}}});
          edits.push_back({Kind::kAddPeer, ref, {{v4}, {}}});
        }
        ++ref.index;
      }
      if (conditions == 2) edits.push_back({Kind::kAddRule, ref, {}});
    }
  }
  if (conditions != 1) return edits;
  for (const Pod& pod : cluster.pods) {
    for (const char* key : {"app", "far", "tier"}) {
      for (const char* value : {"a", "x", "yes", "true", "else"}) {
        if (pod.labels.Get(key) != nullptr) continue;
        edits.push_back({.kind = Kind::kAddPodLabel,
                         .ns = pod.ns,
                         .owner_kind = pod.owner_kind,
                         .owner_name = pod.owner_name,
                         .key = key,
                         .value = value});
      }
    }
  }
  for (const auto& [name, ns] : cluster.namespaces) {
    for (const auto& [key, value] :
         {std::pair("far", "yes"), std::pair("far", "else"),
          std::pair("tier", "x")}) {
      if (ns.labels.Get(key) != nullptr) continue;
      edits.push_back({.kind = Kind::kAddNamespaceLabel,
                       .ns = name,
                       .key = key,
                       .value = value});
    }
  }
  return edits;
}

// Whether some set of `conditions` edits of WidestEdits allows the flow; of
// labels at most two.
std::optional<Edits> FindWidest(const Cluster& cluster, const NamedFlow& flow,
                                size_t conditions) {
  const Edits singles = WidestEdits(cluster, flow, 1);
  const Edits rules = WidestEdits(cluster, flow, 2);
  std::vector<Edits> sets = {{}};
  std::vector<std::pair<size_t, Edits>> unfinished = {{0, {}}};
  // Singles in ascending order, behind at most one rule.
  for (const PolicyEdit& rule : rules) unfinished.push_back({0, {rule}});
  while (!unfinished.empty()) {
    const auto [from, edits] = std::move(unfinished.back());
    unfinished.pop_back();
    size_t sum = 0, labels = 0;
    for (const PolicyEdit& edit : edits) {
      sum += edit.conditions();
      labels += IsLabel(edit);
    }
    if (sum > conditions || labels > 2) continue;
    if (sum == conditions) {
      absl::StatusOr<Cluster> edited = Apply(cluster, edits);
      if (edited.ok() && AllowsIn(*std::move(edited), flow)) return edits;
      continue;
    }
    for (size_t i = from; i < singles.size(); ++i) {
      Edits more = edits;
      more.push_back(singles[i]);
      unfinished.push_back({i + 1, std::move(more)});
    }
  }
  return std::nullopt;
}

std::string ToString(const Edits& edits) {
  return absl::StrJoin(edits, "; ",
                       [](std::string* out, const PolicyEdit& edit) {
                         out->append(edit.ToString());
                       });
}

class WhyNotAgainstOracleTest : public ::testing::Test {
 protected:
  WhyNotAgainstOracleTest() : cluster_(ClusterOf(Village(), {"a", "b", "c"})) {}

  // Asks about every `stride`th flow of a cluster with these policies.
  void Check(std::vector<NetworkPolicy> policies, size_t stride) {
    for (size_t i = 0; i < policies.size(); ++i) {
      policies[i].name = std::string(1, static_cast<char>('p' + i));
    }
    cluster_.policies = std::move(policies);
    const absl::StatusOr<CompiledCluster> compiled = CompileCluster(cluster_);
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    const PolicyInput input = OracleInputOf(compiled->cluster);
    const Oracle oracle(input);
    std::vector<NamedEnd> ends;
    for (const char* name : {"x/a", "x/b", "y/c", "10.0.0.9", "192.0.2.1"}) {
      ends.push_back(FindNamedEnds(*compiled, name)->front());
    }
    for (const NamedEnd& source : ends) {
      for (const NamedEnd& destination : ends) {
        if (!source.pod.has_value() && !destination.pod.has_value()) continue;
        if (source.pod == destination.pod) continue;
        for (const char* port : {"80/TCP", "82/TCP", "80/UDP", "0/ICMP"}) {
          if (asked_++ % stride != 0) continue;
          ASSERT_NO_FATAL_FAILURE(
              Ask(*compiled, oracle,
                  {source, destination, *PortProtocol::Parse(port)}));
        }
      }
    }
  }

  void Ask(const CompiledCluster& compiled, const Oracle& oracle,
           const NamedFlow& flow) {
    SCOPED_TRACE(absl::StrCat(flow.source.Name(), " -> ",
                              flow.destination.Name(), " ",
                              flow.port.ToString(), " #", asked_));
    const absl::StatusOr<WhyNot> why =
        ExplainDenial(compiled, flow.source, flow.destination, flow.port);
    ASSERT_TRUE(why.ok()) << why.status();
    const bool is_allowed = Allows(oracle, flow);
    ASSERT_EQ(why->sides.empty(), is_allowed);
    for (const DeniedSide& side : why->sides) {
      ASSERT_FALSE(side.isolated_by.empty());
      for (const NearRule& near : side.rules) {
        ASSERT_FALSE(near.failed.empty()) << near.rule.ToString();
      }
    }
    const absl::StatusOr<AllowingChange> change =
        FindAllowingChange(compiled, flow.source, flow.destination, flow.port);
    if (is_allowed) {
      ASSERT_EQ(change.status().code(), absl::StatusCode::kFailedPrecondition);
      return;
    }
    ASSERT_TRUE(change.ok()) << change.status();
    absl::StatusOr<Cluster> edited = Apply(compiled.cluster, change->edits);
    ASSERT_TRUE(edited.ok()) << edited.status();
    ASSERT_TRUE(AllowsIn(*std::move(edited), flow)) << ToString(change->edits);
    ++by_conditions_[change->conditions];
    for (size_t fewer = 1; fewer < change->conditions; ++fewer) {
      const std::optional<Edits> smaller =
          FindWidest(compiled.cluster, flow, fewer);
      ASSERT_FALSE(smaller.has_value())
          << ToString(*smaller) << "\ninstead of\n"
          << ToString(change->edits);
    }
  }

  Cluster cluster_;
  size_t asked_ = 0;
  size_t by_conditions_[5] = {};
};

std::vector<NetworkPolicyRule> RulesOfLabels() {
  PeerRule tier, no_tier, far;
  tier.pod_selector = Only("tier", "x");
  no_tier.pod_selector.emplace().match_expressions = {
      {"tier", LabelSelector::Operator::kExists, {}}};
  far.namespace_selector = Only("far", "yes");
  far.pod_selector = Only("tier", "x");
  PortRule port;
  port.port = 80;
  return {{{tier}, {}}, {{no_tier}, {port}}, {{far}, {port}}, {{tier}, {port}}};
}

TEST_F(WhyNotAgainstOracleTest, EveryPolicyOfARule) {
  for (Direction direction : {Direction::kIngress, Direction::kEgress}) {
    ASSERT_NO_FATAL_FAILURE(Check({PolicyOf({}, direction, {})}, 1));
    for (const NetworkPolicyRule& rule : SmallRules()) {
      ASSERT_NO_FATAL_FAILURE(Check({PolicyOf({}, direction, {rule})}, 5));
    }
  }
  EXPECT_GT(by_conditions_[1], 20u);
  EXPECT_GT(by_conditions_[2], 20u);
}

TEST_F(WhyNotAgainstOracleTest, ARuleForEachDirection) {
  const std::vector<NetworkPolicyRule> rules = SmallRules();
  for (size_t i = 0; i < rules.size(); i += 3) {
    for (size_t j = i % 5; j < rules.size(); j += 5) {
      ASSERT_NO_FATAL_FAILURE(
          Check({PolicyOf({}, Direction::kIngress, {rules[i]}),
                 PolicyOf(Only("app", "a"), Direction::kEgress, {rules[j]})},
                7));
    }
  }
  EXPECT_GT(by_conditions_[3], 5u);
  EXPECT_GT(by_conditions_[4], 0u);
}

TEST_F(WhyNotAgainstOracleTest, LabelsOfPeersAndOfSubjects) {
  LabelSelector no_tier;
  no_tier.match_expressions = {
      {"tier", LabelSelector::Operator::kDoesNotExist, {}}};
  for (Direction direction : {Direction::kIngress, Direction::kEgress}) {
    for (const NetworkPolicyRule& rule : RulesOfLabels()) {
      for (const LabelSelector& subject :
           {LabelSelector(), Only("tier", "x"), no_tier}) {
        ASSERT_NO_FATAL_FAILURE(Check(
            {PolicyOf({}, direction, {}), PolicyOf(subject, direction, {rule})},
            3));
        ASSERT_NO_FATAL_FAILURE(
            Check({PolicyOf(subject, direction, {rule})}, 3));
      }
    }
  }
  EXPECT_GT(by_conditions_[1], 20u);
  EXPECT_GT(by_conditions_[2], 20u);
}

// Every single edit of a policy that could allow `flow`, as narrow as it can be
// written.
Edits NarrowestEdits(const Cluster& cluster, const NamedFlow& flow,
                     size_t conditions) {
  PortRule port;
  port.protocol = flow.port.protocol;
  port.port = flow.port.port;
  std::vector<PeerRule> peers(2);
  const Pod& source = cluster.pods[*flow.source.pod];
  peers[0].namespace_selector =
      Only(std::string(kNamespaceNameLabel), source.ns);
  peers[0].pod_selector = Only("app", *source.labels.Get("app"));
  peers[1].ip_block.emplace().cidr = IpPrefix::Of(source.addresses.front(), 32);
  Edits edits;
  for (const NetworkPolicy& policy : cluster.policies) {
    RuleRef ref = {"NetworkPolicy", policy.ns, policy.name, Direction::kIngress,
                   0};
    for (const NetworkPolicyRule& rule : policy.ingress) {
      if (conditions == 1 && !rule.ports.empty()) {
        edits.push_back({Kind::kAddPort, ref, {{}, {port}}});
      }
      for (const PeerRule& peer : peers) {
        if (conditions != 1 || rule.peers.empty()) continue;
        edits.push_back({Kind::kAddPeer, ref, {{peer}, {}}});
      }
      ++ref.index;
    }
    for (const PeerRule& peer : peers) {
      if (conditions != 2) continue;
      edits.push_back({Kind::kAddRule, ref, {{peer}, {port}}});
    }
  }
  return edits;
}

TEST_F(WhyNotAgainstOracleTest, OfEqualsTheOneThatOpensLeast) {
  size_t as_good = 0, worse = 0;
  const std::vector<NetworkPolicyRule> rules = SmallRules();
  for (size_t i = 0; i < rules.size(); ++i) {
    for (size_t j = i % 3; j < rules.size(); j += 3) {
      // Of two policies for as many pods, one for fewer, and one of a rule.
      cluster_.policies = {
          PolicyOf({}, Direction::kIngress, {rules[i], RulesOfLabels()[3]}),
          PolicyOf({}, Direction::kIngress, {rules[j]}),
          PolicyOf(Only("app", "a"), Direction::kIngress, {rules[j]})};
      for (size_t k = 0; k < cluster_.policies.size(); ++k) {
        cluster_.policies[k].name = std::string(1, static_cast<char>('p' + k));
      }
      const CompiledCluster compiled = *CompileCluster(cluster_);
      const NamedFlow flow = {FindNamedEnds(compiled, "y/c")->front(),
                              FindNamedEnds(compiled, "x/a")->front(),
                              *PortProtocol::Parse("82/TCP")};
      const absl::StatusOr<AllowingChange> change = FindAllowingChange(
          compiled, flow.source, flow.destination, flow.port);
      if (!change.ok()) continue;
      for (const PolicyEdit& edit :
           NarrowestEdits(cluster_, flow, change->conditions)) {
        const absl::StatusOr<Cluster> edited = Apply(cluster_, {edit});
        ASSERT_TRUE(edited.ok()) << edited.status();
        if (!AllowsIn(*edited, flow)) continue;
        const PolicyDiff diff = Diff(compiled, *CompileCluster(*edited));
        ASSERT_GT(diff.opened.pairs, 0u);
        ASSERT_GT(diff.opened.ports, 0u);
        // Without the flow itself, where it can be counted.
        const auto beside = [](uint64_t opened) {
          return opened == std::numeric_limits<uint64_t>::max() ? opened
                                                                : opened - 1;
        };
        const std::pair rival(beside(diff.opened.pairs),
                              beside(diff.opened.ports));
        const std::pair found(change->opened_beside.pairs,
                              change->opened_beside.ports);
        EXPECT_GE(rival, found) << edit.ToString() << "\ninstead of\n"
                                << ToString(change->edits);
        (rival == found ? as_good : worse) += 1;
      }
    }
  }
  // Where all rivals open much more, nothing is compared.
  EXPECT_GT(as_good, 100u);
  EXPECT_GT(worse, 100u);
}

TEST(RelabelledFlowTest, TheEndsAreJudgedAsInTheWholeCluster) {
  const Rounds rounds = RoundsOr(300);
  size_t by_default = 0, by_rules = 0;
  for (uint64_t seed = rounds.first; seed < rounds.end; ++seed) {
    SCOPED_TRACE(::testing::Message() << "CC_SEED=" << seed);
    RandomCluster random(seed, Dialects::kAll);
    const PolicyInput input = random.Make();
    std::vector<std::string> names;
    for (uint32_t pod : random.pods()) names.push_back(absl::StrCat("p", pod));
    const absl::StatusOr<CompiledCluster> compiled =
        CompileCluster(ClusterOf(input, names));
    // Such as two proxies for one flow.
    if (!compiled.ok()) continue;
    std::vector<NamedEnd> ends;
    for (const Pod& pod : compiled->cluster.pods) {
      const std::vector<NamedEnd> of_pod =
          *FindNamedEnds(*compiled, pod.ToString());
      ends.insert(ends.end(), of_pod.begin(), of_pod.end());
    }
    for (const FlowEnd& end : RandomCluster::EndsOf(input)) {
      if (end.endpoint != kNoEndpoint || !end.address.has_value()) continue;
      ends.push_back(
          FindNamedEnds(*compiled, end.address->ToString())->front());
    }
    const std::vector<PortProtocol> targets = RandomCluster::TargetsOf(input);
    for (int i = 0; i < 60; ++i) {
      const NamedEnd& source = random.OneOf(ends);
      const NamedEnd& destination = random.OneOf(ends);
      const PortProtocol& port = random.OneOf(targets);
      if ((!source.pod.has_value() && !destination.pod.has_value()) ||
          source.pod == destination.pod || !MayMeet(source, destination) ||
          !PolicyPortOf(port).ok()) {
        continue;
      }
      const Denials expected = DenialsOf(
          compiled->policy, DecideFlow(*compiled, source, destination, port));
      const std::optional<Denials> found =
          RelabelledFlow(compiled->cluster, source, destination, port)
              .DenialsWith({});
      ASSERT_TRUE(found.has_value());
      ASSERT_TRUE(*found == expected)
          << source.ToString() << " -> " << destination.ToString() << " "
          << port.ToString();
      for (Denial denial : {expected.egress, expected.ingress}) {
        by_default += denial == Denial::kByDefault;
        by_rules += denial == Denial::kByRules;
      }
    }
  }
  if (rounds.are_few()) return;
  EXPECT_GT(by_default, 300u);
  EXPECT_GT(by_rules, 3u);
}

}  // namespace
}  // namespace ciliumcore::testing
