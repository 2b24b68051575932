// SPDX-License-Identifier: Apache-2.0

// Sets of ports by number, so that the same sets are combined only once.

#ifndef CILIUMCORE_LIB_POLICY_PORT_SETS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_PORT_SETS_INTERNAL_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ciliumcore/policy/matrix.h"
#include "ciliumcore/policy/verdict_table.h"

namespace ciliumcore {

// Thread-compatible.
class PortSets {
 public:
  static constexpr uint32_t kNone = 0;
  static constexpr uint32_t kEvery = 1;

  PortSets();

  // What class `cls` of `table` is allowed.
  uint32_t Of(const CompiledTable& table, uint32_t cls);

  uint32_t Intersection(uint32_t a, uint32_t b);
  uint32_t Union(uint32_t a, uint32_t b);

  // By number; [kNone] is empty.
  const std::vector<PortSpans>& sets() const { return sets_; }

 private:
  using Combined = absl::flat_hash_map<uint64_t, uint32_t>;

  uint32_t Intern(PortSpans spans);

  std::vector<PortSpans> sets_;
  absl::flat_hash_map<PortSpans, uint32_t> numbers_;
  Combined intersections_;
  Combined unions_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_PORT_SETS_INTERNAL_H_
