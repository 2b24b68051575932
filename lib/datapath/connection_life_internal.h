// SPDX-License-Identifier: Apache-2.0

// Which records of cc_conntrack are those of connections.

#ifndef CILIUMCORE_LIB_DATAPATH_CONNECTION_LIFE_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_CONNECTION_LIFE_INTERNAL_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ciliumcore/abi/layouts.h"

namespace ciliumcore::internal {

// What packets make of records now: by the configuration of an instance's
// pinned programs, and the clock that they read. A value.
class ConnectionLife {
 public:
  // `directory`: of the instance. NotFound if it has no programs; the errors of
  // loading one that reads the clock.
  static absl::StatusOr<ConnectionLife> Of(const std::string& directory);

  // False of a record that no packet believes any more. It stays until the
  // kernel gives its room to another, or a packet of the same addresses and
  // ports opens a connection.
  bool IsLive(const cc_ct_key& key, const cc_ct& record) const;

  // Since the record's last packet.
  absl::Duration SilenceOf(const cc_ct& record) const;

 private:
  ConnectionLife(const cc_config& config, uint32_t now)
      : config_(config), now_(now) {}

  cc_config config_;
  uint32_t now_;  // in ticks
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_CONNECTION_LIFE_INTERNAL_H_
