// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/identity/selector.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ciliumcore {

using Operator = LabelSelector::Operator;

absl::string_view OperatorName(Operator op) {
  switch (op) {
    case Operator::kIn:
      return "In";
    case Operator::kNotIn:
      return "NotIn";
    case Operator::kExists:
      return "Exists";
    case Operator::kDoesNotExist:
      return "DoesNotExist";
  }
  return "?";
}

bool LabelSelector::Requirement::Matches(const Labels& labels) const {
  const std::string* value = labels.Get(key);
  const bool listed =
      value != nullptr &&
      std::find(values.begin(), values.end(), *value) != values.end();
  switch (op) {
    case Operator::kIn:
      return listed;
    case Operator::kNotIn:
      return !listed;
    case Operator::kExists:
      return value != nullptr;
    case Operator::kDoesNotExist:
      return value == nullptr;
  }
  return false;
}

bool LabelSelector::Matches(const Labels& labels) const {
  for (const auto& [key, wanted] : match_labels) {
    const std::string* value = labels.Get(key);
    if (value == nullptr || *value != wanted) return false;
  }
  return std::all_of(
      match_expressions.begin(), match_expressions.end(),
      [&](const Requirement& term) { return term.Matches(labels); });
}

absl::Status LabelSelector::Validate() const {
  for (const Requirement& term : match_expressions) {
    const bool wants_values =
        term.op == Operator::kIn || term.op == Operator::kNotIn;
    if (wants_values != term.values.empty()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("selector on ", term.key, ": ", OperatorName(term.op),
                     wants_values ? ": expected values, found none"
                                  : absl::StrCat(": expected no values, found ",
                                                 term.values.size())));
  }
  return absl::OkStatus();
}

std::string LabelSelector::ToString() const {
  if (matches_everything()) return "everything";
  std::vector<std::string> terms;
  for (const auto& [key, value] : match_labels)
    terms.push_back(absl::StrCat(key, "=", value));
  for (const Requirement& term : match_expressions) {
    switch (term.op) {
      case Operator::kIn:
        terms.push_back(absl::StrCat(term.key, " in (",
                                     absl::StrJoin(term.values, ", "), ")"));
        break;
      case Operator::kNotIn:
        terms.push_back(absl::StrCat(term.key, " notin (",
                                     absl::StrJoin(term.values, ", "), ")"));
        break;
      case Operator::kExists:
        terms.push_back(term.key);
        break;
      case Operator::kDoesNotExist:
        terms.push_back(absl::StrCat("!", term.key));
        break;
    }
  }
  return absl::StrJoin(terms, ", ");
}

}  // namespace ciliumcore
