// SPDX-License-Identifier: Apache-2.0

// From policies to tables, in three steps: who there is (universe), which peers
// each rule matches (rules, once for all subjects), and one table for each
// group of subjects that the same policies select.

#include "ciliumcore/policy/compiler.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/policy/rule_matcher_internal.h"
#include "lib/policy/table_builder_internal.h"
#include "lib/policy/universe_internal.h"

namespace ciliumcore {
namespace {

constexpr Direction kDirections[] = {Direction::kIngress, Direction::kEgress};

// By name: rules are numbered, and explained, in this order.
absl::StatusOr<std::vector<const NetworkPolicy*>> Sorted(
    const std::vector<NetworkPolicy>& policies) {
  std::vector<const NetworkPolicy*> sorted;
  sorted.reserve(policies.size());
  for (const NetworkPolicy& policy : policies) sorted.push_back(&policy);
  const auto name = [](const NetworkPolicy* policy) {
    return std::tie(policy->ns, policy->name);
  };
  std::sort(sorted.begin(), sorted.end(),
            [&](const auto* a, const auto* b) { return name(a) < name(b); });
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (name(sorted[i]) == name(sorted[i - 1])) {
      return absl::InvalidArgumentError(absl::StrCat(
          "two policies are named ", sorted[i]->ns, "/", sorted[i]->name));
    }
  }
  return sorted;
}

class Compiler {
 public:
  Compiler(const PolicyInput& input, const Universe& universe,
           std::vector<const NetworkPolicy*> policies, RuleSetTable& rule_sets)
      : input_(input),
        universe_(universe),
        policies_(std::move(policies)),
        rule_sets_(rule_sets),
        matcher_(universe, input.namespaces),
        builder_(Numbers(universe), trie_) {}

  absl::StatusOr<CompiledPolicy> Compile() && {
    MatchRules();
    SelectSubjects();
    for (uint32_t i = 0; i < input_.endpoints.size(); ++i) {
      CompiledEndpoint& endpoint = out_.endpoints.emplace_back();
      for (uint32_t peer : universe_.peers_of_endpoint[i]) {
        endpoint.peers.push_back(universe_.peers[peer]->number);
      }
      if (universe_.group_of_endpoint[i] == kNoGroup) continue;
      endpoint.ingress = TableOf(i, Direction::kIngress);
      endpoint.egress = TableOf(i, Direction::kEgress);
    }
    CC_RETURN_IF_ERROR(status_);
    DescribePeers();
    for (auto& [id, set] : used_) out_.rule_sets.push_back(std::move(set));
    return std::move(out_);
  }

 private:
  // Where the rules of a policy's direction lie in rules_.
  struct Section {
    uint32_t begin = 0;
    uint32_t end = 0;
    PortNames names;
  };

  using Policies = std::vector<uint32_t>;  // indices in policies_
  using SubjectKey = std::tuple<Direction, Policies, std::vector<NamedPort>>;

  static std::vector<uint32_t> Numbers(const Universe& universe) {
    std::vector<uint32_t> numbers;
    for (const PeerRef& peer : universe.peers) numbers.push_back(peer->number);
    return numbers;
  }

  void MatchRules() {
    for (const NetworkPolicy* policy : policies_) {
      for (Direction direction : kDirections) {
        const bool ingress = direction == Direction::kIngress;
        Section& section = sections_[ingress ? 0 : 1].emplace_back();
        section.begin = section.end = static_cast<uint32_t>(rules_.size());
        if (!(ingress ? policy->isolates_ingress : policy->isolates_egress)) {
          continue;
        }
        uint32_t index = 0;
        for (const auto& rule : ingress ? policy->ingress : policy->egress) {
          refs_.push_back(
              {"NetworkPolicy", policy->ns, policy->name, direction, index++});
          rules_.push_back(matcher_.Match(rule, policy->ns, direction));
          section.names.insert(rules_.back().names.begin(),
                               rules_.back().names.end());
        }
        section.end = static_cast<uint32_t>(rules_.size());
      }
    }
  }

