// SPDX-License-Identifier: Apache-2.0

// Which policies select whom.

#ifndef CILIUMCORE_LIB_POLICY_SELECTIONS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_SELECTIONS_INTERNAL_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lib/policy/cell_decision_internal.h"
#include "lib/policy/policy_unit_internal.h"

namespace ciliumcore {

// Groups that the same units select, in both directions: one audience.
struct Audience {
  SubjectUnits units[2];  // by direction: those that say anything of it
  PortNames ports;        // that ingress rules of these units name

  const SubjectUnits& of(Direction direction) const {
    return units[static_cast<int>(direction)];
  }
};

// Thread-compatible.
class Selections {
 public:
  // Cost: the units, and the groups of the different selectors among them.
  void Update(size_t groups, const PolicyUnits& units);

  // Before the first Update there are none.
  bool empty() const { return audiences_.empty(); }
  size_t size() const { return audiences_.size(); }

  uint32_t IndexOf(uint32_t group) const { return audience_of_group_[group]; }
  const Audience& at(uint32_t index) const { return audiences_[index]; }

 private:
  std::vector<Audience> audiences_;
  std::vector<uint32_t> audience_of_group_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_SELECTIONS_INTERNAL_H_
