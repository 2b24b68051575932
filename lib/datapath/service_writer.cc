// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/service_writer_internal.h"

#include <algorithm>
#include <bit>
#include <set>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/service_slots_internal.h"

namespace ciliumcore::internal {
namespace {

// Least room for the backends of a service.
constexpr uint32_t kLeastRoom = 4;
// That numbers tell apart.
constexpr uint32_t kMostRoom = 65536;

std::pair<IpAddress, uint16_t> KeyOf(const Backend& backend) {
  return {backend.address, backend.port};
}

}  // namespace

ServiceWriter::ServiceWriter(cc_state* state, ServiceMaps maps,
                             GraceKeeper* grace, double tick_seconds)
    : maps_(std::move(maps)),
      grace_(grace),
      tick_seconds_(tick_seconds),
      index_(state, maps_.heads.entries(), maps_.services.entries()),
      entries_("cc_services", 1, static_cast<uint32_t>(maps_.services.size())),
      lines_("cc_maglev", 0, static_cast<uint32_t>(maps_.slots.size())),
      backends_("cc_backends", 0, static_cast<uint32_t>(maps_.backends.size())),
      // Sockets remember backends of an earlier process.
      born_(absl::Uniform<uint32_t>(absl::BitGen())) {}

absl::Status ServiceWriter::Stage(const ServiceTable& desired, uint32_t next,
                                  Staging& staging) {
  EraseUnwanted(desired, next);
  if (desired.IsSameAs(current_)) return absl::OkStatus();
  std::vector<Frontend> gone;
  std::map<Frontend, ServiceRef> others;
  for (const Frontend& frontend : far_) {
    const ServiceRef* wanted = desired.Find(frontend);
    if (wanted != nullptr) others.emplace(frontend, *wanted);
  }
  desired.DiffFrom(current_, [&](const Frontend& frontend,
                                 const ServiceRef* was, const ServiceRef* is) {
    if (is == nullptr) {
      gone.push_back(frontend);
    } else if (was == nullptr || **was != **is) {
      others.insert_or_assign(frontend, *is);
    }
  });
  for (const Frontend& frontend : gone)
    CC_RETURN_IF_ERROR(StageRemoval(frontend, next, staging));
  for (const auto& [frontend, service] : others) {
    if (!live_.contains(frontend) && live_.size() >= room()) {
      // What nobody wants any more may still be there.
      CC_RETURN_IF_ERROR(grace_->WaitFor(next - 1));
      EraseUnwanted(desired, next);
    }
    if (absl::Status staged = StageService(service, next, staging);
        !staged.ok()) {
      return Annotate(staged, absl::StrCat("service ", service->ToString()));
    }
  }
  staging.OnPublished([this, desired] { current_ = desired; });
  return absl::OkStatus();
}

void ServiceWriter::EraseUnwanted(const ServiceTable& desired, uint32_t next) {
  for (auto it = unwanted_.begin(); it != unwanted_.end();) {
    const Live& live = live_.at(*it);
    if (!grace_->IsOver(live.since) || desired.contains(*it)) {
      ++it;
      continue;
    }
    index_.Unlink(live.index);
    entries_.Retire(live.index, 1, next);
    live_.erase(*it);
    it = unwanted_.erase(it);
  }
}

absl::Status ServiceWriter::StageRemoval(const Frontend& frontend,
                                         uint32_t next, Staging& staging) {
  Live after = live_.at(frontend);
  CC_RETURN_IF_ERROR(WaitForReaders(after));
  for (const auto& [key, number] : after.numbers) {
    EndBackend(after.room.first + number, next, staging);
  }
  const Range lines = after.lines, room = after.room;
  staging.OnPublished([this, lines, room, next] {
    if (lines.count != 0) lines_.Retire(lines.first, lines.count, next);
    if (room.count != 0) backends_.Retire(room.first, room.count, next);
  });
  after.numbers.clear();
  after.resting.clear();
  after.lines = after.room = {};
  after.is_far_for_now = false;
  Switch(std::move(after), CC_SERVICE_NONE, next, staging);
  return absl::OkStatus();
}

absl::Status ServiceWriter::StageService(const ServiceRef& service,
                                         uint32_t next, Staging& staging) {
  const Frontend& frontend = service->frontend;
  auto found = live_.find(frontend);
  if (found == live_.end()) {
    CC_ASSIGN_OR_RETURN(Live fresh, NewEntry(frontend, next));
    found = live_.emplace(frontend, std::move(fresh)).first;
    unwanted_.insert(frontend);  // until it is published
    // Undone, it is one that has stood for nothing since before.
    staging.OnFailure([this, frontend, next] {
      const auto left = live_.find(frontend);
      if (left != live_.end()) left->second.since = next - 1;
    });
  }
  Live after = found->second;
  CC_RETURN_IF_ERROR(WaitForReaders(after));
  const Live& before = found->second;
  after.options = service;
  CC_RETURN_IF_ERROR(NumberBackends(after, next, staging));
  CC_ASSIGN_OR_RETURN(const uint64_t target,
                      BuildTarget(before, after, staging));
  staging.OnPublished([this, old_lines = before.lines, next] {
    if (old_lines.count != 0)
      lines_.Retire(old_lines.first, old_lines.count, next);
  });
  // Whether clients are remembered at all switches with the target; for how
  // long may change before the rest.
  if (service->affinity == Affinity::kClientIp) {
    __u32& life = maps_.services[after.index].affinity_ticks;
    staging.OnUndo([&life, before = life] { life = before; });
    life = AffinityTicks(*service);
  }
  Switch(std::move(after), target, next, staging);
  return absl::OkStatus();
}

uint32_t ServiceWriter::AffinityTicks(const ServiceOptions& service) const {
  const double ticks =
      absl::ToDoubleSeconds(service.affinity_timeout) / tick_seconds_;
  return std::max(1u, static_cast<uint32_t>(ticks));
}

// Until `next` the new entry says what its absence said. Undone, it stays as
// one that nobody wants.
absl::StatusOr<ServiceWriter::Live> ServiceWriter::NewEntry(
    const Frontend& frontend, uint32_t next) {
  if (live_.size() >= room()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("map cc_frontends is full: ", live_.size(), " of ", room(),
                     " services in use"));
  }
  CC_ASSIGN_OR_RETURN(const uint32_t index, entries_.Take(1, *grace_));
  maps_.services[index] = {};
  if (absl::Status linked = index_.Link(frontend, index); !linked.ok()) {
    entries_.Return(index, 1);
    return linked;
  }
  Live live;
  live.index = index;
  live.since = next;
  live.is_new = true;
  return live;
}

