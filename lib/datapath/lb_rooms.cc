// SPDX-License-Identifier: Apache-2.0

// Where a load balancer's writer has the backends of a service: their numbers,
// and the rooms of cc_lb_backends that the numbers count in.

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/lb_writer_internal.h"

namespace ciliumcore::internal {
namespace {

// Least room for the backends of a service.
constexpr uint32_t kLeastRoom = 4;

}  // namespace

absl::Status LbWriter::NumberBackends(Live& live, uint32_t next,
                                      Staging& staging) {
  std::set<IpAddress> wanted;
  for (const BalancedBackend& backend : live.options.backends)
    wanted.insert(backend.address);
  for (auto it = live.numbers.begin(); it != live.numbers.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    EndBackend(live, it->second, next, staging);
    live.resting.emplace_back(next, it->second);
    it = live.numbers.erase(it);
  }
  const size_t needed = wanted.size() + live.resting.size();
  if (needed >= CC_LB_NOBODY) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "expected at most ", CC_LB_NOBODY - 1,
        " backends, with those whose flows may still come, found ", needed));
  }
  if (live.rooms.empty() || needed > live.rooms.back().count)
    CC_RETURN_IF_ERROR(Grow(live, staging));
  const Range room = live.rooms.back();
  std::vector<bool> taken(room.count);
  for (const auto& [address, number] : live.numbers) taken[number] = true;
  for (const auto& [epoch, number] : live.resting) taken[number] = true;
  uint16_t number = 0;
  for (const BalancedBackend& backend : live.options.backends) {
    if (live.numbers.contains(backend.address)) continue;
    while (taken[number]) ++number;
    WriteBackend(room.first + number, backend.address, live.index, staging);
    live.numbers[backend.address] = number++;
  }
  return absl::OkStatus();
}

// Everybody has the number there that he had.
absl::Status LbWriter::Grow(Live& live, Staging& staging) {
  const auto count =
      static_cast<uint32_t>(live.options.backends.size() + live.resting.size());
  const uint32_t wanted =
      std::bit_ceil(std::max(kLeastRoom, count + count / 4));
  CC_ASSIGN_OR_RETURN(const uint32_t first, backends_.Take(wanted, grace_));
  staging.OnUndo([this, first, wanted] { backends_.Return(first, wanted); });
  for (const auto& [address, number] : live.numbers)
    WriteBackend(first + number, address, live.index, staging);
  live.rooms.push_back({.first = first, .count = wanted});
  return absl::OkStatus();
}

// Moves no flow: it may change before the rest.
void LbWriter::SetDrains(const Live& live, Staging& staging) {
  for (const BalancedBackend& backend : live.options.backends) {
    const uint16_t number = live.numbers.at(backend.address);
    const uint32_t drains = backend.weight == 0;
    for (const Range& room : live.rooms) {
      if (number >= room.count) continue;
      __u32& at = maps_.backends[room.first + number].drains;
      if (at == drains) continue;
      staging.OnUndo([&at, before = at] { at = before; });
      at = drains;
    }
  }
}

// Neither a table nor a record has this entry.
void LbWriter::WriteBackend(uint32_t at, const IpAddress& address,
                            uint32_t service, Staging& staging) {
  cc_lb_backend& entry = maps_.backends[at];
  staging.OnUndo([&entry, was = entry] { entry = was; });
  entry = {.addr = abi::ToAddr(address),
           .service = service,
           .until = 0,
           .drains = 0,
           .pad = 0};
}

void LbWriter::EndBackend(const Live& live, uint16_t number, uint32_t next,
                          Staging& staging) {
  // 0 says never; an epoch later is as good.
  const uint32_t until = next == 0 ? 1 : next;
  for (const Range& room : live.rooms) {
    if (number >= room.count) continue;
    __u32& at = maps_.backends[room.first + number].until;
    if (at != 0) continue;  // in an older room, of who had the number before
    staging.OnUndo([&at] { StoreRelease(&at, uint32_t{0}); });
    StoreRelease(&at, uint32_t{until});
  }
}

}  // namespace ciliumcore::internal
