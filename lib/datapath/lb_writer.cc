// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/lb_writer_internal.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/lb_table_internal.h"

namespace ciliumcore::internal {
namespace {

// Part of a second counts as one: no flow is dead too soon.
uint16_t TicksOf(absl::Duration silence) {
  return static_cast<uint16_t>(
      absl::ToInt64Seconds(absl::Ceil(silence, absl::Seconds(1))));
}

bool HasTable(uint64_t target) {
  return target != CC_SERVICE_NONE && target != CC_SERVICE_EMPTY;
}

uint32_t SizeOf(uint64_t target) { return target >> 23 & 0x1ffff; }

// The address of a prefix, and the bits that it leaves.
void SplitPrefix(const IpPrefix& prefix, cc_addr* address, cc_addr* rest) {
  *address = abi::ToAddr(prefix.address());
  const cc_addr last = abi::ToAddr(prefix.last());
  for (int i = 0; i < 4; ++i) rest->w[i] = address->w[i] ^ last.w[i];
}

void Configure(const LoadBalancerOptions& options, cc_lb_state& state,
               size_t buckets) {
  const uint64_t seed = options.seed.value_or(0);
  state.base.addr_seed = static_cast<uint32_t>(seed >> 32);
  state.flow_seed = seed * 0x9e3779b97f4a7c15ull;
  state.flow_mask = static_cast<uint32_t>(buckets - 1);
  if (options.source_v4.has_value()) {
    cc_addr address, rest;
    SplitPrefix(*options.source_v4, &address, &rest);
    state.source4 = address.w[3];
    state.source4_mask = rest.w[3];
  }
  if (options.source_v6.has_value())
    SplitPrefix(*options.source_v6, &state.source6, &state.source6_mask);
  state.mtu = static_cast<uint16_t>(options.mtu);
  state.tcp_silence = TicksOf(options.tcp_silence);
  state.other_silence = TicksOf(options.udp_silence);
  state.way = options.gateway.has_value() ? CC_LB_BY_GATEWAY : CC_LB_BY_ROUTE;
  if (options.gateway.has_value())
    std::copy(options.gateway->begin(), options.gateway->end(), state.gateway);
}

// The seed is part of the index: it is there before that is made.
LbMaps Configured(LbMaps maps, const LoadBalancerOptions& options) {
  Configure(options, maps.state[0], maps.flows.size());
  return maps;
}

}  // namespace

LbWriter::LbWriter(LbMaps maps, Barrier barrier,
                   const LoadBalancerOptions& options)
    : maps_(Configured(std::move(maps), options)),
      grace_(std::move(barrier)),
      index_(&maps_.state[0].base, maps_.heads.entries(),
             maps_.services.entries()),
      entries_("cc_lb_services", 1,
               static_cast<uint32_t>(maps_.services.size())),
      lines_("cc_lb_slots", 0, static_cast<uint32_t>(maps_.slots.size())),
      backends_("cc_lb_backends", 1,
                static_cast<uint32_t>(maps_.backends.size())),
      most_services_(std::max(1u, options.capacity.services)),
      was_used_(maps_.services.size()) {
  StoreRelease(&maps_.state[0].base.epoch, uint32_t{epoch_});
  grace_.Published(epoch_);
}

absl::Status LbWriter::Publish(absl::Span<const LbEdit> edits) {
  EraseUnwanted(epoch_ + 1);
  CC_RETURN_IF_ERROR(CheckRoom(edits));
  return Commit([&](uint32_t next, Staging& staging) -> absl::Status {
    for (const LbEdit& edit : edits) {
      if (!edit.service.has_value()) {
        CC_RETURN_IF_ERROR(StageRemoval(edit.frontend, next, staging));
        continue;
      }
      if (absl::Status staged = StageService(*edit.service, next, staging);
          !staged.ok()) {
        return Annotate(staged,
                        absl::StrCat("service ", edit.service->ToString()));
      }
    }
    return absl::OkStatus();
  });
}

// For what there will be: what goes leaves its room to what comes.
absl::Status LbWriter::CheckRoom(absl::Span<const LbEdit> edits) const {
  size_t coming = 0, leaving = 0;
  for (const LbEdit& edit : edits) {
    const bool is_there = Has(edit.frontend);
    coming += edit.service.has_value() && !is_there;
    leaving += !edit.service.has_value() && is_there;
  }
  const size_t wanted = live_.size() - unwanted_.size() + coming - leaving;
  if (wanted <= most_services_) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("map cc_lb_services is full: expected at most ",
                   most_services_, " services, found ", wanted));
}

absl::Status LbWriter::Commit(
    const std::function<absl::Status(uint32_t next, Staging&)>& stage) {
  Staging staging;
  const uint32_t next = epoch_ + 1;
  if (absl::Status staged = stage(next, staging); !staged.ok()) {
    staging.Undo();
    return staged;
  }
  if (staging.empty()) return absl::OkStatus();
  StoreRelease(&maps_.state[0].base.epoch, uint32_t{next});
  epoch_ = next;
  grace_.Published(next);
  staging.Published();
  return absl::OkStatus();
}

