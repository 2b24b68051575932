// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/planner_internal.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {
namespace {

// Policies kept for events that come after their end.
constexpr size_t kPoliciesKept = 16;

}  // namespace

absl::StatusOr<Intent> Planner::Edited(const std::vector<Edit>& edits) const {
  Intent next = intent_;
  next.touched.clear();
  for (const Edit& edit : edits) CC_RETURN_IF_ERROR(edit(next));
  CC_RETURN_IF_ERROR(owners_.Check(intent_, next));
  return next;
}

absl::StatusOr<Planner::Plan> Planner::Compiled(
    Intent intent, std::shared_ptr<const Surroundings> surroundings) {
  CC_ASSIGN_OR_RETURN(std::shared_ptr<const CompiledPolicy> compiled,
                      CompiledPolicyOf(intent, *surroundings));
  DesiredState desired = DesiredStateOf(
      intent, NodesOf(intent, std::move(surroundings), compiled->peer_map),
      *compiled);
  return Plan{std::move(intent), std::move(compiled), std::move(desired)};
}

absl::StatusOr<std::shared_ptr<const CompiledPolicy>> Planner::CompiledPolicyOf(
    const Intent& intent, const Surroundings& surroundings) {
  const bool has_same_nodes = input_of_.has_value() &&
                              input_of_->endpoints.IsSameAs(intent.endpoints) &&
                              input_of_->namespaces == intent.namespaces &&
                              input_of_->context.IsSameAs(intent.context) &&
                              host_addresses_of_ == surroundings.host_addresses;
  const bool has_same_remotes = has_same_nodes &&
                                input_of_->remotes.IsSameAs(intent.remotes) &&
                                input_of_->names.IsSameAs(intent.names);
  const bool has_same_policies = has_same_nodes && compiled_ != nullptr &&
                                 input_of_->policies.IsSameAs(intent.policies);
  if (has_same_remotes && has_same_policies) return compiled_;
  std::optional<PeersChange> change;
  if (has_same_policies) change = ChangeOf(intent);

  compiled_ = nullptr;
  input_of_ = {.endpoints = intent.endpoints,
               .touched = {},
               .remotes = intent.remotes,
               .services = {},
               .unhealthy = {},
               .served = {},
               .policies = intent.policies,
               .context = intent.context,
               .names = intent.names,
               .namespaces = intent.namespaces};
  host_addresses_of_ = surroundings.host_addresses;
  absl::StatusOr<CompiledPolicy> compiled =
      change.has_value() ? compiler_.Recompile(change->remotes, change->names)
      : has_same_remotes ? compiler_.Recompile(*intent.policies)
                         : compiler_.Compile(InputOf(intent, surroundings));
  if (!compiled.ok()) {
    if (!has_same_remotes) input_of_.reset();
    return compiled.status();
  }
  return compiled_ =
             std::make_shared<const CompiledPolicy>(*std::move(compiled));
}

PolicyInput Planner::InputOf(const Intent& intent,
                             const Surroundings& surroundings) {
  PolicyInput input = PolicyInputOf(intent, surroundings);
  namespaces_of_.clear();
  for (const Namespace& ns : input.namespaces) namespaces_of_[ns.name] = ns;
  for (const Namespace& ns : intent.namespaces) {
    namespaces_of_[ns.name] = std::nullopt;
  }
  const auto is_listed = [this](const auto& entry) {
    return IsListed(entry.second.identity);
  };
  namespaces_agree_ =
      std::all_of(intent.endpoints->begin(), intent.endpoints->end(),
                  is_listed) &&
      std::all_of(intent.remotes.begin(), intent.remotes.end(), is_listed);
  return input;
}

bool Planner::IsListed(const IdentityRef& identity) const {
  const Namespace ns = NamespaceOf(identity);
  const auto listed = namespaces_of_.find(ns.name);
  return listed != namespaces_of_.end() && listed->second.value_or(ns) == ns;
}

