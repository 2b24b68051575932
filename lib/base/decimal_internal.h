// SPDX-License-Identifier: Apache-2.0

// Strict reading of small decimal numbers, shared by the parsers of base.

#ifndef CILIUMCORE_LIB_BASE_DECIMAL_INTERNAL_H_
#define CILIUMCORE_LIB_BASE_DECIMAL_INTERNAL_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace ciliumcore::internal {

// The number in `text`, digits only, no leading zero, at most `max`. On failure
// nothing, and `*why` says what is wrong with it ("\"010\" has a leading
// zero").
std::optional<uint32_t> ParseDecimal(absl::string_view text, uint32_t max,
                                     std::string* why);

// `text` in quotes for an error message: escaped, and cut if it is long.
std::string Quoted(absl::string_view text);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_BASE_DECIMAL_INTERNAL_H_