bool LbWriter::Has(const Frontend& frontend) const {
  const auto found = live_.find(frontend);
  return found != live_.end() && found->second.target != CC_SERVICE_NONE;
}

std::vector<LbEdit> LbWriter::EditsTo(
    std::map<Frontend, BalancedService> wanted) const {
  std::vector<LbEdit> edits;
  for (const auto& [frontend, live] : live_) {
    if (live.target != CC_SERVICE_NONE && !wanted.contains(frontend))
      edits.push_back({.frontend = frontend, .service = std::nullopt});
  }
  for (auto& [frontend, service] : wanted) {
    const auto found = live_.find(frontend);
    if (found != live_.end() && found->second.target != CC_SERVICE_NONE &&
        found->second.options == service)
      continue;
    edits.push_back({.frontend = frontend, .service = std::move(service)});
  }
  return edits;
}

void LbWriter::ForEach(const std::function<void(const Seen&)>& visit) const {
  for (const auto& [frontend, live] : live_) {
    if (live.target == CC_SERVICE_NONE) continue;
    visit({.service = &live.options,
           .index = live.index,
           .slots = HasTable(live.target) ? SizeOf(live.target) : 0,
           .moving = live.moving});
  }
}

uint32_t LbWriter::SilenceOf(const Frontend& frontend) const {
  const cc_lb_state& state = maps_.state[0];
  return frontend.port.protocol == Protocol::kTcp ? state.tcp_silence
                                                  : state.other_silence;
}

void LbWriter::EraseUnwanted(uint32_t next) {
  for (auto it = unwanted_.begin(); it != unwanted_.end();) {
    const auto found = live_.find(*it);
    // Programs that read an older epoch need it.
    if (!grace_.IsOver(found->second.since)) {
      ++it;
      continue;
    }
    Erase(found, next);
    it = unwanted_.erase(it);
  }
}

// It stands for nothing; programs may be on it.
void LbWriter::Erase(std::map<Frontend, Live>::iterator at, uint32_t next) {
  index_.Unlink(at->second.index);
  entries_.Retire(at->second.index, 1, next);
  restless_.erase(at->first);
  live_.erase(at);
}

absl::Status LbWriter::StageRemoval(const Frontend& frontend, uint32_t next,
                                    Staging& staging) {
  if (!Has(frontend)) {
    return absl::NotFoundError(
        absl::StrCat("service ", frontend.ToString(), ": there is none"));
  }
  Live after = live_.at(frontend);
  CC_RETURN_IF_ERROR(WaitForReaders(after));
  for (const auto& [address, number] : after.numbers)
    EndBackend(after, number, next, staging);
  RetireLines(after.lines, next, staging);
  RetireLines(after.lines_before, next, staging);
  staging.OnPublished([this, rooms = after.rooms, next] {
    for (const Range& room : rooms) resting_rooms_.push_back({next, room});
  });
  Live gone;
  gone.index = after.index;
  gone.since = after.since;
  gone.which = after.which;
  gone.options = std::move(after.options);
  Switch(std::move(gone), next, staging);
  return absl::OkStatus();
}

absl::Status LbWriter::StageService(const BalancedService& service,
                                    uint32_t next, Staging& staging) {
  auto found = live_.find(service.frontend);
  bool was_another = false;
  if (found == live_.end()) {
    CC_ASSIGN_OR_RETURN(Live fresh, NewEntry(service.frontend, next));
    found = live_.emplace(service.frontend, std::move(fresh)).first;
    staging.OnFailure([this, frontend = service.frontend, next] {
      Erase(live_.find(frontend), next);
    });
  } else if (unwanted_.erase(service.frontend) != 0) {
    was_another = true;
    staging.OnFailure(
        [this, frontend = service.frontend] { unwanted_.insert(frontend); });
  }
  Live after = found->second;
  CC_RETURN_IF_ERROR(WaitForReaders(after));
  if (was_another && clear_) CC_RETURN_IF_ERROR(clear_(after.index));
  after.options = service;
  CC_RETURN_IF_ERROR(NumberBackends(after, next, staging));
  SetDrains(after, staging);
  CC_RETURN_IF_ERROR(BuildTable(found->second, after, next, staging));
  Switch(std::move(after), next, staging);
  return absl::OkStatus();
}

// Until `next` the new entry says what its absence said.
absl::StatusOr<LbWriter::Live> LbWriter::NewEntry(const Frontend& frontend,
                                                  uint32_t next) {
  if (live_.size() >= entries_.capacity()) {
    CC_RETURN_IF_ERROR(grace_.WaitFor(next - 1));
    EraseUnwanted(next);
  }
  CC_ASSIGN_OR_RETURN(const uint32_t index, entries_.Take(1, grace_));
  absl::Status ready =
      was_used_[index] && clear_ ? clear_(index) : absl::OkStatus();
  if (ready.ok()) {
    maps_.services[index] = {};
    ready = index_.Link(frontend, index);
  }
  if (!ready.ok()) {
    entries_.Return(index, 1);
    return ready;
  }
  was_used_[index] = true;
  Live live;
  live.index = index;
  live.since = next;
  live.is_new = true;
  return live;
}

