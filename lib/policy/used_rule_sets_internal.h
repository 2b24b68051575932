// SPDX-License-Identifier: Apache-2.0

// The rule sets of the tables in use.

#ifndef CILIUMCORE_LIB_POLICY_USED_RULE_SETS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_USED_RULE_SETS_INTERNAL_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ciliumcore/base/shared_map.h"
#include "ciliumcore/policy/rule_set.h"
#include "lib/policy/table_cache_internal.h"

namespace ciliumcore {

// Kept from one compilation to the next. Thread-compatible.
class UsedRuleSets {
 public:
  // Those of `tables` are in use now, and no others. O(tables), and what is in
  // the lists that were not in use before or are not any more.
  void Set(const std::vector<const BuiltTable*>& tables);

  const SharedMap<uint32_t, RuleSetRef>& sets() const { return sets_; }

 private:
  struct Held {
    RuleSetList list;  // keeps the address from meaning another
    uint64_t round = 0;
  };
  struct Used {
    RuleSetRef set;
    uint32_t lists = 0;
  };

  absl::flat_hash_map<const RuleSetList::element_type*, Held> held_;
  absl::flat_hash_map<uint32_t, Used> used_;  // by id
  SharedMap<uint32_t, RuleSetRef> sets_;      // the same
  uint64_t round_ = 0;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_USED_RULE_SETS_INTERNAL_H_