  void SelectSubjects() {
    for (auto& selected : selected_) selected.resize(universe_.groups.size());
    for (uint32_t i = 0; i < policies_.size(); ++i) {
      const NetworkPolicy& policy = *policies_[i];
      for (uint32_t group :
           universe_.groups.Find(policy.pod_selector, {policy.ns})) {
        if (policy.isolates_ingress) selected_[0][group].push_back(i);
        if (policy.isolates_egress) selected_[1][group].push_back(i);
      }
    }
  }

  uint32_t TableOf(uint32_t endpoint, Direction direction) {
    const int d = static_cast<int>(direction);
    const Policies& policies =
        selected_[d][universe_.group_of_endpoint[endpoint]];
    // Only ingress rules ask for the subject's own ports.
    std::vector<NamedPort> ports;
    if (direction == Direction::kIngress) {
      PortNames names;
      for (uint32_t policy : policies) {
        names.insert(sections_[d][policy].names.begin(),
                     sections_[d][policy].names.end());
      }
      ports = PortsNamed(input_.endpoints[endpoint].ports, names);
    }
    const auto [at, inserted] =
        table_of_subject_.try_emplace(SubjectKey(direction, policies, ports));
    if (inserted) at->second = Add(Build(direction, policies, ports));
    return at->second;
  }

  CompiledTable Build(Direction direction, const Policies& policies,
                      const std::vector<NamedPort>& ports) {
    CompiledTable table;
    if (policies.empty()) {
      table.cells = {Explained(
          Verdict::kAllow, {RuleSet::Kind::kNotIsolated, direction, {}, {}})};
      return table;
    }
    std::deque<std::vector<PortKeyRange>> resolved;
    std::vector<AppliedRule> applied;
    for (uint32_t policy : policies) {
      const Section& section = sections_[static_cast<int>(direction)][policy];
      for (uint32_t i = section.begin; i < section.end; ++i) {
        const MatchedRule& rule = rules_[i];
        const auto* ranges = &rule.ranges;
        if (direction == Direction::kIngress && !rule.names.empty()) {
          ranges = &resolved.emplace_back(WithNamedPorts(rule, ports));
        }
        if (!ranges->empty() && (rule.every_peer || !rule.peers.empty())) {
          applied.push_back(
              {i, ranges, rule.every_peer ? nullptr : &rule.peers});
        }
        for (const MatchedRule::Variant& variant : rule.variants) {
          applied.push_back({i, &variant.ranges, &variant.peers});
        }
      }
    }
    const Cell own_node = Explained(
        Verdict::kAllow, {RuleSet::Kind::kOwnNode, direction, {}, {}});
    Cell deny;
    return builder_.Build(
        applied,
        [&](uint32_t set) {
          if (set != 0) return AllowedBy(direction, set);
          if (deny.rule_set == 0) deny = DefaultDeny(direction, policies);
          return deny;
        },
        own_node);
  }

  Cell AllowedBy(Direction direction, uint32_t set) {
    const auto [at, inserted] = cell_of_set_.try_emplace(set);
    if (!inserted) return at->second;
    RuleSet allowed = {RuleSet::Kind::kRules, direction, {}, {}};
    for (uint32_t rule : trie_.Rules(set)) allowed.rules.push_back(refs_[rule]);
    return at->second = Explained(Verdict::kAllow, std::move(allowed));
  }

  Cell DefaultDeny(Direction direction, const Policies& policies) {
    RuleSet denied = {RuleSet::Kind::kDefaultDeny, direction, {}, {}};
    for (uint32_t policy : policies) {
      denied.policies.push_back(
          {"NetworkPolicy", policies_[policy]->ns, policies_[policy]->name});
    }
    return Explained(Verdict::kDeny, std::move(denied));
  }

  // A cell for which the rule set is kept. On failure status_ is set.
  Cell Explained(Verdict verdict, RuleSet set) {
    absl::StatusOr<RuleSetRef> ref = rule_sets_.Intern(std::move(set));
    if (!ref.ok()) {
      status_.Update(ref.status());
      return {};
    }
    const uint32_t id = (*ref)->id;
    used_.try_emplace(id, *std::move(ref));
    return {verdict, 0, id};
  }

