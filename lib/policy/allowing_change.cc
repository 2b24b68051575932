// SPDX-License-Identifier: Apache-2.0

// Looks for the changes with the fewest conditions by asking rules what fails,
// and then tries each of them on the cluster.

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/why_not.h"
#include "lib/base/status_macros_internal.h"
#include "lib/policy/flow_denials_internal.h"
#include "lib/policy/flow_rule_internal.h"
#include "lib/policy/label_edits_internal.h"
#include "lib/policy/name_openings_internal.h"
#include "lib/policy/policy_names_internal.h"
#include "lib/policy/rule_conditions_internal.h"

namespace ciliumcore {
namespace {

using Kind = PolicyEdit::Kind;
using Edits = std::vector<PolicyEdit>;

constexpr size_t kRuleConditions = 2;  // of a rule that is added
constexpr size_t kMostLabels = 2;
constexpr size_t kMostConditions = kMostLabels + 2 * kRuleConditions;

// The pods that the edited policies select, and those that get a label.
size_t PodsConcerned(const Cluster& cluster, const Edits& edits) {
  size_t count = 0;
  for (const PolicyEdit& edit : edits) {
    const NetworkPolicy* const policy =
        FindNetworkPolicy(cluster.policies, edit.rule);
    for (const Pod& pod : cluster.pods) {
      if (policy != nullptr) {
        count += pod.ns == policy->ns && !pod.host_network &&
                 policy->pod_selector.Matches(pod.labels);
      } else {
        count += edit.kind == Kind::kAddNamespaceLabel ? pod.ns == edit.ns
                                                       : edit.IsOfWorkload(pod);
      }
    }
  }
  return count;
}

// What changes are compared by.
auto Order(const Cluster& cluster, const AllowingChange& change) {
  std::vector<Kind> kinds;
  std::string text;
  for (const PolicyEdit& edit : change.edits) {
    kinds.push_back(edit.kind);
    absl::StrAppend(&text, edit.ToString(), "\n");
  }
  return std::tuple(change.conditions, change.proxied.size(),
                    change.opened_beside.pairs, change.opened_beside.ports,
                    change.closed.pairs, change.closed.ports,
                    PodsConcerned(cluster, change.edits), change.edits.size(),
                    std::move(kinds), std::move(text));
}

// "; ingress: denied by CiliumNetworkPolicy shop/guard ingressDeny[0]", and so
// of each side that denies.
std::string Reasons(const CompiledCluster& cluster, const WhyNot& why) {
  std::string reasons;
  for (const DeniedSide& side : why.sides) {
    const RuleSet* set =
        cluster.policy.FindRuleSet(why.decision.of(side.direction).rule_set);
    absl::StrAppend(&reasons, "; ", DirectionName(side.direction), ": ",
                    set == nullptr ? "not explained" : set->ToString());
  }
  return reasons;
}

class ChangeFinder {
 public:
  ChangeFinder(const CompiledCluster& cluster, const NamedEnd& source,
               const NamedEnd& destination, PortProtocol port,
               const AllowingChangeLimits& limits)
      : cluster_(cluster),
        limits_(limits),
        source_(source),
        destination_(destination),
        flow_{ViewOf(cluster.cluster, source),
              ViewOf(cluster.cluster, destination), port} {
    if (!cluster.cluster.cilium_policies.empty() ||
        !cluster.cluster.cluster_policies.empty()) {
      relabelled_.emplace(cluster.cluster, source, destination, port);
    }
    for (Direction direction : kDirections) {
      near_[static_cast<int>(direction)] =
          PoliciesNear(cluster.cluster, direction, flow_);
    }
  }

  absl::StatusOr<AllowingChange> Find(const WhyNot& why) {
    do {
      CollectSmallest();
      std::optional<AllowingChange> best;
      const size_t count = std::min(smallest_.size(), limits_.changes);
      untried_changes_ += smallest_.size() - count;
      for (size_t i = 0; i < count; ++i) {
        CC_ASSIGN_OR_RETURN(std::optional<AllowingChange> tried,
                            Try(smallest_[i]));
        if (!tried.has_value()) continue;
        if (!best.has_value() ||
            Order(cluster_.cluster, *tried) < Order(cluster_.cluster, *best)) {
          best = std::move(tried);
        }
      }
      if (best.has_value()) {
        CC_RETURN_IF_ERROR(AddNames(*best));
        best->untried_label_sets = untried_label_sets_;
        best->untried_changes = untried_changes_;
        return *std::move(best);
      }
      // None of them is a cluster that compiles, as a rule.
      at_least_ = fewest_ + 1;
    } while (!smallest_.empty());
    return absl::NotFoundError(absl::StrCat(
        source_.ToString(), " -> ", destination_.ToString(), ", ",
        flow_.port.ToString(),
        ": expected an edit of NetworkPolicies or labels that allows it, found "
        "none",
        Reasons(cluster_, why), Untried()));
  }

