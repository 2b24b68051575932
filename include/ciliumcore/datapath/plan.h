// SPDX-License-Identifier: Apache-2.0

// What a change would write.

#ifndef CILIUMCORE_DATAPATH_PLAN_H_
#define CILIUMCORE_DATAPATH_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

namespace ciliumcore {

// One thing that a change adds, alters or ends.
struct PlannedChange {
  enum class Action { kAdd, kAlter, kEnd };

  Action action = Action::kAdd;
  std::string subject;  // "endpoint veth-web", "address 10.0.0.1"

  // "+ endpoint veth-web", "~ ...", "- ...".
  std::string ToString() const;

  friend bool operator==(const PlannedChange&, const PlannedChange&) = default;
};

// Entries of a map that a change takes beside those in use.
struct PlannedRoom {
  std::string map;
  uint64_t wanted = 0;
  uint64_t used = 0, capacity = 0;  // before the change

  // What is retired by the change or was by earlier ones makes room only later.
  bool fits() const { return used + wanted <= capacity; }

  friend bool operator==(const PlannedRoom&, const PlannedRoom&) = default;
};

struct ChangePlan {
  // Endpoints, verdict tables, addresses, prefixes and services, in this order.
  std::vector<PlannedChange> changes;
  std::vector<PlannedRoom> room;  // only maps of which entries are wanted

  // Nothing would be written, and the generation would stay.
  bool empty() const { return changes.empty(); }
  // A line each; ends with what does not fit.
  std::string ToString() const;

  friend bool operator==(const ChangePlan&, const ChangePlan&) = default;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_DATAPATH_PLAN_H_
