// SPDX-License-Identifier: Apache-2.0

#include <string>

#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/diff.h"
#include "lib/policy/name_openings_internal.h"

namespace ciliumcore {
namespace {

using Presence = PolicyDiff::Presence;
using Kind = PolicyDiff::Kind;

// Whether one side's judgement is the same but for the rules.
bool IsSameVerdict(const Cell& a, const Cell& b) {
  return a.verdict == b.verdict && a.proxy_port == b.proxy_port;
}

}  // namespace

std::string PolicyDiff::ComparedWorkload::ToString() const {
  return absl::StrCat(ns, "/", name, "[", kind, "]");
}

std::string PolicyDiff::NameOpening::ToString() const {
  return absl::StrCat(
      policy.ToString(), ": ",
      name.empty() ? "not compared, for rules would want two proxies for one "
                     "flow if names stood for one address"
                   : absl::StrCat("what ", name, " stands for, such as for ",
                                  source_example));
}

std::string PolicyDiff::PeerName(uint32_t peer) const {
  return peer < workloads.size() ? workloads[peer].ToString()
                                 : ranges[peer - workloads.size()].ToString();
}

PolicyDiff::Presence PolicyDiff::PresenceOf(uint32_t peer) const {
  return peer < workloads.size() ? workloads[peer].presence : Presence::kBoth;
}

const RuleSet* PolicyDiff::FindRuleSet(uint32_t id) const {
  return id == 0 || id > rule_sets.size() ? nullptr : &rule_sets[id - 1];
}

absl::string_view ChangeName(PolicyDiff::Kind kind) {
  switch (kind) {
    case Kind::kOpens:
      return "opens";
    case Kind::kCloses:
      return "closes";
    case Kind::kOtherRules:
      return "other rules";
  }
  return "";
}

bool ChangesProxy(const PolicyDiff::Change& change) {
  return change.kind == Kind::kOtherRules &&
         !(IsSameVerdict(change.before->egress, change.after->egress) &&
           IsSameVerdict(change.before->ingress, change.after->ingress));
}

bool LeavesProxy(const PolicyDiff::Change& change) {
  const auto leaves = [](const Cell& before, const Cell& after) {
    return before.verdict == Verdict::kRedirect &&
           !IsSameVerdict(before, after);
  };
  return ChangesProxy(change) &&
         (leaves(change.before->egress, change.after->egress) ||
          leaves(change.before->ingress, change.after->ingress));
}

PolicyDiff Diff(const CompiledCluster& before, const CompiledCluster& after) {
  PolicyDiff diff = DiffWithoutNames(before, after);
  diff.opened_by_names = NameOpenings(before, after);
  return diff;
}

}  // namespace ciliumcore