  // The index of an equal table, or of `table` as a new one.
  uint32_t Add(CompiledTable table) {
    std::vector<uint32_t>& alike =
        tables_by_hash_[absl::Hash<CompiledTable>()(table)];
    for (uint32_t other : alike) {
      if (out_.tables[other] == table) return other;
    }
    alike.push_back(static_cast<uint32_t>(out_.tables.size()));
    out_.tables.push_back(std::move(table));
    return alike.back();
  }

  void DescribePeers() {
    out_.addresses = universe_.addresses;
    for (uint32_t cover = 0; cover < universe_.covers.size(); ++cover) {
      const Covers::Node& node = universe_.covers.nodes()[cover];
      const uint32_t world = universe_.world_of_cover[cover];
      out_.prefixes.push_back(
          {node.prefix, universe_.peers[world]->number, node.parent});
    }
    out_.peers = universe_.peers;
    std::sort(out_.peers.begin(), out_.peers.end(),
              [](const PeerRef& a, const PeerRef& b) {
                return a->number < b->number;
              });
  }

  const PolicyInput& input_;
  const Universe& universe_;
  const std::vector<const NetworkPolicy*> policies_;
  RuleSetTable& rule_sets_;
  RuleMatcher matcher_;
  RuleTrie trie_;
  TableBuilder builder_;

  std::vector<RuleRef> refs_;          // by rule number
  std::vector<MatchedRule> rules_;     // by rule number
  std::vector<Section> sections_[2];   // by direction and policy
  std::vector<Policies> selected_[2];  // by direction and group
  absl::flat_hash_map<SubjectKey, uint32_t> table_of_subject_;
  absl::flat_hash_map<size_t, std::vector<uint32_t>> tables_by_hash_;
  absl::flat_hash_map<uint32_t, Cell> cell_of_set_;
  std::map<uint32_t, RuleSetRef> used_;
  absl::Status status_;
  CompiledPolicy out_;
};

}  // namespace

absl::StatusOr<CompiledPolicy> Compile(const PolicyInput& input,
                                       PeerRegistry& peers,
                                       RuleSetTable& rule_sets) {
  CC_ASSIGN_OR_RETURN(auto policies, Sorted(input.policies));
  CC_ASSIGN_OR_RETURN(const Universe universe,
                      MakeUniverse(input, NeedsOf(input.policies), peers));
  return Compiler(input, universe, std::move(policies), rule_sets).Compile();
}

struct PolicyCompiler::State {
  PeerRegistry* peers;
  RuleSetTable* rule_sets;
  std::optional<PolicyInput> input;
  UniverseNeeds needs;               // of `universe`
  std::optional<Universe> universe;  // of `input`; refers to it
};

PolicyCompiler::PolicyCompiler(PeerRegistry* peers, RuleSetTable* rule_sets)
    : state_(std::make_unique<State>(
          State{peers, rule_sets, std::nullopt, {}, std::nullopt})) {}
PolicyCompiler::PolicyCompiler(PolicyCompiler&&) noexcept = default;
PolicyCompiler::~PolicyCompiler() = default;

absl::StatusOr<CompiledPolicy> PolicyCompiler::Compile(PolicyInput input) {
  state_->universe.reset();
  state_->input = std::move(input);
  std::vector<NetworkPolicy> policies = std::move(state_->input->policies);
  return Recompile(std::move(policies));
}

absl::StatusOr<CompiledPolicy> PolicyCompiler::Recompile(
    std::vector<NetworkPolicy> policies) {
  if (!state_->input.has_value()) {
    return absl::FailedPreconditionError(
        "policies: expected an input to compile them for, found none");
  }
  PolicyInput& input = *state_->input;
  input.policies = std::move(policies);
  CC_ASSIGN_OR_RETURN(auto sorted, Sorted(input.policies));
  UniverseNeeds needs = NeedsOf(input.policies);
  if (!state_->universe.has_value() || !(state_->needs == needs)) {
    CC_ASSIGN_OR_RETURN(Universe universe,
                        MakeUniverse(input, needs, *state_->peers));
    state_->universe.emplace(std::move(universe));
    state_->needs = std::move(needs);
  }
  return Compiler(input, *state_->universe, std::move(sorted),
                  *state_->rule_sets)
      .Compile();
}

}  // namespace ciliumcore
