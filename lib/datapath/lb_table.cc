// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/lb_table_internal.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "ciliumcore/service/maglev.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/bpf_objects_internal.h"

namespace ciliumcore::internal {
namespace {

constexpr uint32_t kMostWeight = 65535;
constexpr size_t kMostBackends = CC_LB_NOBODY - 1;
constexpr uint64_t kTags = uint64_t{1} << 28;

// The first tag of a slot.
uint64_t FirstTag(uint64_t slot, uint64_t size) {
  return (slot * kTags + size - 1) / size;
}

}  // namespace

absl::Status ValidateBalanced(const BalancedService& service,
                              const LoadBalancerOptions& options) {
  const auto refuse = [&](const auto&... what) {
    return absl::InvalidArgumentError(
        absl::StrCat("service ", service.ToString(), ": ", what...));
  };
  const Frontend& frontend = service.frontend;
  if (frontend.port.protocol != Protocol::kTcp &&
      frontend.port.protocol != Protocol::kUdp) {
    return refuse("expected TCP or UDP, found ",
                  ProtocolName(frontend.port.protocol));
  }
  if (frontend.port.port == 0)
    return refuse("expected a port in 1..65535, found 0");
  const bool is_v4 = frontend.address.is_v4();
  if (is_v4 ? !options.source_v4.has_value() : !options.source_v6.has_value()) {
    return refuse("its packets need a source: expected ",
                  is_v4 ? "source_v4" : "source_v6",
                  " in the options, found none");
  }
  if (service.backends.size() > kMostBackends) {
    return refuse("expected at most ", kMostBackends, " backends, found ",
                  service.backends.size());
  }
  std::set<IpAddress> seen;
  for (const BalancedBackend& backend : service.backends) {
    const std::string name = backend.address.ToString();
    if (backend.address.is_v4() != is_v4) {
      return refuse("expected backends of ", is_v4 ? "IPv4" : "IPv6",
                    ", found ", name);
    }
    if (backend.address == frontend.address)
      return refuse("its own address is no backend: ", name);
    if (backend.weight > kMostWeight) {
      return refuse("backend ", name, ": expected a weight of at most ",
                    kMostWeight, ", found ", backend.weight);
    }
    if (!seen.insert(backend.address).second)
      return refuse("expected each backend once, found ", name, " twice");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<uint16_t>> LbSlotsOf(
    const BalancedService& service, absl::Span<const uint16_t> numbers) {
  // Only those that get slots: BuildMaglev refuses more backends than slots,
  // whatever their weights.
  std::vector<MaglevBackend> backends;
  std::vector<uint16_t> their_numbers;
  for (size_t i = 0; i < service.backends.size(); ++i) {
    const BalancedBackend& backend = service.backends[i];
    if (backend.weight == 0) continue;
    const auto& bytes = backend.address.bytes();
    backends.push_back(
        {.key = HashBytes(kHashBegin, bytes.data(), bytes.size()),
         .weight = backend.weight});
    their_numbers.push_back(numbers[i]);
  }
  const uint32_t size = MaglevSizeFor(backends);
  if (size == 0) return std::vector<uint16_t>();
  CC_ASSIGN_OR_RETURN(std::vector<uint16_t> slots, BuildMaglev(backends, size));
  for (uint16_t& slot : slots) slot = their_numbers[slot];
  return slots;
}

uint32_t MarkMoves(absl::Span<const uint16_t> before,
                   absl::Span<uint16_t> slots) {
  uint32_t moving = 0;
  for (uint64_t slot = 0; slot < slots.size(); ++slot) {
    // The slots that its first and its last tag had.
    const uint64_t first = FirstTag(slot, slots.size());
    const uint64_t last = FirstTag(slot + 1, slots.size()) - 1;
    const uint64_t from = first * before.size() / kTags;
    const uint64_t to = last * before.size() / kTags;
    // One that moved differs, by its flag.
    const auto differs = [&](uint16_t was) { return was != slots[slot]; };
    if (!std::any_of(before.begin() + static_cast<ptrdiff_t>(from),
                     before.begin() + static_cast<ptrdiff_t>(to) + 1, differs))
      continue;
    slots[slot] |= CC_LB_SLOT_MOVES;
    ++moving;
  }
  return moving;
}

}  // namespace ciliumcore::internal