absl::Status LbWriter::BuildTable(const Live& before, Live& live, uint32_t next,
                                  Staging& staging) {
  std::vector<uint16_t> numbers;
  for (const BalancedBackend& backend : live.options.backends)
    numbers.push_back(live.numbers.at(backend.address));
  CC_ASSIGN_OR_RETURN(std::vector<uint16_t> slots,
                      LbSlotsOf(live.options, numbers));
  const bool had_table = HasTable(before.target);
  if (slots.empty() && had_table && !numbers.empty())
    slots.assign(SizeOf(before.target), CC_LB_NOBODY);  // they only drain
  if (slots.empty() || !had_table) {
    RetireLines(before.lines, next, staging);
    RetireLines(before.lines_before, next, staging);
    live.lines = live.lines_before = {};
    live.before = live.moving = 0;
    live.target = CC_SERVICE_EMPTY;
    return slots.empty() ? absl::OkStatus() : WriteTable(slots, live, staging);
  }
  const std::vector<uint16_t> old = TableOf(before.target);
  const auto is_same = [](uint16_t a, uint16_t b) {
    return (a & (CC_LB_SLOT_MOVES - 1)) == (b & (CC_LB_SLOT_MOVES - 1));
  };
  if (std::equal(old.begin(), old.end(), slots.begin(), slots.end(), is_same)) {
    live.target = CC_SERVICE_TARGET(before.lines.first, slots.size(),
                                    live.rooms.back().first);
    return absl::OkStatus();
  }
  live.moving = MarkMoves(old, absl::MakeSpan(slots));
  live.learns_until = now_ + SilenceOf(live.options.frontend) + 1;
  if (before.before != 0) {
    RetireLines(before.lines, next, staging);
  } else {
    live.before = before.target;
    live.lines_before = before.lines;
  }
  return WriteTable(slots, live, staging);
}

absl::Status LbWriter::WriteTable(absl::Span<const uint16_t> slots, Live& live,
                                  Staging& staging) {
  const auto size = static_cast<uint32_t>(slots.size());
  const uint32_t count = (size + CC_SERVICE_SLOTS - 1) / CC_SERVICE_SLOTS;
  CC_ASSIGN_OR_RETURN(const uint32_t first, lines_.Take(count, grace_));
  staging.OnUndo([this, first, count] { lines_.Return(first, count); });
  live.target = CC_SERVICE_TARGET(first, size, live.rooms.back().first);
  live.lines = {.first = first, .count = count};
  for (uint32_t slot = 0; slot < size; ++slot)
    SlotAt(live.target, slot) = slots[slot];
  return absl::OkStatus();
}

uint16_t& LbWriter::SlotAt(uint64_t target, uint32_t slot) {
  return maps_.slots[(target >> 40) + slot / CC_SERVICE_SLOTS]
      .backend[slot % CC_SERVICE_SLOTS];
}

std::vector<uint16_t> LbWriter::TableOf(uint64_t target) {
  std::vector<uint16_t> slots(SizeOf(target));
  for (uint32_t slot = 0; slot < slots.size(); ++slot)
    slots[slot] = SlotAt(target, slot);
  return slots;
}

// A service remembers one change: who is older than the last must be gone.
absl::Status LbWriter::WaitForReaders(const Live& live) {
  return live.is_new ? absl::OkStatus() : grace_.WaitFor(live.since);
}

void LbWriter::RetireLines(Range lines, uint32_t next, Staging& staging) {
  if (lines.count == 0) return;
  staging.OnPublished(
      [this, lines, next] { lines_.Retire(lines.first, lines.count, next); });
}

// Makes `after` true from `next` on. Nobody reads what was before the last
// change.
void LbWriter::Switch(Live after, uint32_t next, Staging& staging) {
  after.is_new = false;
  const uint8_t before = after.which;
  cc_lb_service& service = maps_.services[after.index];
  after.which = before ^ 1;
  service.target[after.which] = after.target;
  service.before[after.which] = after.before;
  StoreRelease(&service.which, __u64{CC_SWITCH(next, after.which, before)});
  staging.OnUndo([&service, since = after.since, before] {
    StoreRelease(&service.which, __u64{CC_SWITCH(since, before, before)});
  });
  after.since = next;
  staging.OnPublished([this, after = std::move(after)]() mutable {
    const Frontend frontend = after.options.frontend;
    if (after.target == CC_SERVICE_NONE) unwanted_.insert(frontend);
    Settle(frontend, live_[frontend] = std::move(after));
  });
}

void LbWriter::Settle(const Frontend& frontend, const Live& live) {
  if (live.is_restless()) {
    restless_.insert(frontend);
  } else {
    restless_.erase(frontend);
  }
}

}  // namespace ciliumcore::internal
