// From policies to tables, in four steps: what policies of any dialect come
// down to (lowered), who there is (universe), what each policy matches of it
// (units), and one table for each group of subjects that the same policies
// select.

#include "ciliumcore/policy/compiler.h"

#include <array>
#include <map>
#include <memory>
#include <optional>
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
#include "lib/policy/used_rule_sets_internal.h"

namespace ciliumcore {
namespace {

// The tables of a compilation by index: each once.
class Output {
 public:
  uint32_t IndexOf(const BuiltTable& built) {
    const auto [at, inserted] = index_.try_emplace(
        built.table.get(), static_cast<uint32_t>(tables_.size()));
    if (inserted) tables_.push_back(&built);
    return at->second;
  }

  const std::vector<const BuiltTable*>& tables() const { return tables_; }

 private:
  std::vector<const BuiltTable*> tables_;
  absl::flat_hash_map<const CompiledTable*, uint32_t> index_;
};

}  // namespace

struct PolicyCompiler::State {
  State(PeerRegistry* peers, RuleSetTable* rule_sets)
      : peers(peers), tables(rule_sets) {}

  absl::StatusOr<CompiledPolicy> Compile(const Policies& policies);
  absl::StatusOr<CompiledPolicy> Compile(const RemoteChange& change,
                                         const NameChanges& renaming);
  absl::StatusOr<RemoteRef> AddRemote(PolicyEndpoint remote);
  absl::Status Update();
  absl::Status FindTables();
  absl::StatusOr<const BuiltTable*> TableOf(uint32_t endpoint,
                                            Direction direction);
  CompiledPolicy Collected();

  PeerRegistry* peers;
  std::optional<PolicyInput> input;        // but for its policies and remotes
  std::map<IpAddress, RemoteRef> remotes;  // by first address
  NamesOfAddresses names;
  LoweredPolicies policies;            // refer to `input`
  UniverseNeeds needs;                 // of `universe`
  std::unique_ptr<Universe> universe;  // of `input`; refers to it
  PolicyUnits units;                   // of `universe`
  TableCache tables;                   // of `units`
  Selections selections;               // of `units`
  // By direction and audience: the table, where ports do not matter.
  std::array<std::vector<const BuiltTable*>, 2> table_of_audience;
  // By endpoint and direction; null in the host's network.
  std::vector<std::array<const BuiltTable*, 2>> table_of_endpoint;
  UsedRuleSets used;
  bool is_compiled = false;  // the tables are of `policies` and `universe`
};

absl::StatusOr<CompiledPolicy> PolicyCompiler::State::Compile(
    const Policies& wanted) {
  is_compiled = false;
  CC_RETURN_IF_ERROR(policies.Update(wanted));
  CC_RETURN_IF_ERROR(Update());
  tables.Begin();
  CC_RETURN_IF_ERROR(FindTables());
  tables.Sweep();
  is_compiled = true;
  return Collected();
}

absl::StatusOr<CompiledPolicy> PolicyCompiler::State::Compile(
    const RemoteChange& change, const NameChanges& renaming) {
  std::vector<RemoteRef> gone, come;
  for (const PolicyEndpoint& remote : change.gone) {
    const auto known = remote.addresses.empty()
                           ? remotes.end()
                           : remotes.find(remote.addresses.front());
    if (known == remotes.end() || *known->second != remote) {
      return absl::NotFoundError(absl::StrCat(
          "no remote like that of the identity ", IdentityName(remote.identity),
          " in namespace ", remote.ns));
    }
    gone.push_back(std::move(known->second));
    remotes.erase(known);
  }
  for (const PolicyEndpoint& remote : change.come) {
    CC_ASSIGN_OR_RETURN(come.emplace_back(), AddRemote(remote));
  }
  std::vector<IpAddress> renamed;
  for (const auto& [name, address] : renaming.gone) {
    const auto known = names.find(address);
    if (known == names.end() || known->second.erase(name) == 0) continue;
    if (known->second.empty()) names.erase(known);
    renamed.push_back(address);
  }
  for (const auto& [name, address] : renaming.come) {
    if (names[address].insert(name).second) renamed.push_back(address);
  }
  CC_ASSIGN_OR_RETURN(const PeerChanges changes,
                      universe->Change(gone, come, renamed));
  CC_RETURN_IF_ERROR(tables.Change(changes, units.Change(changes)));
  return Collected();
}

absl::StatusOr<RemoteRef> PolicyCompiler::State::AddRemote(
    PolicyEndpoint remote) {
  if (remote.host_network || remote.addresses.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a remote of namespace ", remote.ns,
        remote.host_network
            ? ": expected one outside the host's network, found one in it"
            : ": expected an address, found none"));
  }
  RemoteRef& known = remotes[remote.addresses.front()];
  if (known != nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("address ", remote.addresses.front().ToString(),
                     " belongs to two remotes"));
  }
  return known = std::make_shared<const PolicyEndpoint>(std::move(remote));
}