 private:
  // "; not tried: 3 more sets of labels", if anything was not.
  std::string Untried() const {
    std::string text;
    const auto add = [&text](size_t count, absl::string_view what) {
      if (count == 0) return;
      absl::StrAppend(&text, text.empty() ? "; not tried: " : " and ", count,
                      " more ", what);
    };
    add(untried_label_sets_, "sets of labels");
    add(untried_changes_, "changes");
    return text;
  }

  // Every change with the fewest conditions, but `at_least_`, by labels first
  // and then by what each side still needs.
  void CollectSmallest() {
    fewest_ = kMostConditions;
    smallest_.clear();
    label_sets_ = untried_label_sets_ = 0;
    Consider({});
    const Edits labels =
        LabelEdits(cluster_.cluster, source_, destination_, flow_);
    for (const PolicyEdit& label : labels) Consider({label});
    if (fewest_ < 2) return;
    for (size_t i = 0; i < labels.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        const bool same_key = labels[i].kind == labels[j].kind &&
                              labels[i].key == labels[j].key &&
                              labels[i].ns == labels[j].ns &&
                              labels[i].owner_kind == labels[j].owner_kind &&
                              labels[i].owner_name == labels[j].owner_name;
        if (!same_key) Consider({labels[j], labels[i]});
      }
    }
  }

  void Consider(const Edits& labels) {
    if (labels.size() > fewest_) return;
    if (relabelled_.has_value() && label_sets_++ > limits_.label_sets) {
      ++untried_label_sets_;
      return;
    }
    FlowView flow = flow_;
    for (const PolicyEdit& label : labels) {
      AddLabel(cluster_.cluster, label, source_, destination_, flow);
    }
    // Without policies of other dialects, NetworkPolicies say it all.
    const std::optional<Denials> denials =
        relabelled_.has_value() ? relabelled_->DenialsWith(labels) : Denials();
    if (!denials.has_value()) return;
    const std::optional<size_t> egress =
        Needed(Direction::kEgress, flow, denials->egress);
    const std::optional<size_t> ingress =
        Needed(Direction::kIngress, flow, denials->ingress);
    if (!egress.has_value() || !ingress.has_value()) return;
    const size_t conditions = labels.size() + *egress + *ingress;
    if (conditions < at_least_ || conditions > fewest_) return;
    std::vector<Edits> changes = ChangesWith(labels, flow, *egress, *ingress);
    if (changes.empty()) return;
    if (conditions < fewest_) smallest_.clear();
    fewest_ = conditions;
    std::move(changes.begin(), changes.end(), std::back_inserter(smallest_));
  }

  // The labels and, for each side, the conditions that it still needs; none if
  // the labels cannot be given.
  std::vector<Edits> ChangesWith(const Edits& labels, const FlowView& flow,
                                 size_t egress, size_t ingress) const {
    std::vector<Edits> changes;
    const absl::StatusOr<Cluster> labelled = Apply(cluster_.cluster, labels);
    if (!labelled.ok()) return changes;
    for (const Edits& out :
         Options(Direction::kEgress, egress, flow, *labelled)) {
      for (const Edits& in :
           Options(Direction::kIngress, ingress, flow, *labelled)) {
        Edits& edits = changes.emplace_back(labels);
        edits.insert(edits.end(), out.begin(), out.end());
        edits.insert(edits.end(), in.begin(), in.end());
      }
    }
    return changes;
  }

  // Calls `visit` with each rule that may allow the flow in that direction.
  template <typename Visit>
  bool ForEachRule(Direction direction, const FlowView& flow,
                   const Visit& visit) const {
    bool is_isolated = false;
    for (const NetworkPolicy* policy : near_[static_cast<int>(direction)]) {
      if (!Isolates(*policy, direction, flow)) continue;
      is_isolated = true;
      uint32_t index = 0;
      for (const NetworkPolicyRule& rule : SectionOf(*policy, direction)) {
        visit(RuleRef{"NetworkPolicy", policy->ns, policy->name, direction,
                      index++},
              FailuresOf(rule, policy->ns, direction, flow));
      }
    }
    return is_isolated;
  }

  // How many conditions of NetworkPolicies that side needs, labels aside; none
  // if no number of them is enough.
  std::optional<size_t> Needed(Direction direction, const FlowView& flow,
                               Denial denial) const {
    if (denial == Denial::kNone) return 0;
    if (denial == Denial::kByRules) return std::nullopt;
    size_t needed = kRuleConditions;
    const bool is_isolated = ForEachRule(
        direction, flow, [&](const RuleRef&, const RuleFailures& failures) {
          if (failures.peer.empty() && failures.port.empty()) {
            needed = 0;
          } else if (failures.peer.empty() ? HasPorts(flow.port.protocol)
                                           : failures.port.empty()) {
            needed = std::min<size_t>(needed, 1);
          }
        });
    if (denial == Denial::kByDefault && (!is_isolated || needed == 0)) {
      return std::nullopt;
    }
    return is_isolated ? needed : 0;
  }

