// SPDX-License-Identifier: Apache-2.0

// kubectl's form of selectors: terms separated by commas, outside parentheses.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "ciliumcore/identity/selector.h"
#include "lib/base/status_macros_internal.h"
#include "lib/identity/kubernetes_name_internal.h"

namespace ciliumcore {
namespace {

using Operator = LabelSelector::Operator;
using Requirement = LabelSelector::Requirement;

absl::Status Malformed(absl::string_view term) {
  return absl::InvalidArgumentError(absl::StrCat(
      "selector term ", internal::QuotedName(term),
      ": expected key=value, key!=value, key in (a, b), key notin (a, b), key "
      "or !key"));
}

// Cuts the text up to the next comma outside parentheses off `rest`.
absl::string_view NextTerm(absl::string_view& rest) {
  int depth = 0;
  size_t end = 0;
  for (; end < rest.size(); ++end) {
    if (rest[end] == '(') ++depth;
    if (rest[end] == ')') --depth;
    if (rest[end] == ',' && depth <= 0) break;
  }
  const absl::string_view term = rest.substr(0, end);
  rest.remove_prefix(end);
  return absl::StripAsciiWhitespace(term);
}

// "key in (a, b)", or null if `term` is not of this form.
bool ParseListing(absl::string_view term, Requirement& out) {
  const size_t open = term.find('(');
  if (open == absl::string_view::npos || !absl::EndsWith(term, ")")) {
    return false;
  }
  const std::vector<absl::string_view> words = absl::StrSplit(
      term.substr(0, open), absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
  if (words.size() != 2) return false;
  if (words[1] != "in" && words[1] != "notin") return false;
  out.op = words[1] == "in" ? Operator::kIn : Operator::kNotIn;
  out.key = std::string(words[0]);
  const absl::string_view list = term.substr(open + 1, term.size() - open - 2);
  for (absl::string_view value : absl::StrSplit(list, ',')) {
    out.values.emplace_back(absl::StripAsciiWhitespace(value));
  }
  return true;
}

absl::Status ParseTerm(absl::string_view term, LabelSelector& selector) {
  Requirement requirement;
  const size_t equals = term.find('=');
  if (equals != absl::string_view::npos) {
    const bool negated = equals > 0 && term[equals - 1] == '!';
    absl::string_view value = term.substr(equals + 1);
    if (!negated) absl::ConsumePrefix(&value, "=");
    const std::string key(absl::StripAsciiWhitespace(
        term.substr(0, negated ? equals - 1 : equals)));
    value = absl::StripAsciiWhitespace(value);
    if (negated) {
      selector.match_expressions.push_back(
          {key, Operator::kNotIn, {std::string(value)}});
    } else {
      selector.match_labels.emplace_back(key, std::string(value));
    }
    return absl::OkStatus();
  }
  if (!ParseListing(term, requirement)) {
    requirement.op = absl::ConsumePrefix(&term, "!") ? Operator::kDoesNotExist
                                                     : Operator::kExists;
    requirement.key = std::string(absl::StripAsciiWhitespace(term));
    if (requirement.key.find_first_of(" \t\n()") != std::string::npos) {
      return Malformed(term);
    }
  }
  selector.match_expressions.push_back(std::move(requirement));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LabelSelector> LabelSelector::Parse(absl::string_view text) {
  LabelSelector selector;
  absl::string_view rest = text;
  if (absl::StripAsciiWhitespace(text).empty()) return selector;
  while (true) {
    const absl::string_view term = NextTerm(rest);
    if (term.empty()) return Malformed(term);
    CC_RETURN_IF_ERROR(ParseTerm(term, selector));
    if (rest.empty()) break;
    rest.remove_prefix(1);  // the comma
  }
  CC_RETURN_IF_ERROR(selector.Validate());
  return selector;
}

}  // namespace ciliumcore
