// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/place_writer_internal.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {
namespace {

cc_prefix_key KeyOf(const IpPrefix& prefix) {
  return {.bits = static_cast<uint32_t>(prefix.bits()),
          .addr = abi::ToAddr(prefix.address())};
}

cc_place_value ToAbi(PlaceValue value) {
  return {.peer = value.peer, .where = value.where, .pad = 0};
}

}  // namespace

PlaceWriter::PlaceWriter(PublishedMaps* maps, GraceKeeper* grace)
    : maps_(maps),
      grace_(grace),
      index_(&maps->state[0], maps->addresses.entries(),
             maps->places.entries()),
      places_("cc_places", 1, static_cast<uint32_t>(maps->places.size())) {}

absl::Status PlaceWriter::PutRef(const IpAddress& address, uint32_t place) {
  const size_t room = AddressIndex::EntriesOf(maps_->addresses.size());
  if (addresses_.live.size() >= room) {
    return absl::ResourceExhaustedError(absl::StrCat(
        address.ToString(), ": map cc_addrs is full: ", addresses_.live.size(),
        " of ", room, " addresses in use"));
  }
  return index_.Link(address, place);
}

absl::Status PlaceWriter::PutRef(const IpPrefix& prefix, uint32_t place) {
  return Annotate(maps_->prefixes.Put(KeyOf(prefix), place), prefix.ToString());
}

absl::Status PlaceWriter::EraseRef(const IpAddress&, uint32_t place) {
  index_.Unlink(place);
  return absl::OkStatus();
}

absl::Status PlaceWriter::EraseRef(const IpPrefix& prefix, uint32_t) {
  return maps_->prefixes.Erase(KeyOf(prefix));
}

absl::Status PlaceWriter::Stage(const PlaceTable& desired, uint32_t next,
                                Staging& staging) {
  Sweep(next);
  CC_RETURN_IF_ERROR(StageAll(desired, next, staging, addresses_));
  CC_RETURN_IF_ERROR(StageAll(desired, next, staging, prefixes_));
  staging.OnPublished([this, desired] {
    current_ = desired;
    peers_.reset();
    NoteUnwanted(addresses_);
    NoteUnwanted(prefixes_);
  });
  return absl::OkStatus();
}

absl::Status PlaceWriter::Stage(std::vector<AddressChange> changes,
                                uint32_t next, Staging& staging) {
  Sweep(next);
  for (const AddressChange& change : changes) {
    const auto live = addresses_.live.find(change.address);
    if (change.value.has_value() && live != addresses_.live.end()) {
      Keep(live->second, next, staging);
    }
  }
  for (const AddressChange& change : changes) {
    const PlaceValue value =
        change.value.value_or(current_.Outside(change.address));
    const auto live = addresses_.live.find(change.address);
    if (live == addresses_.live.end()) {
      if (!change.value.has_value()) continue;
      CC_RETURN_IF_ERROR(
          StageNew(change.address, value, next, staging, addresses_));
    } else if (live->second.value != value) {
      CC_RETURN_IF_ERROR(StageChange(live->second, value, next, staging));
    }
  }
  staging.OnPublished([this, changes = std::move(changes)] {
    for (const AddressChange& change : changes) SetCurrent(change);
  });
  return absl::OkStatus();
}

void PlaceWriter::SetCurrent(const AddressChange& change) {
  const auto& [address, value] = change;
  const auto before = current_.addresses().find(address);
  if (peers_.has_value() && before != current_.addresses().end() &&
      --(*peers_)[before->second.peer] == 0) {
    peers_->erase(before->second.peer);
  }
  if (value.has_value()) {
    current_.SetAddress(address, *value);
    addresses_.unwanted.erase(address);
    if (peers_.has_value()) ++(*peers_)[value->peer];
  } else {
    current_.EraseAddress(address);
    addresses_.unwanted.insert(address);
  }
}

template <typename Key>
void PlaceWriter::NoteUnwanted(Lives<Key>& lives) {
  lives.unwanted.clear();
  for (const auto& [key, live] : lives.live) {
    if (!current_.Has(key)) lives.unwanted.insert(lives.unwanted.end(), key);
  }
}

void PlaceWriter::Sweep(uint32_t next) {
  EraseUnwanted(next, addresses_);
  EraseUnwanted(next, prefixes_);
}

bool PlaceWriter::Has(uint32_t peer) {
  if (!peers_.has_value()) {
    ++peers_.emplace()[CC_IDENTITY_WORLD];
    for (const auto& [address, value] : current_.addresses())
      ++(*peers_)[value.peer];
    for (const auto& [prefix, value] : current_.prefixes())
      ++(*peers_)[value.peer];
  }
  return peers_->contains(peer);
}

void PlaceWriter::NoteChange(const IpPrefix&, uint32_t next, Staging& staging) {
  staging.OnPublished([this, next] { prefixes_since_ = next; });
}

bool PlaceWriter::IsOver(const Live& live) const {
  return grace_->IsOver(live.since) &&
         (!prefixes_since_.has_value() || grace_->IsOver(*prefixes_since_));
}

