// From policies to tables, in four steps: what policies of any dialect come
// down to (lowered), who there is (universe), what each policy matches of it
// (units), and one table for each group of subjects that the same policies
// select.

#include "ciliumcore/policy/compiler.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/policy/lowered_policies_internal.h"
#include "lib/policy/policy_unit_internal.h"
#include "lib/policy/selections_internal.h"
#include "lib/policy/table_cache_internal.h"
#include "lib/policy/universe_internal.h"

namespace ciliumcore {
namespace {

// The table indices of a compilation, and what explains their cells.
class Output {
 public:
  uint32_t IndexOf(const BuiltTable& built) {
    const auto [at, inserted] = index_.try_emplace(
        built.table.get(), static_cast<uint32_t>(out_.tables.size()));
    if (!inserted) return at->second;
    out_.tables.push_back(built.table);
    for (const RuleSetRef& set : built.rule_sets) {
      used_.try_emplace(set->id, set);
    }
    return at->second;
  }

  CompiledPolicy& policy() { return out_; }

  CompiledPolicy Finish() && {
    out_.rule_sets.reserve(used_.size());
    for (auto& [id, set] : used_) out_.rule_sets.push_back(std::move(set));
    std::sort(
        out_.rule_sets.begin(), out_.rule_sets.end(),
        [](const RuleSetRef& a, const RuleSetRef& b) { return a->id < b->id; });
    return std::move(out_);
  }

 private:
  CompiledPolicy out_;
  absl::flat_hash_map<const CompiledTable*, uint32_t> index_;
  absl::flat_hash_map<uint32_t, RuleSetRef> used_;
};

}  // namespace

struct PolicyCompiler::State {
  State(PeerRegistry* peers, RuleSetTable* rule_sets)
      : peers(peers), tables(rule_sets) {}

  absl::StatusOr<CompiledPolicy> Compile(const Policies& policies);
  absl::Status Update();
  absl::StatusOr<uint32_t> TableOf(uint32_t endpoint, Direction direction,
                                   Output& out);

  PeerRegistry* peers;
  std::optional<PolicyInput> input;  // but for its policies
  LoweredPolicies policies;          // refer to `input`
  UniverseNeeds needs;               // of `universe`
  std::optional<Universe> universe;  // of `input`; refers to it
  PolicyUnits units;                 // of `universe`
  TableCache tables;                 // of `units`
  Selections selections;             // of `units`
  // By direction and audience: the index of the table, where ports do not
  // matter.
  std::array<std::vector<uint32_t>, 2> table_of_audience;
};

absl::StatusOr<CompiledPolicy> PolicyCompiler::State::Compile(
    const Policies& wanted) {
  CC_RETURN_IF_ERROR(policies.Update(wanted));
  CC_RETURN_IF_ERROR(Update());
  for (auto& tables_known : table_of_audience) {
    tables_known.assign(selections.size(), kNoTable);
  }
  tables.Begin();
  Output out;
  CompiledPolicy& policy = out.policy();
  policy.peer_map = universe->peer_map;
  policy.endpoints.resize(input->endpoints.size());
  for (uint32_t i = 0; i < policy.endpoints.size(); ++i) {
    if (universe->group_of_endpoint[i] == kNoGroup) continue;
    CompiledEndpoint& endpoint = policy.endpoints[i];
    CC_ASSIGN_OR_RETURN(endpoint.ingress, TableOf(i, Direction::kIngress, out));
    CC_ASSIGN_OR_RETURN(endpoint.egress, TableOf(i, Direction::kEgress, out));
  }
  tables.Sweep();
  return std::move(out).Finish();
}

// Brings the units to the policies, and the universe if these need another.
absl::Status PolicyCompiler::State::Update() {
  UniverseNeeds wanted = NeedsOf(policies.all());
  if (!universe.has_value() || needs != wanted) {
    CC_ASSIGN_OR_RETURN(Universe fresh, MakeUniverse(*input, wanted, *peers));
    universe.emplace(std::move(fresh));
    needs = std::move(wanted);
    units.Reset(*universe, input->namespaces);
    tables.Reset(*universe, units, input->proxies);
    selections = {};
  }
  if (units.Update(policies.all()) || selections.empty()) {
    selections.Update(universe->groups.size(), units);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> PolicyCompiler::State::TableOf(uint32_t endpoint,
                                                        Direction direction,
                                                        Output& out) {
  const uint32_t at = selections.IndexOf(universe->group_of_endpoint[endpoint]);
  uint32_t& known = table_of_audience[static_cast<int>(direction)][at];
  if (known != kNoTable) return known;
  const Audience& audience = selections.at(at);
  // Only ingress rules ask for the subject's own ports.
  const bool ports_matter =
      direction == Direction::kIngress && !audience.ports.empty();
  CC_ASSIGN_OR_RETURN(
      const BuiltTable* built,
      tables.Get(direction, audience.of(direction),
                 ports_matter ? PortsNamed(input->endpoints[endpoint].ports,
                                           audience.ports)
                              : std::vector<NamedPort>()));
  const uint32_t index = out.IndexOf(*built);
  if (!ports_matter) known = index;
  return index;
}

absl::StatusOr<CompiledPolicy> Compile(const PolicyInput& input,
                                       PeerRegistry& peers,
                                       RuleSetTable& rule_sets) {
  return PolicyCompiler(&peers, &rule_sets).Compile(input);
}

PolicyCompiler::PolicyCompiler(PeerRegistry* peers, RuleSetTable* rule_sets)
    : state_(std::make_unique<State>(peers, rule_sets)) {}
PolicyCompiler::PolicyCompiler(PolicyCompiler&&) noexcept = default;
PolicyCompiler::~PolicyCompiler() = default;

absl::StatusOr<CompiledPolicy> PolicyCompiler::Compile(PolicyInput input) {
  state_->universe.reset();
  state_->input = std::move(input);
  state_->policies.Reset(state_->input->services, state_->input->names);
  const Policies policies = std::exchange<Policies>(*state_->input, {});
  return state_->Compile(policies);
}

absl::StatusOr<CompiledPolicy> PolicyCompiler::Recompile(
    const Policies& policies) {
  if (!state_->input.has_value()) {
    return absl::FailedPreconditionError(
        "policies: expected an input to compile them for, found none");
  }
  return state_->Compile(policies);
}

}  // namespace ciliumcore
