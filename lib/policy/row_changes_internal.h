// SPDX-License-Identifier: Apache-2.0

// What changes between two judgements of a pair, whatever pair it is.

#ifndef CILIUMCORE_LIB_POLICY_ROW_CHANGES_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_ROW_CHANGES_INTERNAL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ciliumcore/policy/diff.h"
#include "lib/policy/meanings_internal.h"

namespace ciliumcore {

// The rows that judge a pair on one side.
struct PairRows {
  static constexpr uint32_t kAbsent = 0xffffffff;  // both: no such pair

  uint32_t egress = kAbsent;
  uint32_t ingress = kAbsent;

  friend auto operator<=>(const PairRows&, const PairRows&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const PairRows& rows) {
    return H::combine(std::move(h), rows.egress, rows.ingress);
  }
};

// Ports that fare alike.
struct RowChange {
  PolicyDiff::Kind kind = PolicyDiff::Kind::kOpens;
  uint32_t ports = 0;       // index in port_sets()
  uint64_t port_count = 0;  // of them
  std::optional<PairDecision> before;
  std::optional<PairDecision> after;
};

// Compares rows of one Meanings, each combination once. Thread-compatible.
class RowChanges {
 public:
  // Must outlive the result.
  explicit RowChanges(const Meanings& meanings) : meanings_(meanings) {}

  // Numbers of changes, by kind; valid until the next call.
  const std::vector<uint32_t>& Between(const PairRows& before,
                                       const PairRows& after);

  const RowChange& change(uint32_t number) const { return changes_[number]; }
  const std::vector<std::vector<PortKeyRange>>& port_sets() const {
    return port_sets_;
  }

 private:
  // Ports, before, after.
  using Key = std::tuple<uint32_t, std::optional<PairDecision>,
                         std::optional<PairDecision>>;

  std::vector<uint32_t> Compare(const PairRows& before, const PairRows& after);
  uint32_t Intern(RowChange change);
  uint32_t PortSetOf(std::vector<PortKeyRange> ports);

  const Meanings& meanings_;
  std::vector<RowChange> changes_;  // no two are equal
  std::map<Key, uint32_t> change_numbers_;
  absl::flat_hash_map<std::pair<PairRows, PairRows>, std::vector<uint32_t>>
      compared_;
  std::vector<std::vector<PortKeyRange>> port_sets_;
  absl::flat_hash_map<std::vector<PortKeyRange>, uint32_t> port_set_numbers_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_ROW_CHANGES_INTERNAL_H_
