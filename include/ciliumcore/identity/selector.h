// SPDX-License-Identifier: Apache-2.0

// Label selectors: Kubernetes' LabelSelector.

#ifndef CILIUMCORE_IDENTITY_SELECTOR_H_
#define CILIUMCORE_IDENTITY_SELECTOR_H_

#include <compare>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/identity/label.h"

namespace ciliumcore {

// All of its terms must hold; without terms it selects everything. A value.
struct LabelSelector {
  enum class Operator { kIn, kNotIn, kExists, kDoesNotExist };

  struct Requirement {
    std::string key;
    Operator op = Operator::kIn;
    std::vector<std::string> values;  // of kIn and kNotIn

    // kNotIn and kDoesNotExist hold where there is no such key.
    bool Matches(const Labels& labels) const;

    friend auto operator<=>(const Requirement&, const Requirement&) = default;
  };

  std::vector<std::pair<std::string, std::string>> match_labels;
  std::vector<Requirement> match_expressions;

  bool matches_everything() const {
    return match_labels.empty() && match_expressions.empty();
  }

  bool Matches(const Labels& labels) const;

  // InvalidArgument if an operator has too few or too many values.
  absl::Status Validate() const;

  // "app=web, tier in (a, b), !legacy"; "everything" without terms.
  std::string ToString() const;

  friend auto operator<=>(const LabelSelector&, const LabelSelector&) = default;
};

// "In", "NotIn", "Exists", "DoesNotExist".
absl::string_view OperatorName(LabelSelector::Operator op);

}  // namespace ciliumcore

#endif  // CILIUMCORE_IDENTITY_SELECTOR_H_
