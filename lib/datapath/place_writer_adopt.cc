// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/abi/convert.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/place_writer_internal.h"

namespace ciliumcore::internal {

absl::Status PlaceWriter::Adopt(const Found& found) {
  CC_RETURN_IF_ERROR(index_.ForEach([&](uint32_t place) -> absl::Status {
    const IpAddress address = AddressChains::KeyOf(maps_->places[place]);
    CC_RETURN_IF_ERROR(AdoptOne(address, place, found, addresses_));
    current_.SetAddress(address, addresses_.live.at(address).value);
    return absl::OkStatus();
  }));
  absl::Status adopted;
  CC_RETURN_IF_ERROR(maps_->prefixes.ForEach([&](const cc_prefix_key& key,
                                                 const uint32_t& place) {
    if (!adopted.ok()) return;
    const IpAddress address = abi::FromAddr(key.addr);
    if (key.bits > 128) {
      adopted = DamagedEntry("cc_prefixes", place,
                             "expected at most 128 bits, found ", key.bits);
      return;
    }
    const bool is_v4 = key.bits >= 96 && address.is_v4();
    const IpPrefix prefix =
        IpPrefix::Of(address, static_cast<int>(key.bits) - (is_v4 ? 96 : 0));
    adopted = AdoptOne(prefix, place, found, prefixes_);
    if (adopted.ok())
      current_.SetPrefix(prefix, prefixes_.live.at(prefix).value);
  }));
  return adopted;
}

template <typename Key>
absl::Status PlaceWriter::AdoptOne(const Key& key, uint32_t place,
                                   const Found& found, Lives<Key>& lives) {
  if (!places_.Reserve(place, 1)) {
    return DamagedEntry("cc_places", place, key.ToString(),
                        ": expected a place of its own");
  }
  cc_place& entry = maps_->places[place];
  const uint16_t slot = SettleSwitch(&entry.which, found.epoch);
  if (slot >= CC_PLACE_SLOTS) {
    return DamagedEntry("cc_places", place, key.ToString(),
                        ": expected a value below ", CC_PLACE_SLOTS, ", found ",
                        slot);
  }
  lives.live[key] = {.place = place,
                     .since = SwitchedSince(&entry.which),
                     .slot = static_cast<uint8_t>(slot),
                     .value = {.peer = entry.value[slot].peer,
                               .where = entry.value[slot].where}};
  return absl::OkStatus();
}

}  // namespace ciliumcore::internal
