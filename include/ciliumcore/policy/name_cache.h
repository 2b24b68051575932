// SPDX-License-Identifier: Apache-2.0

// What DNS names stand for, learned from the answers that somebody sees: the
// memory behind rules for names (toFQDNs).

#ifndef CILIUMCORE_POLICY_NAME_CACHE_H_
#define CILIUMCORE_POLICY_NAME_CACHE_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/policy/policy_input.h"

namespace ciliumcore {

// One address of one name.
struct NameAddress {
  std::string name = {};
  IpAddress address = {};

  friend auto operator<=>(const NameAddress&, const NameAddress&) = default;
};

// Addresses that names do not have any more, and others that they have. Both
// ascend by name, then address. A value.
struct NameChanges {
  std::vector<NameAddress> gone = {};
  std::vector<NameAddress> come = {};

  bool empty() const { return gone.empty() && come.empty(); }

  friend bool operator==(const NameChanges&, const NameChanges&) = default;
};

// The addresses of names, each for as long as an answer said, and then for as
// long as a connection uses it. Feed it with every answer, call Expire when
// NextExpiry says so and whenever the open connections were looked through, and
// hand TakeChanges to Transaction::ChangeNames.
//
// An address that has expired while a connection uses it is *held* (a "zombie"
// in Cilium). As in Cilium it goes on being allowed, and not to that connection
// alone: it is among names() as before, so policy allows new connections to it,
// of every pod with a rule for the name. It goes when nothing uses it any more.
// Otherwise than in Cilium it does not hold the other addresses of its name.
//
// Names are taken in either case of letters, with or without the final dot, and
// given in lower case without it. n is the number of addresses of all names.
//
// Thread-compatible. Has no clock: its callers say what time it is, and one
// that goes back shortens nothing.
class NameCache {
 public:
  struct Options {
    // Answers that are to be forgotten sooner live this long.
    absl::Duration min_ttl = absl::ZeroDuration();
    // Answers that are to be remembered longer live this long, but never less
    // than `min_ttl`. The default is the cap that RFC 8767, section 4,
    // recommends: a TTL is a number of 32 bits, of up to 136 years.
    absl::Duration max_ttl = absl::Hours(7 * 24);
    // How long a held address stays after it was last seen in use, for whoever
    // connects again without asking again.
    absl::Duration grace = absl::ZeroDuration();
    // An address beyond goes in place of the one of its name that expires
    // first, held ones first of all, even if a connection uses it.
    size_t max_addresses_per_name = 1000;
    // Of all names together; addresses beyond are not learned, so that answers
    // for one name cannot displace another's.
    size_t max_addresses = 100'000;
  };

  // What the limits have cost since the beginning, in addresses.
  struct Losses {
    uint64_t displaced = 0;  // by later ones of their name
    uint64_t refused = 0;    // not learned

    friend bool operator==(const Losses&, const Losses&) = default;
  };

  // An address for which the caller knows of an open connection to it.
  using IsInUse = absl::FunctionRef<bool(const IpAddress&)>;

  NameCache() : NameCache(Options()) {}
  explicit NameCache(const Options& options) : options_(options) {}

  NameCache(NameCache&&) = default;
  NameCache& operator=(NameCache&&) = default;

  // An answer: until `now` + `ttl`, within the options' limits, `name` has
  // `addresses`. What is known for longer stays so; a held address is an
  // ordinary one again.
  //
  // InvalidArgument, and nothing is learned, if `name` is none (1 to 253 of
  // letters, digits, '-' and '_', in labels of 1 to 63) or `ttl` is negative.
  // ResourceExhausted if some of the addresses exceeded a limit; they are
  // counted, the others are learned. O(log n) for each address.
  absl::Status Learn(absl::string_view name,
                     absl::Span<const IpAddress> addresses, absl::Duration ttl,
                     absl::Time now);

  // Lets go of what has expired (at its very time, it has) and is not in use.
  // Asks `is_in_use`, which must leave this cache alone, about every address
  // that has expired or is held. O(those * log n), whatever else is known.
  void Expire(absl::Time now, IsInUse is_in_use);

  // When the next address expires that is not held: InfiniteFuture if none
  // does. When a held one may go only connections can tell. O(1).
  absl::Time NextExpiry() const;

  // What is different since the last call, or since the beginning. What has
  // come and gone in between, or gone and come, is not in it. O(changes).
  NameChanges TakeChanges();

  // All of it, by name, each with its addresses in order: what
  // PolicyContext::names takes. O(n).
  std::vector<ResolvedName> names() const;

  // The addresses of `name` in order; none if it is unknown. O(log n) and them.
  std::vector<IpAddress> AddressesOf(absl::string_view name) const;
  // The names that have `address`, in order. O(1) and them.
  std::vector<std::string> NamesOf(const IpAddress& address) const;

  // Addresses of names; one of two names counts twice.
  size_t size() const { return expiring_.size() + held_.size(); }
  // How many of them are held.
  size_t held() const { return held_.size(); }
  const Losses& losses() const { return losses_; }

 private:
  // Of one name. Never empty.
  struct Addresses {
    absl::btree_map<IpAddress, absl::Time> expiries;
    absl::btree_set<std::pair<absl::Time, IpAddress>> by_expiry;
  };
  using Names = std::map<std::string, Addresses, std::less<>>;

  // Names are keys of `names_`, whose nodes stay where they are.
  struct Key {
    absl::string_view name;
    IpAddress address;

    friend std::strong_ordering operator<=>(const Key&, const Key&) = default;
    friend bool operator==(const Key&, const Key&) = default;
  };

  // The parts of Learn, whose `answer` ascends. Gives the known of its
  // addresses at least until `expiry`, and returns the others.
  std::vector<IpAddress> Extend(absl::string_view name,
                                absl::Span<const IpAddress> answer,
                                absl::Time expiry);
  // Removes those of `name` that are not in `answer`, until there is room for
  // `more`, or none is left.
  void Displace(absl::string_view name, absl::Span<const IpAddress> answer,
                size_t more);
  size_t RoomFor(absl::string_view name) const;
  void Add(absl::string_view name, const IpAddress& address, absl::Time expiry);

  // From `expiring_` or `held_`, and from everything else.
  void Unschedule(const Key& key, absl::Time expiry);
  void Forget(const Key& key);
  void NoteChange(const Key& key, bool is_there);

  Options options_;
  Names names_;
  absl::flat_hash_map<IpAddress, absl::btree_set<absl::string_view>> names_of_;
  // Every address is in one of these: by when it expires, or, if it is held,
  // with the time until which it stays though nothing uses it.
  absl::btree_set<std::pair<absl::Time, Key>> expiring_;
  absl::btree_map<Key, absl::Time> held_;
  // Not taken yet: whether it is there now. Never more than were known when
  // changes were last taken, and are known now.
  absl::btree_map<NameAddress, bool> changes_;
  Losses losses_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_NAME_CACHE_H_
