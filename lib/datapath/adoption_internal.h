// SPDX-License-Identifier: Apache-2.0

// Finding in pinned maps what an earlier process left there.

#ifndef CILIUMCORE_LIB_DATAPATH_ADOPTION_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_ADOPTION_INTERNAL_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/base.h"
#include "ciliumcore/maps/mapped_array.h"
#include "lib/datapath/journal_internal.h"

namespace ciliumcore::internal {

// What writers adopt by: the epoch in force, and the journal up to it.
struct Found {
  uint32_t epoch = 0;
  const Journal::Records* records = nullptr;

  // Calls `visit` with the key and the value of each record of that kind.
  template <typename Visit>
  absl::Status ForEach(JournalKind kind, Visit visit) const {
    for (auto it = records->lower_bound({kind, std::string()});
         it != records->end() && it->first.first == kind; ++it) {
      if (absl::Status visited = visit(it->first.second, it->second);
          !visited.ok())
        return visited;
    }
    return absl::OkStatus();
  }
};

// "map cc_tables, entry 7: expected 3 cells, found 4".
template <typename... Args>
absl::Status DamagedEntry(const char* map, uint32_t entry,
                          const Args&... what) {
  return absl::DataLossError(
      absl::StrCat("map ", map, ", entry ", entry, ": ", what...));
}

// What a switch word says at `epoch`. A change that was prepared for a later
// one, by a process that died before it published it, is taken back.
inline uint16_t SettleSwitch(__u64* word, uint32_t epoch) {
  const uint64_t value = LoadAcquire(word);
  const uint16_t picked = cc_switch_pick(value, epoch);
  if (static_cast<int32_t>(epoch - static_cast<uint32_t>(value >> 32)) < 0)
    StoreRelease(word, __u64{CC_SWITCH(epoch, picked, picked)});
  return picked;
}

inline uint32_t SwitchedSince(const __u64* word) {
  return static_cast<uint32_t>(LoadAcquire(word) >> 32);
}

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_ADOPTION_INTERNAL_H_