void PlaceWriter::Keep(Live& live, uint32_t next, Staging& staging) {
  if (live.needed == next) return;
  live.needed = next;
  staging.OnFailure([&live] { live.needed = 0; });
}

// Where neither the entry nor a prefix has changed since packets began that are
// under way, an entry that was given up means to all of them what its absence
// means. Whoever has looked one up already may still read its place until the
// end of the next grace period.
template <typename Key>
void PlaceWriter::EraseUnwanted(uint32_t next, Lives<Key>& lives) {
  for (auto it = lives.unwanted.begin(); it != lives.unwanted.end();) {
    const auto live = lives.live.find(*it);
    const bool is_gone = live == lives.live.end() || current_.Has(*it);
    if (!is_gone && (live->second.needed == next || !IsOver(live->second) ||
                     !EraseRef(*it, live->second.place).ok())) {
      ++it;
      continue;
    }
    if (!is_gone) {
      places_.Retire(live->second.place, 1, next);
      lives.live.erase(live);
    }
    it = lives.unwanted.erase(it);
  }
}

template <typename Key>
absl::Status PlaceWriter::StageAll(const PlaceTable& desired, uint32_t next,
                                   Staging& staging, Lives<Key>& lives) {
  for (const Key& key : lives.unwanted) {
    const auto live = lives.live.find(key);
    if (live != lives.live.end() && desired.Has(key)) {
      Keep(live->second, next, staging);
    }
  }
  for (auto& [key, entry] : lives.live) {
    const PlaceValue value = desired.Of(key);
    if (value == entry.value) continue;
    NoteChange(key, next, staging);
    CC_RETURN_IF_ERROR(StageChange(entry, value, next, staging));
  }
  const auto stage_new = [&](const Key& key, PlaceValue value) -> absl::Status {
    if (lives.live.contains(key)) return absl::OkStatus();
    NoteChange(key, next, staging);
    return StageNew(key, value, next, staging, lives);
  };
  if constexpr (std::is_same_v<Key, IpAddress>) {
    for (const auto& [key, value] : desired.addresses()) {
      CC_RETURN_IF_ERROR(stage_new(key, value));
    }
  } else {
    for (const auto& [key, value] : desired.prefixes()) {
      CC_RETURN_IF_ERROR(stage_new(key, value));
    }
  }
  return absl::OkStatus();
}

absl::Status PlaceWriter::StageChange(Live& live, PlaceValue value,
                                      uint32_t next, Staging& staging) {
  // The word remembers one change: packets older than the last must be gone.
  CC_RETURN_IF_ERROR(grace_->WaitFor(live.since));
  Keep(live, next, staging);
  cc_place& place = maps_->places[live.place];
  const uint8_t slot = (live.slot + 1) % CC_PLACE_SLOTS;
  place.value[slot] = ToAbi(value);
  StoreRelease(&place.which, __u64{CC_SWITCH(next, slot, live.slot)});
  staging.OnUndo([this, &live] {
    StoreRelease(&maps_->places[live.place].which,
                 __u64{CC_SWITCH(live.since, live.slot, live.slot)});
  });
  staging.OnPublished([&live, value, next, slot] {
    live.since = next;
    live.slot = slot;
    live.value = value;
  });
  return absl::OkStatus();
}

// Until `next` the new entry says what its absence said, which must be the same
// to all packets under way.
template <typename Key>
absl::Status PlaceWriter::StageNew(const Key& key, PlaceValue value,
                                   uint32_t next, Staging& staging,
                                   Lives<Key>& lives) {
  if (prefixes_since_.has_value())
    CC_RETURN_IF_ERROR(grace_->WaitFor(*prefixes_since_));
  const PlaceValue before = current_.Of(key);
  const absl::StatusOr<uint32_t> taken = places_.Take(1, *grace_);
  if (!taken.ok()) return Annotate(taken.status(), key.ToString());
  const uint32_t at = *taken;
  cc_place& place = maps_->places[at];
  place.value[0] = ToAbi(before);
  place.value[1] = ToAbi(value);
  StoreRelease(&place.which, __u64{CC_SWITCH(next, 1, 0)});
  absl::Status put = PutRef(key, at);
  if (absl::IsResourceExhausted(put)) {
    // What nobody wants any more may still be there.
    if (absl::Status over = grace_->WaitFor(next - 1); over.ok()) {
      EraseUnwanted(next, lives);
      put = PutRef(key, at);
    }
  }
  if (!put.ok()) {
    places_.Return(at, 1);
    return put;
  }
  Live& entry = lives.live[key];
  entry = {.place = at, .since = next, .slot = 0, .value = before};
  // Undone, the entry stays as one that nobody wants, and is erased later.
  staging.OnUndo([this, &entry, &lives, key, next] {
    lives.unwanted.insert(key);
    entry.since = next - 1;
    StoreRelease(&maps_->places[entry.place].which,
                 __u64{CC_SWITCH(entry.since, 0, 0)});
  });
  staging.OnPublished([&entry, value, next] {
    entry.since = next;
    entry.slot = 1;
    entry.value = value;
  });
  return absl::OkStatus();
}

}  // namespace ciliumcore::internal
