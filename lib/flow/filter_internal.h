// SPDX-License-Identifier: Apache-2.0

// How the text of a filter falls into terms.

#ifndef CILIUMCORE_LIB_FLOW_FILTER_INTERNAL_H_
#define CILIUMCORE_LIB_FLOW_FILTER_INTERNAL_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ciliumcore::internal {

struct FilterToken {
  std::string text;  // as it was written; empty at the end
  std::string name, value;
  bool is_negated = false;
};

// Takes the first term off `rest`. InvalidArgument if it is no name=value, or a
// quote is not closed.
absl::StatusOr<FilterToken> NextToken(absl::string_view& rest);

// `value` as NextToken reads it: in quotes where it must be.
std::string QuotedTerm(absl::string_view value);

// "policy-denied" and "Policy_Denied" are "policy denied".
bool SameWords(absl::string_view a, absl::string_view b);

// True if `name` is in `text`, and is not part of a longer name.
bool ContainsName(absl::string_view text, absl::string_view name);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_FLOW_FILTER_INTERNAL_H_
