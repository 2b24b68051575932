// SPDX-License-Identifier: Apache-2.0

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lib/base/decimal_internal.h"

namespace ciliumcore::internal {

std::optional<uint32_t> ParseDecimal(absl::string_view text, uint32_t max,
                                     std::string* why) {
  if (text.empty()) {
    *why = "a number is missing";
    return std::nullopt;
  }
  uint64_t value = 0;
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      *why = absl::StrCat(Quoted(text), " is not a decimal number");
      return std::nullopt;
    }
    // Stops growing once it is too large, so that no length overflows it.
    if (value <= max) value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  if (text.size() > 1 && text[0] == '0') {
    *why = absl::StrCat(Quoted(text), " has a leading zero");
    return std::nullopt;
  }
  if (value > max) {
    *why = absl::StrCat(Quoted(text), " is above ", max);
    return std::nullopt;
  }
  return static_cast<uint32_t>(value);
}

std::string Quoted(absl::string_view text) {
  constexpr size_t kMax = 80;
  if (text.size() > kMax) {
    return absl::StrCat("\"", absl::CHexEscape(text.substr(0, kMax)), "\"... (",
                        text.size(), " bytes)");
  }
  return absl::StrCat("\"", absl::CHexEscape(text), "\"");
}

}  // namespace ciliumcore::internal
