// SPDX-License-Identifier: Apache-2.0

// What is read is written so that it is read again.

#include <cstddef>
#include <cstdint>

#include "ciliumcore/identity/label.h"
#include "tests/fuzz/fuzz_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ciliumcore::FuzzCheck;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto label = ciliumcore::Label::Parse(text); label.ok()) {
    const auto again = ciliumcore::Label::Parse(label->ToString());
    FuzzCheck(again.ok() && *again == *label, "a label reads what it prints");
  }
  if (const auto labels = ciliumcore::Labels::Parse(text); labels.ok()) {
    const auto again = ciliumcore::Labels::Parse(labels->CanonicalKey());
    FuzzCheck(again.ok() && *again == *labels, "labels read their key");
  }
  return 0;
}
