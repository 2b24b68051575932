// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "ciliumcore/abi/convert.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/service_writer_internal.h"

namespace ciliumcore::internal {

absl::Status ServiceWriter::Adopt(const Found& found) {
  std::map<Frontend, ServiceRef> services;
  CC_RETURN_IF_ERROR(index_.ForEach(
      [&](uint32_t index) { return AdoptOne(index, found, services); }));
  CC_RETURN_IF_ERROR(found.ForEach(
      JournalKind::kService,
      [&](const std::string&, const std::string& value) -> absl::Status {
        const auto service = DecodeService(value);
        if (service.has_value() &&
            services.contains(service->options.frontend)) {
          return absl::OkStatus();
        }
        return absl::DataLossError(absl::StrCat(
            "map cc_frontends: expected service ",
            service.has_value() ? service->options.ToString() : "of a record",
            ", found none"));
      }));
  EraseStrayBackends(found.epoch);
  current_ = ServiceTable::FromSorted({services.begin(), services.end()});
  return absl::OkStatus();
}

// Those of a change that never was.
void ServiceWriter::EraseStrayBackends(uint32_t epoch) {
  std::vector<bool> are_known(maps_.backends.size());
  for (const auto& [frontend, live] : live_) {
    for (const auto& [key, number] : live.numbers)
      are_known[live.room.first + number] = true;
  }
  for (uint32_t at = 0; at < are_known.size(); ++at) {
    cc_backend& backend = maps_.backends[at];
    if (!are_known[at] && IsInForce(backend, epoch))
      StoreRelease(&backend.born, uint32_t{0});
  }
}

absl::Status ServiceWriter::AdoptOne(uint32_t index, const Found& found,
                                     std::map<Frontend, ServiceRef>& services) {
  if (!entries_.Reserve(index, 1)) {
    return DamagedEntry("cc_services", index, "expected one below ",
                        entries_.capacity() + 1);
  }
  cc_service& entry = maps_.services[index];
  const Frontend frontend = ServiceChains::KeyOf(entry);
  Live live;
  live.index = index;
  const uint16_t which = SettleSwitch(&entry.which, found.epoch);
  if (which >= std::size(entry.target)) {
    return DamagedEntry("cc_services", index, frontend.ToString(),
                        ": expected a target below ", std::size(entry.target),
                        ", found ", which);
  }
  live.which = static_cast<uint8_t>(which);
  live.since = SwitchedSince(&entry.which);
  live.target = entry.target[which];
  const auto record =
      found.records->find({JournalKind::kService, EncodeKey(frontend)});
  const bool is_known = record != found.records->end();
  if (is_known != (live.target != CC_SERVICE_NONE)) {
    return DamagedEntry("cc_services", index, frontend.ToString(),
                        is_known ? ": expected a service, found none"
                                 : ": expected none, found a service");
  }
  if (is_known) {
    auto service = DecodeService(record->second);
    if (!service.has_value() || service->options.frontend != frontend) {
      return DamagedEntry("cc_services", index, frontend.ToString(),
                          ": its record in the journal cannot be read");
    }
    live.options =
        std::make_shared<const ServiceOptions>(std::move(service->options));
    live.lines = service->lines;
    live.room = service->room;
    if ((live.lines.count != 0 &&
         !lines_.Reserve(live.lines.first, live.lines.count)) ||
        (live.room.count != 0 &&
         !backends_.Reserve(live.room.first, live.room.count))) {
      return DamagedEntry("cc_services", index, frontend.ToString(),
                          ": expected room of its own");
    }
    CC_RETURN_IF_ERROR(AdoptBackends(live, found.epoch));
    if (live.options->affinity == Affinity::kClientIp) {
      const uint32_t ticks = AffinityTicks(*live.options);
      if (entry.affinity_ticks != ticks) entry.affinity_ticks = ticks;
    }
    services.emplace(frontend, live.options);
  } else {
    unwanted_.insert(frontend);
  }
  live_.emplace(frontend, std::move(live));
  return absl::OkStatus();
}

// The numbers of its backends. Others in its room have ended, or were never
// published.
absl::Status ServiceWriter::AdoptBackends(Live& live, uint32_t epoch) {
  std::map<std::pair<IpAddress, uint16_t>, uint16_t> numbers;
  for (uint32_t number = 0; number < live.room.count; ++number) {
    const cc_backend& backend = maps_.backends[live.room.first + number];
    if (backend.service != live.index || !IsInForce(backend, epoch)) continue;
    // Of two, the second was to replace the first in a change that never was.
    numbers.emplace(
        std::pair(abi::FromAddr(backend.addr), abi::FromBe16(backend.port)),
        static_cast<uint16_t>(number));
  }
  for (const Backend& backend : BackendsInForce(*live.options)) {
    const auto found = numbers.find({backend.address, backend.port});
    if (found == numbers.end()) {
      return DamagedEntry("cc_services", live.index, live.options->ToString(),
                          ": expected backend ", backend.address.ToString(),
                          ", found none");
    }
    live.numbers.insert(*found);
    cc_backend& entry = maps_.backends[live.room.first + found->second];
    if (entry.until != 0) StoreRelease(&entry.until, uint32_t{0});
  }
  return absl::OkStatus();
}

}  // namespace ciliumcore::internal