absl::Status ServiceWriter::NumberBackends(Live& live, uint32_t next,
                                           Staging& staging) {
  std::set<std::pair<IpAddress, uint16_t>> wanted;
  const std::vector<Backend> backends = BackendsInForce(*live.options);
  for (const Backend& backend : backends) wanted.insert(KeyOf(backend));
  for (auto it = live.numbers.begin(); it != live.numbers.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    EndBackend(live.room.first + it->second, next, staging);
    live.resting.emplace_back(next, it->second);
    it = live.numbers.erase(it);
  }
  while (!live.resting.empty() && grace_->IsOver(live.resting.front().first)) {
    live.resting.pop_front();
  }
  if (backends.size() + live.resting.size() >
      std::min(live.room.count, kMostRoom))
    return MoveBackends(live, backends, next, staging);
  std::vector<bool> taken(live.room.count);
  for (const auto& [key, number] : live.numbers) taken[number] = true;
  for (const auto& [epoch, number] : live.resting) taken[number] = true;
  std::vector<uint32_t> written;
  uint16_t number = 0;
  for (const Backend& backend : backends) {
    if (live.numbers.contains(KeyOf(backend))) continue;
    while (taken[number]) ++number;
    written.push_back(live.room.first + number);
    WriteBackend(written.back(), backend, live.index, next);
    live.numbers[KeyOf(backend)] = number++;
  }
  EraseIfUndone(std::move(written), staging);
  return absl::OkStatus();
}