  // The ways to write as many conditions as that side needs.
  std::vector<Edits> Options(Direction direction, size_t needed,
                             const FlowView& flow,
                             const Cluster& labelled) const {
    if (needed == 0) return {{}};
    const EndView& peer = flow.peer(direction);
    const std::vector<PortRule> ports = PortsFor(flow.port);
    std::vector<Edits> options;
    ForEachRule(
        direction, flow, [&](const RuleRef& ref, const RuleFailures& failures) {
          Edits edits;
          if (!failures.port.empty()) {
            if (ports.empty()) return;
            edits.push_back(
                {.kind = Kind::kAddPort, .rule = ref, .added = {{}, ports}});
          }
          if (!failures.peer.empty()) {
            edits.push_back({.kind = Kind::kAddPeer,
                             .rule = ref,
                             .added = {{PeerFor(peer, ref.ns, labelled)}, {}}});
          }
          if (edits.size() == needed) options.push_back(std::move(edits));
        });
    if (needed < kRuleConditions) return options;
    for (const NetworkPolicy* policy : near_[static_cast<int>(direction)]) {
      if (!Isolates(*policy, direction, flow)) continue;
      const uint32_t index =
          static_cast<uint32_t>(SectionOf(*policy, direction).size());
      options.push_back(
          {{.kind = Kind::kAddRule,
            .rule = {"NetworkPolicy", policy->ns, policy->name, direction,
                     index},
            .added = {{PeerFor(peer, policy->ns, labelled)}, ports}}});
    }
    return options;
  }

  // The change, if nobody denies the flow then.
  absl::StatusOr<std::optional<AllowingChange>> Try(const Edits& edits) const {
    CC_ASSIGN_OR_RETURN(Cluster edited, Apply(cluster_.cluster, edits));
    const absl::StatusOr<CompiledCluster> compiled =
        CompileCluster(std::move(edited));
    // Such as labels with which rules want two proxies for one flow.
    if (absl::IsInvalidArgument(compiled.status())) {
      return std::optional<AllowingChange>();
    }
    CC_RETURN_IF_ERROR(compiled.status());
    const CompiledCluster& after = *compiled;
    const PairDecision decision =
        DecideFlow(after, source_, destination_, flow_.port);
    if (decision.denied()) return std::optional<AllowingChange>();
    AllowingChange change;
    change.edits = edits;
    change.conditions = fewest_;
    change.proxied = ProxiedSidesOf(after.policy, decision);
    change.diff = DiffWithoutNames(cluster_, after);
    change.opened_beside = change.diff.opened;
    // The flow itself, unless there are too many to count.
    for (uint64_t* count :
         {&change.opened_beside.pairs, &change.opened_beside.ports}) {
      const bool is_exact = *count != std::numeric_limits<uint64_t>::max();
      if (is_exact && *count != 0) --*count;
    }
    change.closed = change.diff.closed;
    return std::optional(std::move(change));
  }

  // What the change opens by domain names.
  absl::Status AddNames(AllowingChange& change) const {
    if (PoliciesWithNames(cluster_.cluster).empty()) return absl::OkStatus();
    CC_ASSIGN_OR_RETURN(Cluster edited, Apply(cluster_.cluster, change.edits));
    CC_ASSIGN_OR_RETURN(const CompiledCluster after,
                        CompileCluster(std::move(edited)));
    change.diff.opened_by_names = NameOpenings(cluster_, after);
    return absl::OkStatus();
  }

  const CompiledCluster& cluster_;
  const AllowingChangeLimits limits_;
  const NamedEnd& source_;
  const NamedEnd& destination_;
  const FlowView flow_;  // of a port that ExplainDenial took
  std::vector<const NetworkPolicy*> near_[2];  // by direction
  std::optional<RelabelledFlow> relabelled_;   // with other dialects
  size_t at_least_ = 0;                        // conditions
  size_t fewest_ = kMostConditions;            // of smallest_
  size_t label_sets_ = 0;                      // and the one of none
  size_t untried_label_sets_ = 0, untried_changes_ = 0;
  std::vector<Edits> smallest_;
};

}  // namespace

absl::StatusOr<AllowingChange> FindAllowingChange(
    const CompiledCluster& cluster, const NamedEnd& source,
    const NamedEnd& destination, PortProtocol port,
    const AllowingChangeLimits& limits) {
  CC_ASSIGN_OR_RETURN(const WhyNot why,
                      ExplainDenial(cluster, source, destination, port));
  if (why.sides.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        source.ToString(), " -> ", destination.ToString(), ", ",
        port.ToString(), ": expected a flow that is denied, found it ",
        why.decision.needs_proxy() ? "left to a proxy" : "allowed"));
  }
  return ChangeFinder(cluster, source, destination, port, limits).Find(why);
}

}  // namespace ciliumcore
