// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/dns_match_internal.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace ciliumcore {
namespace {

constexpr char kName[] = "name=", kPattern[] = "pattern=",
               kDomain[] = "domain=";

// Whether '*' as any number of characters but '.' makes `pattern` the whole of
// `text`.
bool Globs(absl::string_view pattern, absl::string_view text) {
  size_t at = 0, read = 0;
  size_t star = absl::string_view::npos, resume = 0;
  while (read < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      resume = read;
    } else if (at < pattern.size() && pattern[at] == text[read]) {
      ++at;
      ++read;
    } else if (star != absl::string_view::npos && text[resume] != '.') {
      at = star + 1;
      read = ++resume;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

// Two stars or more and a dot, at the beginning: one whole label or more.
bool ConsumeLabels(absl::string_view& pattern) {
  const size_t stars = std::min(pattern.find_first_not_of('*'), pattern.size());
  if (stars < 2 || stars == pattern.size() || pattern[stars] != '.') {
    return false;
  }
  pattern.remove_prefix(stars + 1);
  return true;
}

}  // namespace

bool IsInDnsLabel(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' ||
         c == '_';
}

bool IsDnsName(absl::string_view name) {
  constexpr size_t kLongestName = 253;
  constexpr size_t kLongestLabel = 63;
  if (name.size() > kLongestName) return false;
  for (absl::string_view label : absl::StrSplit(name, '.')) {
    if (label.empty() || label.size() > kLongestLabel ||
        !std::all_of(label.begin(), label.end(), IsInDnsLabel)) {
      return false;
    }
  }
  return true;
}

std::string CanonicalDnsName(absl::string_view name) {
  return absl::AsciiStrToLower(absl::StripSuffix(name, "."));
}

bool Matches(const DnsMatch& match, absl::string_view name) {
  const std::string text = CanonicalDnsName(name);
  if (!match.name.empty()) return CanonicalDnsName(match.name) == text;
  const std::string canonical = CanonicalDnsName(match.pattern);
  absl::string_view pattern = canonical;
  if (pattern.empty()) return false;
  if (pattern.find_first_not_of('*') == absl::string_view::npos) return true;
  if (!ConsumeLabels(pattern)) return Globs(pattern, text);
  for (size_t dot = text.find('.'); dot != std::string::npos;
       dot = text.find('.', dot + 1)) {
    if (dot > 0 && Globs(pattern, absl::string_view(text).substr(dot + 1))) {
      return true;
    }
  }
  return false;
}

bool MatchesDomain(absl::string_view pattern, absl::string_view name) {
  const std::string text = CanonicalDnsName(name);
  const std::string wanted = CanonicalDnsName(pattern);
  if (!absl::StartsWith(wanted, "*.")) return wanted == text;
  const absl::string_view suffix = absl::string_view(wanted).substr(1);
  return text.size() > suffix.size() && absl::EndsWith(text, suffix);
}

std::string NameSelectorOf(const DnsMatch& match) {
  return match.name.empty()
             ? absl::StrCat(kPattern, CanonicalDnsName(match.pattern))
             : absl::StrCat(kName, CanonicalDnsName(match.name));
}

std::string NameSelectorOfDomain(absl::string_view pattern) {
  return absl::StrCat(kDomain, CanonicalDnsName(pattern));
}

bool Selects(absl::string_view selector, absl::string_view name) {
  if (absl::ConsumePrefix(&selector, kDomain)) {
    return MatchesDomain(selector, name);
  }
  if (absl::ConsumePrefix(&selector, kName)) {
    return selector == CanonicalDnsName(name);
  }
  absl::ConsumePrefix(&selector, kPattern);
  return Matches({.name = "", .pattern = std::string(selector)}, name);
}

}  // namespace ciliumcore
