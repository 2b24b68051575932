// SPDX-License-Identifier: Apache-2.0

// IpCache<V>: what is known of addresses, exact ones before prefixes. The model
// of the datapath's two maps, and pure.

#ifndef CILIUMCORE_IDENTITY_IP_CACHE_H_
#define CILIUMCORE_IDENTITY_IP_CACHE_H_

#include <array>
#include <cstddef>
#include <map>
#include <utility>

#include "ciliumcore/base/ip.h"

namespace ciliumcore {

// Maps prefixes to values; an address has the value of the longest prefix
// around it. The two families never meet: ::/0 is not around an IPv4 address.
//
// A value; thread-compatible. Pointers and iterators live until their entry is
// erased.
template <typename V>
class IpCache {
  using Map = std::map<IpPrefix, V>;

 public:
  using value_type = typename Map::value_type;  // pair<const IpPrefix, V>
  using const_iterator = typename Map::const_iterator;

  // Sets the value of exactly this prefix; true if it had none. O(log size).
  bool Upsert(const IpPrefix& prefix, V value) {
    const bool added =
        entries_.insert_or_assign(prefix, std::move(value)).second;
    if (added) ++lengths(prefix)[prefix.length()];
    return added;
  }

  // Removes the value of exactly this prefix; false if it had none.
  bool Erase(const IpPrefix& prefix) {
    const bool erased = entries_.erase(prefix) != 0;
    if (erased) --lengths(prefix)[prefix.length()];
    return erased;
  }

  // The value of exactly this prefix, or null.
  const V* Find(const IpPrefix& prefix) const {
    const auto found = entries_.find(prefix);
    return found == entries_.end() ? nullptr : &found->second;
  }

  // The value of `address`: of its own entry if it has one, else of the longest
  // prefix around it; null if there is none. O(log size) for each length of
  // prefix in use.
  const V* Lookup(const IpAddress& address) const {
    const value_type* entry = LookupEntry(address);
    return entry == nullptr ? nullptr : &entry->second;
  }

  // The same, with the prefix.
  const value_type* LookupEntry(const IpAddress& address) const {
    return Longest(address, address.is_v4() ? 32 : 128);
  }

  // The entry of the longest prefix around `prefix` that is shorter than it, or
  // null. `prefix` itself need not have an entry.
  const value_type* CoveringOf(const IpPrefix& prefix) const {
    return Longest(prefix.address(), prefix.length() - 1);
  }

  // Every entry; a prefix comes before those inside it.
  const_iterator begin() const { return entries_.begin(); }
  const_iterator end() const { return entries_.end(); }
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }

  void Clear() { *this = IpCache(); }

  friend bool operator==(const IpCache& a, const IpCache& b) {
    return a.entries_ == b.entries_;
  }

 private:
  // How many entries there are of each length.
  using Lengths = std::array<size_t, 129>;

  Lengths& lengths(const IpPrefix& prefix) {
    return prefix.is_v4() ? v4_lengths_ : v6_lengths_;
  }

  const value_type* Longest(const IpAddress& address, int length) const {
    const Lengths& lengths = address.is_v4() ? v4_lengths_ : v6_lengths_;
    for (; length >= 0; --length) {
      if (lengths[length] == 0) continue;
      const auto found = entries_.find(IpPrefix::Of(address, length));
      if (found != entries_.end()) return &*found;
    }
    return nullptr;
  }

  Map entries_;
  Lengths v4_lengths_ = {};
  Lengths v6_lengths_ = {};
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_IDENTITY_IP_CACHE_H_
