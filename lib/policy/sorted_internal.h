// SPDX-License-Identifier: Apache-2.0

// Vectors as sets: ascending, no two equal.

#ifndef CILIUMCORE_LIB_POLICY_SORTED_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_SORTED_INTERNAL_H_

#include <algorithm>
#include <vector>

namespace ciliumcore {

template <typename T>
void SortUnique(std::vector<T>& values) {
  if (!std::is_sorted(values.begin(), values.end())) {
    std::sort(values.begin(), values.end());
  }
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

template <typename T>
void InsertSorted(std::vector<T>& set, const T& value) {
  const auto at = std::lower_bound(set.begin(), set.end(), value);
  if (at == set.end() || *at != value) set.insert(at, value);
}

template <typename T>
void EraseSorted(std::vector<T>& set, const T& value) {
  const auto at = std::lower_bound(set.begin(), set.end(), value);
  if (at != set.end() && *at == value) set.erase(at);
}

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_SORTED_INTERNAL_H_
