// SPDX-License-Identifier: Apache-2.0

// Who of an intent has which address.

#ifndef CILIUMCORE_LIB_DATAPATH_ADDRESS_OWNERS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_ADDRESS_OWNERS_INTERNAL_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "ciliumcore/base/ip.h"
#include "lib/datapath/intent_internal.h"

namespace ciliumcore::internal {

// Kept from one intent to the next: only what differs between them is looked
// at. Not thread-safe.
class AddressOwners {
 public:
  // InvalidArgument if an endpoint of `next` has no or too many addresses, or
  // an address belongs to two; the reference's status if an identity is none.
  // `held` is the intent of the last Take.
  absl::Status Check(const Intent& held, const Intent& next) const;

  // `next`, which passed Check, is held from now on.
  void Take(const Intent& held, const Intent& next);

 private:
  // An endpoint's interface, or else a remote's first address.
  struct Owner {
    std::string interface;
    IpAddress remote;

    std::string ToString() const;
  };
  using Owned = std::pair<IpAddress, Owner>;

  struct Changes {
    std::vector<IpAddress> released;
    std::vector<Owned> claimed;
  };

  static Changes Between(const Intent& held, const Intent& next);

  absl::flat_hash_map<IpAddress, Owner> owners_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_ADDRESS_OWNERS_INTERNAL_H_
