// SPDX-License-Identifier: Apache-2.0

// A filter reads what it prints, and passes the same.

#include <cstddef>
#include <cstdint>

#include "ciliumcore/flow/filter.h"
#include "tests/flow/records.h"
#include "tests/fuzz/fuzz_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ciliumcore::Flow;
  using ciliumcore::FlowFilter;
  using ciliumcore::FuzzCheck;
  using ciliumcore::testing::BytesOf;
  static const ciliumcore::testing::TwoPods directory;
  static const Flow flow = *ciliumcore::DecodeFlow(
      BytesOf(ciliumcore::testing::Record(CC_EVENT_DROP)), directory);
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto filter = FlowFilter::Parse(text);
  if (!filter.ok()) {
    FuzzCheck(absl::IsInvalidArgument(filter.status()), "it says why");
    return 0;
  }
  const std::string printed = filter->ToString();
  const auto again = FlowFilter::Parse(printed);
  FuzzCheck(again.ok(), "it reads what it prints");
  FuzzCheck(again->ToString() == printed, "what it prints is settled");
  FuzzCheck(again->Matches(flow) == filter->Matches(flow),
            "it passes the same");
  return 0;
}
