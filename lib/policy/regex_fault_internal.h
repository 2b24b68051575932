// SPDX-License-Identifier: Apache-2.0

// Whether RE2 takes a regular expression.

#ifndef CILIUMCORE_LIB_POLICY_REGEX_FAULT_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_REGEX_FAULT_INTERNAL_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ciliumcore::internal {

// What is wrong with a regular expression of RE2, as words for a message; empty
// if nothing is. O(size).
std::string RegexFault(absl::string_view regex);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_POLICY_REGEX_FAULT_INTERNAL_H_
