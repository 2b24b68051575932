// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/planner_internal.h"

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
  if (!next.endpoints.IsSameAs(intent_.endpoints) ||
      !next.remotes.IsSameAs(intent_.remotes))
    CC_RETURN_IF_ERROR(ValidateIntent(next));
  return next;
}

absl::StatusOr<Planner::Plan> Planner::Compiled(
    Intent intent, std::shared_ptr<const Surroundings> surroundings) {
  CC_ASSIGN_OR_RETURN(CompiledPolicy compiled,
                      CompiledPolicyOf(intent, *surroundings));
  DesiredState desired = DesiredStateOf(
      intent, NodesOf(intent, std::move(surroundings), compiled.peer_map),
      compiled);
  return Plan{std::move(intent), std::move(compiled), std::move(desired)};
}

absl::StatusOr<CompiledPolicy> Planner::CompiledPolicyOf(
    const Intent& intent, const Surroundings& surroundings) {
  const bool same_input = input_of_.has_value() &&
                          input_of_->endpoints.IsSameAs(intent.endpoints) &&
                          input_of_->remotes.IsSameAs(intent.remotes) &&
                          input_of_->namespaces == intent.namespaces &&
                          input_of_->context.IsSameAs(intent.context) &&
                          host_addresses_of_ == surroundings.host_addresses;
  if (same_input) return compiler_.Recompile(*intent.policies);
  input_of_ = {.endpoints = intent.endpoints,
               .touched = {},
               .remotes = intent.remotes,
               .services = {},
               .policies = {},
               .context = intent.context,
               .namespaces = intent.namespaces};
  host_addresses_of_ = surroundings.host_addresses;
  return compiler_.Compile(PolicyInputOf(intent, surroundings));
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
    last_.nodes = std::make_shared<const DesiredNodes>(
        DesiredNodesOf(intent, *surroundings, *peers));
    last_.intent.endpoints = intent.endpoints;
    last_.intent.remotes = intent.remotes;
    last_.surroundings = std::move(surroundings);
    last_.peers = std::move(peers);
  }
  return last_.nodes;
}

void Planner::Published(Plan plan) {
  intent_ = std::move(plan.intent);
  policies_.push_front(
      std::make_shared<const CompiledPolicy>(std::move(plan.compiled)));
  if (policies_.size() > kPoliciesKept) policies_.pop_back();
  names_.Forget();
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
