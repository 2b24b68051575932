// SPDX-License-Identifier: Apache-2.0

// A selector reads what it prints, and each requirement is the opposite of its
// opposite.

#include <cstddef>
#include <cstdint>

#include "ciliumcore/identity/selector.h"
#include "tests/fuzz/fuzz_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ciliumcore::FuzzCheck;
  using ciliumcore::LabelSelector;
  using Operator = LabelSelector::Operator;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto selector = LabelSelector::Parse(text);
  if (!selector.ok()) return 0;
  FuzzCheck(selector->Validate().ok(), "what is read is valid");
  if (!selector->matches_everything()) {
    const auto again = LabelSelector::Parse(selector->ToString());
    FuzzCheck(again.ok() && *again == *selector, "it reads what it prints");
  }
  ciliumcore::Labels labels;
  for (const auto& [key, value] : selector->match_labels) {
    labels.Set(key, value);
  }
  for (const auto& term : selector->match_expressions) {
    auto opposite = term;
    opposite.op = term.op == Operator::kIn       ? Operator::kNotIn
                  : term.op == Operator::kNotIn  ? Operator::kIn
                  : term.op == Operator::kExists ? Operator::kDoesNotExist
                                                 : Operator::kExists;
    FuzzCheck(term.Matches(labels) != opposite.Matches(labels),
              "a requirement or its opposite matches");
  }
  return 0;
}