// To a larger room, or to the first: where there is little room, to one that is
// just as large as it must be. Who remembers a backend does so no more.
absl::Status ServiceWriter::MoveBackends(Live& live,
                                         absl::Span<const Backend> backends,
                                         uint32_t next, Staging& staging) {
  const auto count = static_cast<uint32_t>(backends.size());
  uint32_t wanted = std::min(
      kMostRoom, std::bit_ceil(std::max(kLeastRoom, count + count / 4)));
  absl::StatusOr<uint32_t> taken = backends_.Take(wanted, *grace_);
  if (absl::IsResourceExhausted(taken.status())) {
    wanted = std::max(kLeastRoom, count);
    taken = backends_.Take(wanted, *grace_);
  }
  CC_ASSIGN_OR_RETURN(const uint32_t first, std::move(taken));
  staging.OnUndo([this, first, wanted] { backends_.Return(first, wanted); });
  for (const auto& [key, number] : live.numbers) {
    EndBackend(live.room.first + number, next, staging);
  }
  if (live.room.count != 0) {
    staging.OnPublished([this, old = live.room, next] {
      backends_.Retire(old.first, old.count, next);
    });
  }
  live.room = {.first = first, .count = wanted};
  live.numbers.clear();
  live.resting.clear();
  std::vector<uint32_t> written;
  uint16_t number = 0;
  for (const Backend& backend : backends) {
    written.push_back(first + number);
    WriteBackend(written.back(), backend, live.index, next);
    live.numbers[KeyOf(backend)] = number++;
  }
  EraseIfUndone(std::move(written), staging);
  return absl::OkStatus();
}

void ServiceWriter::EraseIfUndone(std::vector<uint32_t> written,
                                  Staging& staging) {
  if (written.empty()) return;
  staging.OnUndo([this, written = std::move(written)] {
    for (const uint32_t at : written)
      StoreRelease(&maps_.backends[at].born, uint32_t{0});
  });
}

// Nobody has this entry from a table; who remembers it from before sees that it
// was born anew.
void ServiceWriter::WriteBackend(uint32_t at, const Backend& backend,
                                 uint32_t service, uint32_t next) {
  cc_backend& out = maps_.backends[at];
  StoreRelease(&out.born, uint32_t{0});
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  out.addr = abi::ToAddr(backend.address);
  out.port = abi::ToBe16(backend.port);
  out.until = 0;
  out.epoch = static_cast<uint16_t>(next);
  out.service = service;
  if (++born_ == 0) ++born_;
  StoreRelease(&out.born, uint32_t{born_});
}

void ServiceWriter::EndBackend(uint32_t at, uint32_t next, Staging& staging) {
  // 0 says never; an epoch later is as good.
  const uint32_t until = next == 0 ? 1 : next;
  StoreRelease(&maps_.backends[at].until, uint32_t{until});
  staging.OnUndo(
      [this, at] { StoreRelease(&maps_.backends[at].until, uint32_t{0}); });
}

