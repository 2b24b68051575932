// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/planner_internal.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {
namespace {

// Policies kept for events that come after their end.
constexpr size_t kPoliciesKept = 16;

// "shop/app=web,tier=front": of the labels of Kubernetes, those of the pod.
std::string ShortName(const Labels& labels) {
  std::string name = absl::StrCat(PodNamespaceOf(labels).name, "/");
  absl::string_view separator;
  for (const Label& label : PodLabelsOf(labels)) {
    absl::StrAppend(&name, separator, label.key);
    if (!label.value.empty()) absl::StrAppend(&name, "=", label.value);
    separator = ",";
  }
  return name;
}

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
    Intent intent, const Surroundings& surroundings) {
  CC_ASSIGN_OR_RETURN(CompiledPolicy compiled,
                      CompiledPolicyOf(intent, surroundings));
  DesiredState desired = DesiredStateOf(intent, surroundings, compiled);
  return Plan{std::move(intent), std::move(compiled), std::move(desired)};
}

absl::StatusOr<CompiledPolicy> Planner::CompiledPolicyOf(
    const Intent& intent, const Surroundings& surroundings) {
  const bool same_input = input_of_.has_value() &&
                          input_of_->endpoints.IsSameAs(intent.endpoints) &&
                          input_of_->remotes.IsSameAs(intent.remotes) &&
                          input_of_->namespaces == intent.namespaces &&
                          host_addresses_of_ == surroundings.host_addresses;
  if (same_input) return compiler_.Recompile(intent.policies);
  input_of_ = {.endpoints = intent.endpoints,
               .touched = {},
               .remotes = intent.remotes,
               .services = {},
               .policies = {},
               .namespaces = intent.namespaces};
  host_addresses_of_ = surroundings.host_addresses;
  return compiler_.Compile(PolicyInputOf(intent, surroundings));
}

void Planner::Published(Plan plan) {
  intent_ = std::move(plan.intent);
  policies_.push_front(
      std::make_shared<const CompiledPolicy>(std::move(plan.compiled)));
  if (policies_.size() > kPoliciesKept) policies_.pop_back();
}

std::shared_ptr<const CompiledPolicy> Planner::policy() const {
  return policies_.empty() ? std::make_shared<const CompiledPolicy>()
                           : policies_.front();
}

FlowDirectory::PeerName Planner::FindPeer(uint32_t peer) const {
  for (const auto& policy : policies_) {
    auto found =
        std::lower_bound(policy->peers.begin(), policy->peers.end(), peer,
                         [](const PeerRef& ref, uint32_t number) {
                           return ref->number < number;
                         });
    if (found == policy->peers.end() || (*found)->number != peer) continue;
    const Identity identity = (*found)->variety.identity;
    std::string name = (*found)->variety.ToString();
    for (const auto& [interface, endpoint] : *intent_.endpoints) {
      if (endpoint.identity.id() != identity) continue;
      name = ShortName(endpoint.identity.labels());
      break;
    }
    return {.identity = identity, .name = std::move(name)};
  }
  const auto identity = static_cast<Identity>(peer);
  return {.identity = identity, .name = IdentityName(identity)};
}

RuleSetRef Planner::FindRuleSet(uint32_t rule_set) const {
  return rule_sets_.Find(rule_set);
}

std::string Planner::Explain(uint32_t rule_set) const {
  const RuleSetRef found = rule_sets_.Find(rule_set);
  return found == nullptr ? std::string() : found->set.ToString();
}

}  // namespace ciliumcore::internal
