// SPDX-License-Identifier: Apache-2.0

// Label selectors: Kubernetes' LabelSelector.

#ifndef CILIUMCORE_IDENTITY_SELECTOR_H_
#define CILIUMCORE_IDENTITY_SELECTOR_H_

#include <compare>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/identity/label.h"

namespace ciliumcore {

// All of its terms must hold; without terms it selects everything. A value.
//
// A key means labels of any source; "k8s:app" means that source alone, and
// "any:app" is "app" again. Where several sources have the key, In asks for one
// of them to have the value, and NotIn for none.
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

  // InvalidArgument if an operator has too few or too many values, or if a key
  // (behind its source) or a value breaks the rules of Kubernetes for labels.
  absl::Status Validate() const;

  // Reads kubectl's form: "app=web, tier in (a, b), env notin (dev), !legacy,
  // track"; also "==", and "!=" for a single notin. The empty text selects
  // everything. InvalidArgument if it is malformed or does not Validate.
  static absl::StatusOr<LabelSelector> Parse(absl::string_view text);

  // "app=web, tier in (a, b), !legacy", which Parse reads; "everything" without
  // terms.
  std::string ToString() const;

  friend auto operator<=>(const LabelSelector&, const LabelSelector&) = default;
};

// "In", "NotIn", "Exists", "DoesNotExist".
absl::string_view OperatorName(LabelSelector::Operator op);

}  // namespace ciliumcore

#endif  // CILIUMCORE_IDENTITY_SELECTOR_H_
