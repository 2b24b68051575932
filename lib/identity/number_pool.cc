// SPDX-License-Identifier: Apache-2.0

#include "lib/identity/number_pool_internal.h"

namespace ciliumcore::internal {

std::optional<uint32_t> NumberPool::Take() {
  for (; fresh_ <= last_; ++fresh_) {
    const auto number = static_cast<uint32_t>(fresh_);
    if (when_given_.contains(number)) continue;
    if (!in_use_.insert(number).second) continue;
    ++fresh_;
    return number;
  }
  if (given_.empty()) return std::nullopt;
  const uint32_t number = given_.begin()->second;
  TakeExactly(number);
  return number;
}

bool NumberPool::TakeExactly(uint32_t number) {
  if (!Contains(number) || !in_use_.insert(number).second) return false;
  if (const auto found = when_given_.find(number); found != when_given_.end()) {
    given_.erase(found->second);
    when_given_.erase(found);
  }
  return true;
}

void NumberPool::Give(uint32_t number) {
  if (in_use_.erase(number) == 0) return;
  given_.emplace(now_, number);
  when_given_.emplace(number, now_);
  ++now_;
}

}  // namespace ciliumcore::internal
