// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/identity/selector.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/status_macros_internal.h"
#include "lib/identity/kubernetes_name_internal.h"

namespace ciliumcore {
namespace {

using Operator = LabelSelector::Operator;
using Requirement = LabelSelector::Requirement;

// What a key of a selector asks for: empty source for any.
struct Wanted {
  absl::string_view source;
  absl::string_view key;
};

Wanted WantedOf(absl::string_view key) {
  const size_t colon = key.find(':');
  if (colon == absl::string_view::npos) return {{}, key};
  const absl::string_view source = key.substr(0, colon);
  return {source == kSourceAny ? absl::string_view() : source,
          key.substr(colon + 1)};
}

// Whether some label that `key` means satisfies `predicate`.
template <typename Predicate>
bool AnyLabel(const Labels& labels, absl::string_view key,
              Predicate predicate) {
  const Wanted wanted = WantedOf(key);
  return std::any_of(labels.begin(), labels.end(), [&](const Label& label) {
    return label.key == wanted.key &&
           (wanted.source.empty() || label.source == wanted.source) &&
           predicate(label.value);
  });
}

bool WantsValues(Operator op) {
  return op == Operator::kIn || op == Operator::kNotIn;
}

// Only labels of Kubernetes keep its rules: the key of "cidr:10.0.0.0/8" has
// another form. In none may stand what separates a selector's parts, or it
// would read as another selector than it was.
absl::Status ValidateKey(absl::string_view key) {
  const Wanted wanted = WantedOf(key);
  if (wanted.source.empty() || wanted.source == kSourceKubernetes) {
    return ValidateLabelKey(wanted.key);
  }
  if (key.find_first_of("()!=") != absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a key without '(', ')', '!' and '=', found ",
                     internal::QuotedName(key)));
  }
  return Label::Parse(key).status();
}

std::string Listing(const std::vector<std::string>& values) {
  return absl::StrCat("(", absl::StrJoin(values, ", "), ")");
}

}  // namespace

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
  const auto listed = [this](const std::string& value) {
    return std::find(values.begin(), values.end(), value) != values.end();
  };
  const auto any = [](const std::string&) { return true; };
  switch (op) {
    case Operator::kIn:
      return AnyLabel(labels, key, listed);
    case Operator::kNotIn:
      return !AnyLabel(labels, key, listed);
    case Operator::kExists:
      return AnyLabel(labels, key, any);
    case Operator::kDoesNotExist:
      return !AnyLabel(labels, key, any);
  }
  return false;
}

bool LabelSelector::Matches(const Labels& labels) const {
  for (const auto& [key, wanted] : match_labels) {
    const bool found =
        AnyLabel(labels, key, [&wanted = wanted](const std::string& value) {
          return value == wanted;
        });
    if (!found) return false;
  }
  return std::all_of(
      match_expressions.begin(), match_expressions.end(),
      [&](const Requirement& term) { return term.Matches(labels); });
}

absl::Status LabelSelector::Validate() const {
  for (const auto& [key, value] : match_labels) {
    CC_RETURN_IF_ERROR(ValidateKey(key));
    CC_RETURN_IF_ERROR(ValidateLabelValue(value));
  }
  for (const Requirement& term : match_expressions) {
    CC_RETURN_IF_ERROR(ValidateKey(term.key));
    for (const std::string& value : term.values) {
      CC_RETURN_IF_ERROR(ValidateLabelValue(value));
    }
    if (WantsValues(term.op) != term.values.empty()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "selector on ", term.key, ": ", OperatorName(term.op),
        WantsValues(term.op) ? ": expected values, found none"
                             : absl::StrCat(": expected no values, found ",
                                            term.values.size())));
  }
  return absl::OkStatus();
}

std::string LabelSelector::ToString() const {
  if (matches_everything()) return "everything";
  std::vector<std::string> terms;
  for (const auto& [key, value] : match_labels) {
    terms.push_back(absl::StrCat(key, "=", value));
  }
  for (const Requirement& term : match_expressions) {
    switch (term.op) {
      case Operator::kIn:
        terms.push_back(absl::StrCat(term.key, " in ", Listing(term.values)));
        break;
      case Operator::kNotIn:
        terms.push_back(
            absl::StrCat(term.key, " notin ", Listing(term.values)));
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
