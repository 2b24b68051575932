// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/flow/reason.h"

#include "ciliumcore/abi/reason.h"

namespace ciliumcore {
namespace {

constexpr DropReason kReasons[] = {
#define CC_REASON_ROW(name, number, text, remedy) {number, text, remedy},
    CC_REASONS(CC_REASON_ROW)
#undef CC_REASON_ROW
};

}  // namespace

absl::Span<const DropReason> DropReasons() { return kReasons; }

std::optional<DropReason> FindDropReason(uint8_t number) {
  for (const DropReason& reason : kReasons) {
    if (reason.number == number) return reason;
  }
  return std::nullopt;
}

}  // namespace ciliumcore
