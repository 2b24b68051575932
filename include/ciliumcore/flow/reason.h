// SPDX-License-Identifier: Apache-2.0

// Why packets are dropped, in words. The numbers are those of abi/reason.h.

#ifndef CILIUMCORE_FLOW_REASON_H_
#define CILIUMCORE_FLOW_REASON_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ciliumcore {

struct DropReason {
  uint8_t number = 0;
  absl::string_view name;    // "policy denied"
  absl::string_view remedy;  // what to look at
};

// Every reason, ascending. The first is 0, "forwarded".
absl::Span<const DropReason> DropReasons();

// The reason of that number, if there is one.
std::optional<DropReason> FindDropReason(uint8_t number);

}  // namespace ciliumcore

#endif  // CILIUMCORE_FLOW_REASON_H_
