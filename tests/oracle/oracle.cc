// SPDX-License-Identifier: Apache-2.0

// In which order the dialects are asked, and what becomes of their answers.

#include "tests/oracle/oracle.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/oracle/oracle_dialects.h"

namespace ciliumcore::testing {
namespace {

using Kind = RuleSet::Kind;

Judgement Because(Verdict verdict, Kind kind, Direction direction,
                  std::vector<RuleRef> rules = {},
                  std::vector<PolicyRef> policies = {}) {
  std::sort(rules.begin(), rules.end());
  std::sort(policies.begin(), policies.end());
  return {
      .allowed = verdict != Verdict::kDeny,
      .verdict = verdict,
      .why = RuleSet{kind, direction, std::move(rules), std::move(policies)}};
}

// Accept and Deny are final.
Judgement Of(const TierOpinion& opinion, Direction direction) {
  return *opinion.action == ClusterRule::Action::kAccept
             ? Because(Verdict::kAllow, Kind::kRules, direction, {opinion.rule})
             : Because(Verdict::kDeny, Kind::kDenied, direction,
                       {opinion.rule});
}

// Denials prevail. Then, a rule that matches allows, as soon as anything that
// it demands is met; rules that nobody needs, for nobody isolates, allow what
// is allowed anyway, but what they demand remains.
std::optional<Judgement> Of(const Opinion& opinion, Direction direction) {
  if (!opinion.denying.empty()) {
    return Because(Verdict::kDeny, Kind::kDenied, direction, opinion.denying);
  }
  if (!opinion.authenticating.empty()) {
    return Because(Verdict::kDeny, Kind::kAuthentication, direction,
                   opinion.authenticating);
  }
  if (opinion.proxy_port != 0) {
    Judgement redirected =
        Because(Verdict::kRedirect, Kind::kRules, direction, opinion.allowing);
    redirected.proxy_port = opinion.proxy_port;
    return redirected;
  }
  if (opinion.isolating.empty()) return std::nullopt;
  if (!opinion.allowing.empty()) {
    return Because(Verdict::kAllow, Kind::kRules, direction, opinion.allowing);
  }
  return Because(Verdict::kDeny, Kind::kDefaultDeny, direction, {},
                 opinion.isolating);
}

}  // namespace

Judgement Oracle::Egress(const FlowEnd& source, const FlowEnd& destination,
                         Protocol protocol, uint16_t port) const {
  return Judge({Direction::kEgress, source, destination, protocol, port});
}

Judgement Oracle::Ingress(const FlowEnd& source, const FlowEnd& destination,
                          Protocol protocol, uint16_t port) const {
  return Judge({Direction::kIngress, destination, source, protocol, port});
}

Judgement Oracle::Judge(const Question& question) const {
  if (census_.PodAt(question.subject) == nullptr) return {};
  const Direction direction = question.direction;
  const TierOpinion admin =
      AskTier(census_, question, ClusterPolicy::Tier::kAdmin);
  Opinion normal;
  AskNetworkPolicies(census_, question, normal);
  AskCiliumPolicies(census_, question, normal);
  const TierOpinion baseline =
      AskTier(census_, question, ClusterPolicy::Tier::kBaseline);

  if (!admin.is_concerned && !normal.is_concerned && !baseline.is_concerned) {
    return Because(Verdict::kAllow, Kind::kNotIsolated, direction);
  }
  if (census_.IsHost(question.peer)) {
    return Because(Verdict::kAllow, Kind::kOwnNode, direction);
  }
  if (admin.action.has_value()) return Of(admin, direction);
  if (std::optional<Judgement> judgement = Of(normal, direction)) {
    return *std::move(judgement);
  }
  if (baseline.action.has_value()) return Of(baseline, direction);
  return Because(Verdict::kAllow, Kind::kNotIsolated, direction);
}

}  // namespace ciliumcore::testing
