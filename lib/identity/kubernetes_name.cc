// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/identity/kubernetes_name_internal.h"

namespace ciliumcore::internal {
namespace {

bool IsAlphanumeric(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c));
}

bool IsLower(char c) {
  return absl::ascii_islower(static_cast<unsigned char>(c));
}

bool IsLowerOrDigit(char c) {
  return IsLower(c) || absl::ascii_isdigit(static_cast<unsigned char>(c));
}

template <typename Inside, typename AtEnds>
bool HasForm(absl::string_view text, size_t longest, Inside inside,
             AtEnds at_ends) {
  return !text.empty() && text.size() <= longest && at_ends(text.front()) &&
         at_ends(text.back()) && std::all_of(text.begin(), text.end(), inside);
}

bool IsLabelName(absl::string_view text) {
  return HasForm(
      text, 63,
      [](char c) {
        return IsAlphanumeric(c) || c == '-' || c == '_' || c == '.';
      },
      IsAlphanumeric);
}

}  // namespace

bool IsDnsLabel(absl::string_view text) {
  return HasForm(
      text, 63, [](char c) { return IsLowerOrDigit(c) || c == '-'; },
      IsLowerOrDigit);
}

bool IsDnsSubdomain(absl::string_view text) {
  if (text.size() > 253) return false;
  for (absl::string_view part : absl::StrSplit(text, '.')) {
    // A part may be longer than a DNS label: Kubernetes counts only the whole.
    const bool ok = HasForm(
        part, 253, [](char c) { return IsLowerOrDigit(c) || c == '-'; },
        IsLowerOrDigit);
    if (!ok) return false;
  }
  return true;
}

bool IsLabelKey(absl::string_view text) {
  const size_t slash = text.find('/');
  if (slash == absl::string_view::npos) return IsLabelName(text);
  return IsDnsSubdomain(text.substr(0, slash)) &&
         IsLabelName(text.substr(slash + 1));
}

bool IsLabelValue(absl::string_view text) {
  return text.empty() || IsLabelName(text);
}

bool IsPortName(absl::string_view text) {
  return HasForm(
             text, 15, [](char c) { return IsLowerOrDigit(c) || c == '-'; },
             IsLowerOrDigit) &&
         std::any_of(text.begin(), text.end(), IsLower) &&
         text.find("--") == absl::string_view::npos;
}

std::string EscapedName(absl::string_view text) {
  constexpr size_t kLongest = 80;
  if (text.size() <= kLongest) return absl::Utf8SafeCEscape(text);
  return absl::StrCat(absl::Utf8SafeCEscape(text.substr(0, kLongest)), "...");
}

std::string QuotedName(absl::string_view text) {
  return absl::StrCat("\"", EscapedName(text), "\"");
}

}  // namespace ciliumcore::internal
