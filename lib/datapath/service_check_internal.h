// SPDX-License-Identifier: Apache-2.0

// The check of service maps as a pure function of what was read.

#ifndef CILIUMCORE_LIB_DATAPATH_SERVICE_CHECK_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_SERVICE_CHECK_INTERNAL_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/datapath/service_check.h"
#include "lib/datapath/journal_codec_internal.h"
#include "lib/datapath/journal_internal.h"

namespace ciliumcore::internal {

struct ServiceSight {
  uint32_t epoch = 0;
  uint32_t seed = 0, mask = 0;  // of the hash
  absl::Span<const cc_service_heads> heads;
  absl::Span<const cc_service> services;
  absl::Span<const cc_service_slots> slots;
  absl::Span<const cc_backend> backends;
  std::vector<std::pair<cc_affinity_key, cc_affinity>> affinity = {};
  std::map<Frontend, JournalService> wanted = {};
};

// The services that the journal has. DataLoss if a record cannot be read.
absl::StatusOr<std::map<Frontend, JournalService>> ServicesIn(
    const Journal::Records& records);

std::vector<ServiceFinding> FindingsIn(const ServiceSight& sight);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_SERVICE_CHECK_INTERNAL_H_
