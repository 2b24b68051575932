// SPDX-License-Identifier: Apache-2.0

// Numbers of a range, given again as late as possible.

#ifndef CILIUMCORE_LIB_IDENTITY_NUMBER_POOL_INTERNAL_H_
#define CILIUMCORE_LIB_IDENTITY_NUMBER_POOL_INTERNAL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

namespace ciliumcore::internal {

// Of `first`..`last`, both included. Thread-compatible.
class NumberPool {
 public:
  NumberPool(uint32_t first, uint32_t last)
      : first_(first), last_(last), fresh_(first) {}

  // A number that was never taken or, if there is none, the one that was given
  // back the longest ago; none if all are in use. O(log size), amortized.
  std::optional<uint32_t> Take();

  // Takes this number; false if it is in use or not of the range.
  bool TakeExactly(uint32_t number);

  // Gives back a number that is in use.
  void Give(uint32_t number);

  bool Contains(uint32_t number) const {
    return number >= first_ && number <= last_;
  }
  uint32_t first() const { return first_; }
  uint32_t last() const { return last_; }
  size_t in_use() const { return in_use_.size(); }

 private:
  const uint32_t first_;
  const uint32_t last_;
  uint64_t fresh_;  // numbers from here on were never taken, but by TakeExactly
  absl::flat_hash_set<uint32_t> in_use_;
  // Numbers given back, by when.
  uint64_t now_ = 0;
  std::map<uint64_t, uint32_t> given_;
  absl::flat_hash_map<uint32_t, uint64_t> when_given_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_IDENTITY_NUMBER_POOL_INTERNAL_H_
