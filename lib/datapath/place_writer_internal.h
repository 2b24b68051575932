// SPDX-License-Identifier: Apache-2.0

// Writes addresses and prefixes, so that they change with the epoch.

#ifndef CILIUMCORE_LIB_DATAPATH_PLACE_WRITER_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_PLACE_WRITER_INTERNAL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "ciliumcore/base/ip.h"
#include "lib/datapath/address_index_internal.h"
#include "lib/datapath/adoption_internal.h"
#include "lib/datapath/desired_internal.h"
#include "lib/datapath/grace_internal.h"
#include "lib/datapath/pools_internal.h"
#include "lib/datapath/published_maps_internal.h"

namespace ciliumcore::internal {

// An entry of the hash or the trie stays where it is while its value changes,
// and longer: one that nobody wants any more takes the value that the address
// has without it, and is erased after that epoch's grace period. So every
// lookup of a packet under way finds what was true at the packet's epoch.
class PlaceWriter {
 public:
  PlaceWriter(PublishedMaps* maps, GraceKeeper* grace);

  // Goes on where an earlier process ended; before anything is staged.
  // DataLoss if the maps are not such as a writer leaves.
  absl::Status Adopt(const Found& found);

  // What Stage would do.
  void Plan(const PlaceTable& desired, ChangePlan& plan) const;

  // Prepares `desired` to be true from epoch `next` on. On an error the caller
  // undoes `staging`.
  absl::Status Stage(const PlaceTable& desired, uint32_t next,
                     Staging& staging);

  // The same where addresses change that are told apart from now on (a value)
  // or not any more (none), and all else stays. O(what changes).
  struct AddressChange {
    IpAddress address;
    std::optional<PlaceValue> value;
  };
  absl::Status Stage(std::vector<AddressChange> changes, uint32_t next,
                     Staging& staging);

  // Erases what nobody wants any more, if its grace period is over; Stage does
  // that too. O(1) if there is nothing.
  void Sweep(uint32_t next);

  // What is true now.
  const PlaceTable& current() const { return current_; }

  // Whether an address has that peer now. O(addresses) once for each change of
  // all of them.
  bool Has(uint32_t peer);

 private:
  struct Live {
    uint32_t place = 0;
    uint32_t since = 0;   // the epoch that its value is from
    uint32_t needed = 0;  // the last that was prepared with this entry in it
    uint8_t slot = 0;     // where the value is
    PlaceValue value;
  };

  template <typename Key>
  struct Lives {
    std::map<Key, Live> live;
    std::set<Key> unwanted;  // those of them that are on their way out
  };

  template <typename Key>
  absl::Status AdoptOne(const Key& key, uint32_t place, const Found& found,
                        Lives<Key>& lives);
  template <typename Key>
  absl::Status StageAll(const PlaceTable& desired, uint32_t next,
                        Staging& staging, Lives<Key>& lives);
  // An entry that epoch `next` changes or wants makes no room for others.
  static void Keep(Live& live, uint32_t next, Staging& staging);
  // What an address gets that is not told apart may be another from `next` on.
  void NoteChange(const IpPrefix& prefix, uint32_t next, Staging& staging);
  void NoteChange(const IpAddress&, uint32_t, Staging&) {}
  // Whether no packet is under way to which it could mean something else than
  // its absence, if they mean the same now.
  bool IsOver(const Live& live) const;
  absl::Status StageChange(Live& live, PlaceValue value, uint32_t next,
                           Staging& staging);
  template <typename Key>
  absl::Status StageNew(const Key& key, PlaceValue value, uint32_t next,
                        Staging& staging, Lives<Key>& lives);
  template <typename Key>
  void NoteUnwanted(Lives<Key>& lives);
  void SetCurrent(const AddressChange& change);
  template <typename Key>
  void EraseUnwanted(uint32_t next, Lives<Key>& lives);

  absl::Status PutRef(const IpAddress& address, uint32_t place);
  absl::Status PutRef(const IpPrefix& prefix, uint32_t place);
  absl::Status EraseRef(const IpAddress& address, uint32_t place);
  absl::Status EraseRef(const IpPrefix& prefix, uint32_t place);

  PublishedMaps* const maps_;
  GraceKeeper* const grace_;
  AddressIndex index_;
  RangePool places_;
  PlaceTable current_;
  // The epoch of the last change of prefixes by this process.
  std::optional<uint32_t> prefixes_since_;
  // Of current_: how many addresses and prefixes have each.
  std::optional<absl::flat_hash_map<uint32_t, uint32_t>> peers_;
  Lives<IpAddress> addresses_;
  Lives<IpPrefix> prefixes_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_PLACE_WRITER_INTERNAL_H_
