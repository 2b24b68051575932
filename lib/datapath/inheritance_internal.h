// SPDX-License-Identifier: Apache-2.0

// What a new process of an instance takes from the one before it.

#ifndef CILIUMCORE_LIB_DATAPATH_INHERITANCE_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_INHERITANCE_INTERNAL_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "ciliumcore/datapath/options.h"
#include "lib/datapath/bpf_objects_internal.h"
#include "lib/datapath/journal_internal.h"
#include "lib/datapath/pins_internal.h"

namespace ciliumcore::internal {

struct Inheritance {
  Reuse reuse = Reuse::kNothing;
  // Where epochs go on: with kMaps and kAll the one in force, else one that is
  // later than all that records remember.
  uint32_t epoch = 1;
  std::optional<Journal> journal;  // with kMaps and kAll
};

// What there is for a process with `options`. If the room of the maps, or their
// version, is another: connections. If programs or their configuration are:
// the maps. FailedPrecondition or DataLoss, with every difference, if what is
// pinned was not made by this library, or is damaged.
absl::StatusOr<Inheritance> FindInheritance(const DatapathOptions& options,
                                            const Pins& pins);

// Tells programs and configurations apart; not 0.
uint64_t BuildOf(const DatapathOptions& options);

// Of the map cc_journal for that many bytes: a header and two banks.
uint32_t JournalLines(uint32_t bytes);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_INHERITANCE_INTERNAL_H_
