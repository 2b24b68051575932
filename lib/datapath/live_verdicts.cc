// SPDX-License-Identifier: Apache-2.0

// Each function here says what the one of bpf/lib that it names would find.

#include "lib/datapath/live_verdicts_internal.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/maps/mapped_array.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {
namespace {

constexpr int kTries = 10;

constexpr struct {
  Protocol protocol;
  cc_port_root root;
} kPaged[] = {
    // ascending
    {Protocol::kIcmp, CC_ROOT_ICMP}, {Protocol::kTcp, CC_ROOT_TCP},
    {Protocol::kUdp, CC_ROOT_UDP},   {Protocol::kIcmpv6, CC_ROOT_ICMPV6},
    {Protocol::kSctp, CC_ROOT_SCTP},
};
static_assert(std::size(kPaged) == CC_ROOT_OTHER);

bool IsSame(const cc_addr& a, const cc_addr& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

// A copy of an entry. Programs go on with zeros where there is none, but for
// places.
template <typename T>
T At(absl::Span<const T> entries, size_t index) {
  T copy = {};
  if (index < entries.size()) std::memcpy(&copy, &entries[index], sizeof(T));
  return copy;
}

class Reader {
 public:
  Reader(const LiveMaps& maps, const cc_state& state)
      : maps_(maps), state_(state) {}

  absl::StatusOr<LiveVerdicts> Read(
      absl::Span<const uint32_t> interfaces) const {
    LiveVerdicts live;
    live.epoch = state_.epoch;
    for (const uint32_t ifindex : interfaces) {
      CC_ASSIGN_OR_RETURN(live.slots[ifindex], maps_.slot_of(ifindex));
    }
    ReadEndpoints(live);
    CC_RETURN_IF_ERROR(ReadClasses(live.tables));
    for (auto& [index, table] : live.tables) ReadTable(table);
    ReadAddresses(live);
    CC_RETURN_IF_ERROR(ReadPrefixes(live));
    return live;
  }

 private:
  // cc_endpoint_at, cc_subject_of.
  void ReadEndpoints(LiveVerdicts& live) const {
    for (uint32_t slot = 0; slot < maps_.endpoints.size(); ++slot) {
      if (maps_.endpoints[slot].ifindex == 0) continue;
      const cc_endpoint entry = At(maps_.endpoints, slot);
      const uint16_t subject = cc_switch_pick(entry.subject, state_.epoch);
      const cc_subject judge = At(maps_.subjects, subject);
      live.endpoints[slot] = {.ifindex = entry.ifindex,
                              .v4 = entry.v4,
                              .v6 = entry.v6,
                              .subject = subject,
                              .judge = judge};
      for (const uint16_t table : judge.table)
        live.tables[table].entry = At(maps_.tables, table);
    }
  }

  // cc_class_of.
  absl::Status ReadClasses(std::map<uint16_t, LiveTable>& tables) const {
    CC_RETURN_IF_ERROR(maps_.for_each_class(
        [&](const cc_class_key& key, const cc_class_value& value) {
          if (key.table >= CC_MAX_TABLES ||
              value.check != cc_class_check(key.table, key.peer))
            return;
          const auto table = tables.find(static_cast<uint16_t>(key.table));
          if (table != tables.end())
            table->second.classes.emplace_back(key.peer, value.cls);
        }));
    for (auto& [index, table] : tables)
      std::sort(table.classes.begin(), table.classes.end());
    return absl::OkStatus();
  }

  // cc_decide_word, for all ports of each class.
  void ReadTable(LiveTable& table) const {
    if (!table.is_there()) {
      table.axis = {{.first = 0, .interval = 0, .page = std::nullopt}};
      table.classes.clear();
      table.rows[0] = {cc_cell{}};
      return;
    }
    if (table.entry.bound_count == CC_BOUNDS_PAGED) {
      ReadPages(table);
    } else {
      ReadBounds(table);
    }
    table.rows[0];
    for (const auto& [peer, cls] : table.classes) table.rows[cls];
    for (auto& [cls, row] : table.rows) {
      for (const LiveTable::Span& span : table.axis)
        row.push_back(At(maps_.cells, table.CellAt(cls, span.interval)));
    }
  }

  // cc_count_bounds: it counts, whether or not the bounds ascend, and takes
  // those that are not in use as they are.
  static void ReadBounds(LiveTable& table) {
    const uint32_t count = table.entry.bound_count;
    const uint32_t used = count > 8 ? 12 : count > 4 ? 8 : 4;
    std::vector<uint32_t> bounds(table.entry.axis, table.entry.axis + used);
    std::sort(bounds.begin(), bounds.end());
    table.axis = {{.first = 0, .interval = 0, .page = std::nullopt}};
    for (const uint32_t bound : bounds) {
      if (bound > kMaxPortKey) break;
      if (table.axis.back().first != bound)
        table.axis.push_back({.first = bound,
                              .interval = table.axis.back().interval,
                              .page = std::nullopt});
      ++table.axis.back().interval;
    }
  }

  // cc_paged_interval, for all keys in order.
  void ReadPages(LiveTable& table) const {
    const LiveTable::Span others = {.first = 0,
                                    .interval = table.entry.axis[CC_ROOT_OTHER],
                                    .page = std::nullopt};
    table.axis = {others};
    const auto add = [&](uint32_t first, uint32_t interval, uint32_t page) {
      if (table.axis.back().first == first) table.axis.pop_back();
      if (!table.axis.empty() && table.axis.back().interval == interval &&
          table.axis.back().page == page)
        return;
      table.axis.push_back(
          {.first = first, .interval = interval, .page = page});
    };
    for (const auto& [protocol, root] : kPaged) {
      const uint32_t base = PortKey(protocol, 0);
      const uint32_t at = table.entry.axis[root];
      for (uint32_t high = 0; high < CC_PORT_PAGE; ++high) {
        const uint32_t entry = PortEntry(at, high);
        const uint32_t first = base | high << 8;
        if ((entry & CC_PORT_DEEP) == 0) {
          add(first, entry, at);
          continue;
        }
        const uint32_t deep = entry & ~CC_PORT_DEEP;
        for (uint32_t low = 0; low < CC_PORT_PAGE; ++low)
          add(first | low, PortEntry(deep, low), deep);
      }
      table.axis.push_back({.first = base + 0x10000,
                            .interval = others.interval,
                            .page = std::nullopt});
    }
  }

  uint32_t PortEntry(uint32_t page, uint32_t at) const {
    return page < maps_.port_pages.size() ? maps_.port_pages[page].entry[at]
                                          : 0;
  }

  // Whoever is found by hash is reached from its head, so from some head.
  void ReadAddresses(LiveVerdicts& live) const {
    for (const cc_addr_heads& line : maps_.address_lines) {
      for (const uint32_t& head : line.place) {
        uint32_t at = LoadAcquire(&head);
        for (int i = 0; i < CC_ADDR_CHAIN && at != 0; ++i) {
          if (at >= maps_.places.size()) break;
          const cc_place place = At(maps_.places, at);
          if (FindExact(place.addr) == at)
            live.addresses.emplace_back(abi::FromAddr(place.addr), PlaceAt(at));
          at = place.next;
        }
      }
    }
    std::sort(live.addresses.begin(), live.addresses.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    // A place that two heads lead to.
    live.addresses.erase(
        std::unique(
            live.addresses.begin(), live.addresses.end(),
            [](const auto& a, const auto& b) { return a.first == b.first; }),
        live.addresses.end());
  }

  // cc_place_exact.
  uint32_t FindExact(const cc_addr& addr) const {
    const uint32_t hash = cc_addr_hash(&addr, state_.addr_seed);
    const uint32_t line = hash / CC_ADDR_HEADS & state_.addr_mask;
    uint32_t at = At(maps_.address_lines, line).place[hash % CC_ADDR_HEADS];
    for (int i = 0; i < CC_ADDR_CHAIN && at != 0; ++i) {
      if (at >= maps_.places.size()) break;
      const cc_place place = At(maps_.places, at);
      if (IsSame(place.addr, addr)) return at;
      at = place.next;
    }
    return 0;
  }

  absl::Status ReadPrefixes(LiveVerdicts& live) const {
    return maps_.for_each_prefix([&](const cc_prefix_key& key, uint32_t place) {
      live.prefixes.push_back({.key = key, .place = PlaceAt(place)});
    });
  }

  // cc_place_word_of, behind the lookup.
  LivePlace PlaceAt(uint32_t at) const {
    LivePlace place;
    if (at == 0 || at >= maps_.places.size()) return place;
    const cc_place entry = At(maps_.places, at);
    const uint16_t slot = cc_switch_pick(entry.which, state_.epoch);
    place.index = at;
    place.value = entry.value[std::min<uint16_t>(slot, CC_PLACE_SLOTS - 1)];
    return place;
  }

  const LiveMaps& maps_;
  const cc_state state_;
};

}  // namespace

std::optional<IpAddress> SendsFromV4(const cc_addr& own) {
  const IpAddress address = abi::FromAddr(own);
  return address.is_v4() ? std::optional(address) : std::nullopt;
}

std::optional<IpAddress> SendsFromV6(const cc_addr& own) {
  const IpAddress address = abi::FromAddr(own);
  if ((own.w[2] | own.w[3]) == 0 || address.is_v4()) return std::nullopt;
  return address;
}

uint32_t LiveTable::ClassOf(uint32_t peer) const {
  const auto at = std::lower_bound(classes.begin(), classes.end(),
                                   std::pair<uint32_t, uint32_t>(peer, 0));
  return at != classes.end() && at->first == peer ? at->second : 0;
}

const LiveEndpoint* LiveVerdicts::AtInterface(uint32_t ifindex) const {
  const auto slot = slots.find(ifindex);
  const auto found =
      slot == slots.end() ? endpoints.end() : endpoints.find(slot->second);
  return found == endpoints.end() ? nullptr : &found->second;
}

absl::StatusOr<LiveVerdicts> ReadLiveVerdicts(
    const LiveMaps& maps, absl::Span<const uint32_t> interfaces) {
  uint32_t epoch = LoadAcquire(&maps.state[0].epoch);
  for (int i = 0; i < kTries; ++i) {
    cc_state state = At(maps.state, 0);
    state.epoch = epoch;
    CC_ASSIGN_OR_RETURN(LiveVerdicts live,
                        Reader(maps, state).Read(interfaces));
    const uint32_t after = LoadAcquire(&maps.state[0].epoch);
    if (after == epoch) return live;
    epoch = after;
  }
  return absl::UnavailableError(
      absl::StrCat("map cc_state: a change was published each of ", kTries,
                   " times that the maps were read, the last is ", epoch));
}

}  // namespace ciliumcore::internal
