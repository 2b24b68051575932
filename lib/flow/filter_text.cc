// SPDX-License-Identifier: Apache-2.0
#include "lib/flow/filter_internal.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace ciliumcore::internal {
namespace {

bool IsQuote(char c) { return c == '"' || c == '\''; }

// In the names of policies and namespaces, and between the two.
bool IsOfName(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' ||
         c == '.' || c == '/';
}

absl::Status Wrong(absl::string_view token, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("filter ", token, ": ", why));
}

}  // namespace

absl::StatusOr<FilterToken> NextToken(absl::string_view& rest) {
  FilterToken token;
  rest = absl::StripLeadingAsciiWhitespace(rest);
  char quote = 0;
  size_t length = 0;
  std::string bare;  // without its quotes
  for (; length < rest.size(); ++length) {
    const char c = rest[length];
    if (quote == 0 && absl::ascii_isspace(static_cast<unsigned char>(c))) break;
    if (c == quote) {
      quote = 0;
    } else if (quote == 0 && IsQuote(c)) {
      quote = c;
    } else {
      bare.push_back(c);
    }
  }
  token.text = std::string(rest.substr(0, length));
  rest.remove_prefix(length);
  if (token.text.empty()) return token;
  if (quote != 0) return Wrong(token.text, "its quote is not closed");
  const size_t equals = bare.find('=');
  if (equals == std::string::npos || equals == 0)
    return Wrong(token.text, "expected name=value");
  token.is_negated = bare[equals - 1] == '!';
  token.name = bare.substr(0, equals - (token.is_negated ? 1 : 0));
  token.value = bare.substr(equals + 1);
  return token;
}

std::string QuotedTerm(absl::string_view value) {
  const bool is_plain = std::none_of(value.begin(), value.end(), [](char c) {
    return IsQuote(c) || absl::ascii_isspace(static_cast<unsigned char>(c));
  });
  if (is_plain) return std::string(value);
  // Each quote goes into quotes of the other kind.
  std::string text;
  for (const char c : value) {
    const char* around = c == '"' ? "'" : "\"";
    if (!text.empty() && text.back() == *around && !IsQuote(c)) {
      text.pop_back();
      text += c;
    } else {
      absl::StrAppend(&text, around, absl::string_view(&c, 1));
    }
    text += around;
  }
  return text;
}

bool SameWords(absl::string_view a, absl::string_view b) {
  const auto plain = [](char c) {
    return c == '_' || c == ' '
               ? '-'
               : absl::ascii_tolower(static_cast<unsigned char>(c));
  };
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(),
      [&](char left, char right) { return plain(left) == plain(right); });
}

bool ContainsName(absl::string_view text, absl::string_view name) {
  for (size_t at = text.find(name); at != absl::string_view::npos;
       at = text.find(name, at + 1)) {
    const size_t end = at + name.size();
    if ((at == 0 || !IsOfName(text[at - 1]) || !IsOfName(name.front())) &&
        (end == text.size() || !IsOfName(text[end]) || !IsOfName(name.back())))
      return true;
  }
  return false;
}

}  // namespace ciliumcore::internal