// Brings the units to the policies, and the universe if these need another.
absl::Status PolicyCompiler::State::Update() {
  UniverseNeeds wanted = NeedsOf(policies.all());
  if (universe == nullptr || needs != wanted) {
    std::vector<RemoteRef> all;
    for (const auto& [first, remote] : remotes) all.push_back(remote);
    CC_ASSIGN_OR_RETURN(universe,
                        Universe::Make(*input, all, names, wanted, *peers));
    needs = std::move(wanted);
    units.Reset(*universe, input->namespaces);
    tables.Reset(*universe, units, input->proxies);
    selections = {};
  }
  if (units.Update(policies.all()) || selections.empty()) {
    selections.Update(universe->subject_groups(), units);
  }
  return absl::OkStatus();
}

absl::Status PolicyCompiler::State::FindTables() {
  for (auto& known : table_of_audience) {
    known.assign(selections.size(), nullptr);
  }
  table_of_endpoint.assign(input->endpoints.size(), {nullptr, nullptr});
  for (uint32_t i = 0; i < table_of_endpoint.size(); ++i) {
    if (universe->GroupOfEndpoint(i) == kNoGroup) continue;
    for (Direction direction : kDirections) {
      CC_ASSIGN_OR_RETURN(table_of_endpoint[i][static_cast<int>(direction)],
                          TableOf(i, direction));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<const BuiltTable*> PolicyCompiler::State::TableOf(
    uint32_t endpoint, Direction direction) {
  const uint32_t at = selections.IndexOf(universe->GroupOfEndpoint(endpoint));
  const BuiltTable*& known = table_of_audience[static_cast<int>(direction)][at];
  if (known != nullptr) return known;
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
  if (!ports_matter) known = built;
  return built;
}

CompiledPolicy PolicyCompiler::State::Collected() {
  CompiledPolicy policy;
  policy.peer_map = universe->peer_map();
  policy.endpoints.resize(table_of_endpoint.size());
  Output out;
  for (uint32_t i = 0; i < table_of_endpoint.size(); ++i) {
    const auto& [ingress, egress] = table_of_endpoint[i];
    if (ingress != nullptr) policy.endpoints[i].ingress = out.IndexOf(*ingress);
    if (egress != nullptr) policy.endpoints[i].egress = out.IndexOf(*egress);
  }
  policy.tables.reserve(out.tables().size());
  for (const BuiltTable* built : out.tables()) {
    policy.tables.push_back(built->table);
  }
  used.Set(out.tables());
  policy.rule_sets = used.sets();
  return policy;
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
  state_->is_compiled = false;
  state_->universe = nullptr;
  state_->input.reset();
  state_->remotes.clear();
  for (PolicyEndpoint& remote : input.remotes) {
    CC_RETURN_IF_ERROR(state_->AddRemote(std::move(remote)).status());
  }
  input.remotes.clear();
  state_->names.clear();
  for (const ResolvedName& resolved : input.names) {
    for (const IpAddress& address : resolved.addresses) {
      state_->names[address].insert(resolved.name);
    }
  }
  input.names.clear();
  state_->input = std::move(input);
  state_->policies.Reset(state_->input->services);
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

absl::StatusOr<CompiledPolicy> PolicyCompiler::Recompile(
    const RemoteChange& remotes, const NameChanges& names) {
  if (!state_->input.has_value() || !state_->is_compiled) {
    return absl::FailedPreconditionError(absl::StrCat(
        "remotes: expected an input that they are of, found ",
        state_->input.has_value() ? "one that did not compile" : "none"));
  }
  absl::StatusOr<CompiledPolicy> compiled = state_->Compile(remotes, names);
  if (!compiled.ok()) {
    state_->is_compiled = false;
    state_->universe = nullptr;
    state_->input.reset();
  }
  return compiled;
}

}  // namespace ciliumcore
