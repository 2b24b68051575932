// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/rule_set.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/policy/numbering_internal.h"

namespace ciliumcore {
namespace {

struct AppendString {
  template <typename T>
  void operator()(std::string* out, const T& value) const {
    absl::StrAppend(out, value.ToString());
  }
};

}  // namespace

std::string PolicyRef::ToString() const {
  return absl::StrCat(kind, " ", ns, ns.empty() ? "" : "/", name);
}

std::string RuleRef::ToString() const {
  return absl::StrCat(kind, " ", ns, ns.empty() ? "" : "/", name, " ",
                      spec == 0 ? "" : absl::StrCat("specs[", spec, "]."),
                      DirectionName(section), is_deny_section ? "Deny" : "",
                      "[", index, "]");
}

std::string RuleSet::ToString() const {
  switch (kind) {
    case Kind::kRules:
      return absl::StrCat("allowed by ",
                          absl::StrJoin(rules, ", ", AppendString()));
    case Kind::kDefaultDeny:
      return absl::StrCat("default deny: isolated for ",
                          DirectionName(direction), " by ",
                          absl::StrJoin(policies, ", ", AppendString()),
                          ", and no rule allows this");
    case Kind::kNotIsolated:
      return absl::StrCat("not isolated: no policy selects it for ",
                          DirectionName(direction));
    case Kind::kDenied:
      return absl::StrCat("denied by ",
                          absl::StrJoin(rules, ", ", AppendString()));
    case Kind::kAuthentication:
      return absl::StrCat("not authenticated, as demanded by ",
                          absl::StrJoin(rules, ", ", AppendString()));
    case Kind::kOwnNode:
      return direction == Direction::kIngress
                 ? "own node: it always reaches its pods"
                 : "own node: its pods always reach it";
  }
  return "";
}

struct RuleSetTable::State {
  using Sets =
      Numbering<NumberedRuleSet, &NumberedRuleSet::id, &NumberedRuleSet::set>;
  std::shared_ptr<Sets> sets;
};

RuleSetTable::RuleSetTable(const Options& options)
    : state_(std::make_shared<State>()) {
  state_->sets =
      std::make_shared<State::Sets>(1, options.last_id, options.history);
}

absl::StatusOr<RuleSetRef> RuleSetTable::Intern(RuleSet set) {
  return state_->sets->Intern(std::move(set));
}

absl::StatusOr<RuleSetRef> RuleSetTable::Restore(uint32_t id, RuleSet set) {
  return state_->sets->Restore(id, std::move(set));
}

RuleSetRef RuleSetTable::Find(uint32_t id) const {
  return state_->sets->Find(id);
}

size_t RuleSetTable::live() const { return state_->sets->live(); }

size_t RuleSetTable::remembered() const { return state_->sets->remembered(); }

}  // namespace ciliumcore
