// SPDX-License-Identifier: Apache-2.0

// Whether the maps of an instance's services are what its journal says they
// are: a file system check for services.

#ifndef CILIUMCORE_DATAPATH_SERVICE_CHECK_H_
#define CILIUMCORE_DATAPATH_SERVICE_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/datapath/inspect.h"
#include "ciliumcore/service/service.h"

namespace ciliumcore {

// Something that no writer leaves.
struct ServiceFinding {
  enum class Kind : uint8_t {
    kBrokenChain,      // of frontends: it loops, or leads to another's entry
    kMissingService,   // no chain leads to it
    kBrokenSwitch,     // it says what no writer says
    kOrphanService,    // programs find one that nobody wants
    kOverlap,          // two services have one part of cc_maglev or cc_backends
    kOrphanTable,      // a part of cc_maglev is a service's that has no table
    kForeignTable,     // the slots, or the backends, are not the service's own
    kTableSize,        // the table has another size than the backends ask for
    kSlotOutOfRange,   // a slot has a number that is no backend's
    kInactiveSlot,     // a slot has a backend that is to get no new clients
    kWrongCount,       // a backend has more slots, or less, than its weight
    kWrongSlot,        // the right slots, in another order
    kMissingBackend,   // a backend of the service is not there
    kMissingReverse,   // a backend does not say whose it is
    kForeignReverse,   // a backend says that it is another service's
    kWrongCopy,        // a copy of a backend beside its service is another
    kLeakedBackend,    // a backend is in force that no service has
    kWrongAffinity,    // the service remembers clients though it should not, or
                       // the reverse
    kOrphanAffinity,   // a client is remembered for what cannot be a service
    kRemovedAffinity,  // a client is sent to a backend that has been removed
  };

  Kind kind = Kind::kBrokenChain;
  std::string service = {};  // "shop/cart:http 10.96.0.10:80/TCP", or empty
  std::string map = {};      // where it is wrong: "cc_maglev"
  uint32_t entry = 0;        // of the map
  std::string what = {};     // what is there, and what was expected

  // "inactive slot: map cc_maglev, entry 7: service ...: ...".
  std::string ToString() const;

  friend bool operator==(const ServiceFinding&,
                         const ServiceFinding&) = default;
};

// "broken chain", "missing service", ...
absl::string_view ServiceFindingKindName(ServiceFinding::Kind kind);

// How the maps of an instance have its services.
struct ServiceReport {
  uint32_t generation = 0;  // that was read
  uint64_t services = 0;    // of the journal
  // By what is checked in turn: chains, services by frontend, backends, clients
  // that are remembered. Empty: all is well.
  std::vector<ServiceFinding> findings;
};

// What an instance serves, by frontend: as its writer was asked for it, but
// that backends are kQuarantined which health results say do not answer. Its
// process may live or not.
//
// As InspectInstance; DataLoss if the journal is damaged. Thread-safe. Cost:
// reads the journal.
absl::StatusOr<std::vector<ServiceOptions>> ListServices(
    const InspectOptions& instance);

// Reads an instance, whose process may live or not. With a writer at work a
// finding counts only if it is found again; what one prepares, or had prepared
// when it ended, is none.
//
// As InspectInstance; FailedPrecondition if the instance has no services;
// DataLoss if the journal is damaged; Unavailable if the maps changed each time
// that they were read. Thread-safe. Cost: linear in services, their slots and
// backends, and in the room for backends.
absl::StatusOr<ServiceReport> CheckServices(const InspectOptions& instance);

// Writes the services anew, as the journal has them, if there is any finding;
// returns what was found. All frontends are gone for as long as that takes
// (milliseconds): who connects then reaches the frontend's address itself.
// Clients that were remembered are forgotten. Connections stay.
//
// As CheckServices; FailedPrecondition if a process holds the instance (its pid
// is in the message: it has to end first); ResourceExhausted, and nothing is
// touched, if the services or their records do not fit. After an error other
// than these the repair is to be repeated.
absl::StatusOr<ServiceReport> RepairServices(const InspectOptions& instance);

}  // namespace ciliumcore

#endif  // CILIUMCORE_DATAPATH_SERVICE_CHECK_H_