std::optional<Planner::PeersChange> Planner::ChangeOf(
    const Intent& intent) const {
  // Where two say different things of one namespace, who goes and who comes may
  // decide what it is.
  bool is_possible = namespaces_agree_;
  PeersChange change;
  intent.remotes.DiffFrom(input_of_->remotes, [&](const IpAddress&,
                                                  const RemoteOptions* was,
                                                  const RemoteOptions* is) {
    const auto endpoint_of = [](const RemoteOptions& remote) {
      return PolicyEndpointOf(remote.identity, remote.ports, remote.addresses);
    };
    if (was != nullptr) change.remotes.gone.push_back(endpoint_of(*was));
    if (is == nullptr) return;
    is_possible = is_possible && IsListed(is->identity);
    change.remotes.come.push_back(endpoint_of(*is));
  });
  if (!is_possible) return std::nullopt;
  const auto is_of_context = [&](const NameAddress& known) {
    return std::any_of(
        intent.context->names.begin(), intent.context->names.end(),
        [&](const ResolvedName& resolved) {
          return resolved.name == known.name &&
                 std::count(resolved.addresses.begin(),
                            resolved.addresses.end(), known.address) != 0;
        });
  };
  intent.names.DiffFrom(input_of_->names, [&](const NameAddress& known,
                                              const bool*, const bool* is) {
    if (is_of_context(known)) return;  // whatever else says so
    (is == nullptr ? change.names.gone : change.names.come).push_back(known);
  });
  return change;
}

std::shared_ptr<const DesiredNodes> Planner::NodesOf(
    const Intent& intent, std::shared_ptr<const Surroundings> surroundings,
    std::shared_ptr<const PeerMap> peers) {
  const bool is_same = last_.nodes != nullptr &&
                       last_.intent.endpoints.IsSameAs(intent.endpoints) &&
                       last_.intent.remotes.IsSameAs(intent.remotes) &&
                       last_.surroundings == surroundings &&
                       last_.peers == peers;
  if (!is_same) {
    const bool is_near = last_.nodes != nullptr &&
                         last_.intent.endpoints.IsSameAs(intent.endpoints) &&
                         last_.surroundings == surroundings &&
                         last_.peers->prefixes == peers->prefixes;
    last_.nodes = std::make_shared<const DesiredNodes>(
        is_near ? DesiredNodesAfter(*last_.nodes, last_.intent, *last_.peers,
                                    intent, *surroundings, *peers)
                : DesiredNodesOf(intent, *surroundings, *peers));
    last_.intent.endpoints = intent.endpoints;
    last_.intent.remotes = intent.remotes;
    last_.surroundings = std::move(surroundings);
    last_.peers = std::move(peers);
  }
  return last_.nodes;
}

void Planner::Published(Plan plan) {
  owners_.Take(intent_, plan.intent);
  intent_ = std::move(plan.intent);
  if (policies_.empty() || policies_.front() != plan.compiled) {
    policies_.push_front(std::move(plan.compiled));
    if (policies_.size() > kPoliciesKept) policies_.pop_back();
  }
  names_.Forget();
}

std::optional<DesiredState> Planner::InForce(
    const Surroundings& surroundings) const {
  if (policies_.empty()) return std::nullopt;
  const CompiledPolicy& compiled = *policies_.front();
  return DesiredStateOf(intent_,
                        std::make_shared<const DesiredNodes>(DesiredNodesOf(
                            intent_, surroundings, *compiled.peer_map)),
                        compiled);
}

std::shared_ptr<const CompiledPolicy> Planner::policy() const {
  return policies_.empty() ? std::make_shared<const CompiledPolicy>()
                           : policies_.front();
}

std::shared_ptr<const FlowDirectory::Party> Planner::FindParty(
    uint32_t peer, const IpAddress& address) const {
  return names_.FindParty(peer, address, intent_, policies_);
}

FlowNames::Text Planner::FindService(const IpAddress& address,
                                     PortProtocol port) const {
  return names_.FindService(address, port, intent_);
}

RuleSetRef Planner::FindRuleSet(uint32_t rule_set) const {
  return rule_sets_.Find(rule_set);
}

FlowNames::Text Planner::Explain(uint32_t rule_set) const {
  return names_.Explain(rule_set, rule_sets_);
}

}  // namespace ciliumcore::internal
