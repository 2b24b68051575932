// SPDX-License-Identifier: Apache-2.0

// The errors of maps, worded once for both backends.

#ifndef CILIUMCORE_LIB_MAPS_MAP_ERRORS_INTERNAL_H_
#define CILIUMCORE_LIB_MAPS_MAP_ERRORS_INTERNAL_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/maps/map_spec.h"

namespace ciliumcore::internal {

absl::Status NoSuchKey(const MapInfo& info);
absl::Status KeyExists(const MapInfo& info);
absl::Status MapFull(const MapInfo& info);
absl::Status IndexBeyond(const MapInfo& info);
absl::Status PrefixTooLong(const MapInfo& info);
absl::Status NotErasable(const MapInfo& info);
absl::Status NotMapped(const MapInfo& info);

// What errno `error` means when `action` ("put") on the map met it.
absl::Status MapError(const MapInfo& info, int error, absl::string_view action);

// The same for a call that has no map yet; `subject` says what it was for.
absl::Status BpfError(int error, absl::string_view subject);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_MAPS_MAP_ERRORS_INTERNAL_H_