absl::StatusOr<uint64_t> ServiceWriter::BuildTarget(const Live& before,
                                                    Live& live,
                                                    Staging& staging) {
  live.lines = {};
  live.is_far_for_now = false;
  std::vector<uint16_t> numbers;
  const std::vector<Backend> backends = BackendsInForce(*live.options);
  for (const Backend& backend : backends) {
    numbers.push_back(live.numbers.at(KeyOf(backend)));
  }
  CC_ASSIGN_OR_RETURN(const std::vector<uint16_t> slots,
                      SlotsOf(backends, live.options->affinity, numbers));
  if (slots.empty()) return uint64_t{CC_SERVICE_EMPTY};
  const uint64_t remembers =
      live.options->affinity == Affinity::kClientIp ? CC_SERVICE_REMEMBERS : 0;
  const auto size = static_cast<uint32_t>(slots.size());
  if (size <= CC_SERVICE_FEW &&
      *std::max_element(slots.begin(), slots.end()) < CC_SERVICE_FEW) {
    return BuildFew(before, live, slots) | remembers;
  }
  const uint32_t count = (size + CC_SERVICE_SLOTS - 1) / CC_SERVICE_SLOTS;
  CC_ASSIGN_OR_RETURN(const uint32_t first, lines_.Take(count, *grace_));
  staging.OnUndo([this, first, count] { lines_.Return(first, count); });
  for (uint32_t slot = 0; slot < size; ++slot) {
    maps_.slots[first + slot / CC_SERVICE_SLOTS]
        .backend[slot % CC_SERVICE_SLOTS] = slots[slot];
  }
  live.lines = {.first = first, .count = count};
  return CC_SERVICE_TARGET(first, size, live.room.first) | remembers;
}

// Copies the backends into the service's line too, if they go there. While
// programs may read there those of another room, they do not, for now.
uint64_t ServiceWriter::BuildFew(const Live& before, Live& live,
                                 absl::Span<const uint16_t> slots) {
  uint64_t packed = 0;
  for (size_t i = 0; i < slots.size(); ++i) {
    packed |= uint64_t{slots[i]} << 3 * i;
  }
  const uint64_t target =
      CC_SERVICE_FEW_TARGET(packed, slots.size(), live.room.first);
  const ServiceOptions& options = *live.options;
  if (!options.frontend.address.is_v4() ||
      options.affinity == Affinity::kClientIp ||
      *std::max_element(slots.begin(), slots.end()) >= CC_SERVICE_NEAR) {
    return target;
  }
  live.is_far_for_now = (before.target & CC_SERVICE_IS_NEAR) != 0 &&
                        before.room.first != live.room.first;
  if (live.is_far_for_now) return target;
  cc_service& service = maps_.services[live.index];
  for (const auto& [key, number] : live.numbers) {
    if (number >= CC_SERVICE_NEAR) continue;
    service.near_addr[number] = abi::ToAddr(key.first).w[3];
    service.near_port[number] = abi::ToBe16(key.second);
  }
  return target | CC_SERVICE_IS_NEAR;
}

// A service remembers one change: who is older than the last must be gone.
absl::Status ServiceWriter::WaitForReaders(const Live& live) {
  return live.is_new ? absl::OkStatus() : grace_->WaitFor(live.since);
}

void ServiceWriter::Switch(Live after, uint64_t target, uint32_t next,
                           Staging& staging) {
  after.is_new = false;
  const uint8_t before = after.which;
  cc_service& service = maps_.services[after.index];
  after.which = before ^ 1;
  service.target[after.which] = target;
  StoreRelease(&service.which, __u64{CC_SWITCH(next, after.which, before)});
  staging.OnUndo([&service, since = after.since, before] {
    StoreRelease(&service.which, __u64{CC_SWITCH(since, before, before)});
  });
  after.since = next;
  after.target = target;
  const Frontend frontend = ServiceChains::KeyOf(service);
  JournalRecord record = {
      .kind = JournalKind::kService, .key = EncodeKey(frontend), .value = {}};
  if (target != CC_SERVICE_NONE) {
    record.value = Encode(JournalService{
        .options = *after.options, .lines = after.lines, .room = after.room});
  }
  staging.Record(std::move(record));
  staging.OnPublished([this, frontend, after = std::move(after)]() mutable {
    if (after.target == CC_SERVICE_NONE) {
      unwanted_.insert(frontend);
    } else {
      unwanted_.erase(frontend);
    }
    if (after.is_far_for_now) {
      far_.insert(frontend);
    } else {
      far_.erase(frontend);
    }
    live_[frontend] = std::move(after);
  });
}

}  // namespace ciliumcore::internal
