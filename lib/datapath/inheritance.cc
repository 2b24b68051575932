// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/inheritance_internal.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/maps/mapped_array.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/config_internal.h"
#include "lib/datapath/program_set_internal.h"
#include "lib/datapath/sock_programs_internal.h"

namespace ciliumcore::internal {
namespace {

// Of every map of the programs; see HasSameRoom.
absl::StatusOr<bool> HaveSameRoom(const DatapathOptions& options,
                                  const Pins& pins) {
  CC_ASSIGN_OR_RETURN(const bool endpoints,
                      ProgramSet::HasSameRoom(options, pins));
  const bool had_services = Pins::Get(pins.MapPath("cc_services")).valid();
  if (!endpoints || had_services != !options.cgroup.empty()) return false;
  if (options.cgroup.empty()) return true;
  return SockPrograms::HasSameRoom(options, pins);
}

}  // namespace

absl::StatusOr<Inheritance> FindInheritance(const DatapathOptions& options,
                                            const Pins& pins) {
  Inheritance found;
  if (!pins.HasState()) return found;
  CC_ASSIGN_OR_RETURN(const auto state, MappedArray<cc_state>::OpenPinned(
                                            pins.MapPath("cc_state")));
  const uint32_t epoch = LoadAcquire(&state[0].epoch);
  found.reuse = Reuse::kConnections;
  found.epoch = epoch + 2;
  CC_ASSIGN_OR_RETURN(Journal::Lines lines,
                      Journal::Lines::OpenPinned(pins.MapPath("cc_journal")));
  const bool same_journal =
      lines.size() == JournalLines(options.capacity.journal_bytes);
  absl::StatusOr<Journal> journal = Journal::Recover(std::move(lines), epoch);
  if (absl::IsUnimplemented(journal.status())) return found;
  if (!journal.ok()) return journal.status();
  CC_ASSIGN_OR_RETURN(const bool same_room, HaveSameRoom(options, pins));
  if (!same_room || !same_journal) return found;
  found.reuse =
      journal->build() == BuildOf(options) ? Reuse::kAll : Reuse::kMaps;
  found.epoch = epoch;
  found.journal = *std::move(journal);
  return found;
}

uint64_t BuildOf(const DatapathOptions& options) {
  const cc_config config = ConfigOf(options);
  uint64_t hash = HashBytes(kHashBegin, &config, sizeof(config));
  hash = ProgramSet::HashBuild(hash);
  if (!options.cgroup.empty()) hash = SockPrograms::HashBuild(hash);
  return std::max<uint64_t>(1, hash);
}

uint32_t JournalLines(uint32_t bytes) {
  const auto of_bank =
      static_cast<uint32_t>(bytes / 2 / sizeof(cc_journal_line));
  return 1 + 2 * std::max(1u, of_bank);
}

}  // namespace ciliumcore::internal
