// SPDX-License-Identifier: Apache-2.0

#include "tests/datapath/native_truth.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <utility>

#include "bpf/native/programs.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/abi/event.h"
#include "ciliumcore/testing/packet.h"
#include "tests/datapath/verdict_probe.h"

namespace ciliumcore::testing {
namespace {

constexpr uint32_t kUplink = 1;
constexpr uint32_t kNobody = 0xfffffff0;  // a peer that no address has
constexpr uint8_t kPagedProtocols[] = {1, 6, 17, 58, 132};

native::WorldOptions WorldOptionsOf(const JudgingMaps& maps) {
  const auto room = [](const auto& array) {
    return static_cast<uint32_t>(array.size());
  };
  return {.entries = {{"cc_endpoints", room(maps.endpoints)},
                      {"cc_subjects", room(maps.subjects)},
                      {"cc_addrs", room(maps.addresses)},
                      {"cc_places", room(maps.places)},
                      {"cc_hops", room(maps.hops)},
                      {"cc_tables", room(maps.tables)},
                      {"cc_port_pages", room(maps.port_pages)},
                      {"cc_cells", room(maps.cells)},
                      {"cc_conntrack", 1024}},
          .cpus = 1};
}

// What a packet notices of a cell.
uint64_t VerdictOf(const cc_cell& cell) {
  if (cell.verdict == CC_VERDICT_ALLOW) return 1 | uint64_t{cell.auth} << 8;
  if ((cell.verdict & 2) == 0) return 0;
  return 2 | uint64_t{cell.auth} << 8 | uint64_t{cell.proxy_port} << 16;
}

}  // namespace

JudgingMaps JudgingMaps::Open(
    const std::function<std::string(const char*)>& path_of) {
  return {
      .state = *MappedArray<cc_state>::OpenPinned(path_of("cc_state")),
      .endpoints =
          *MappedArray<cc_endpoint>::OpenPinned(path_of("cc_endpoints")),
      .subjects = *MappedArray<cc_subject>::OpenPinned(path_of("cc_subjects")),
      .addresses = *MappedArray<cc_addr_heads>::OpenPinned(path_of("cc_addrs")),
      .places = *MappedArray<cc_place>::OpenPinned(path_of("cc_places")),
      .hops = *MappedArray<cc_hop>::OpenPinned(path_of("cc_hops")),
      .tables = *MappedArray<cc_table>::OpenPinned(path_of("cc_tables")),
      .port_pages =
          *MappedArray<cc_port_page>::OpenPinned(path_of("cc_port_pages")),
      .cells = *MappedArray<cc_cell>::OpenPinned(path_of("cc_cells")),
      .ifindex = *Map<uint32_t, uint32_t>::OpenPinned(path_of("cc_ifindex")),
      .prefixes =
          *Map<cc_prefix_key, uint32_t>::OpenPinned(path_of("cc_prefixes")),
      .classes =
          *Map<cc_class_key, cc_class_value>::OpenPinned(path_of("cc_classes")),
  };
}

NativeTruth::NativeTruth(JudgingMaps* maps, Subjects subjects)
    : maps_(*maps),
      subjects_(std::move(subjects)),
      world_(WorldOptionsOf(*maps)) {
  world_.config.ticks_tcp = world_.config.ticks_syn = 100;
  world_.config.ticks_any = world_.config.ticks_close = 100;
  world_.config.event_wake_bytes = 1 << 18;
  world_.config.emit_new = world_.config.emit_drops = 1;
  const auto share = [&](const char* name, auto& array) {
    world_.FindMap(name)->Share(
        reinterpret_cast<std::byte*>(array.entries().data()));
  };
  share("cc_state", maps_.state);
  share("cc_endpoints", maps_.endpoints);
  share("cc_subjects", maps_.subjects);
  share("cc_addrs", maps_.addresses);
  share("cc_places", maps_.places);
  share("cc_hops", maps_.hops);
  share("cc_tables", maps_.tables);
  share("cc_port_pages", maps_.port_pages);
  share("cc_cells", maps_.cells);
  const auto copy = [&](const char* name, const auto& map) {
    map.ForEach([&](const auto& key, const auto& value) {
         world_.FindMap(name)->Update(&key, &value, BPF_ANY);
       })
        .IgnoreError();
  };
  copy("cc_ifindex", maps_.ifindex);
  copy("cc_prefixes", maps_.prefixes);
  copy("cc_classes", maps_.classes);

  world_.Use();
  std::set<uint32_t> keys = {0, 0xffffff};
  const auto add_bound = [&](uint32_t bound) {
    if (bound > 0xffffff) return;
    keys.insert(bound);
    if (bound > 0) keys.insert(bound - 1);
  };
  for (const cc_table& table : maps_.tables.entries()) {
    if (table.interval_count == 0 || table.bound_count > CC_INLINE_BOUNDS)
      continue;
    for (uint32_t i = 0; i < table.bound_count; ++i) add_bound(table.axis[i]);
  }
  for (const uint32_t ifindex : subjects_.interfaces) {
    for (const cc_direction direction : {CC_EGRESS, CC_INGRESS}) {
      const uint32_t table = cc_test_table(ifindex, direction);
      if (table >= maps_.tables.size() ||
          maps_.tables[table].bound_count != CC_BOUNDS_PAGED ||
          intervals_.contains(table))
        continue;
      const Intervals& intervals = intervals_[table] = IntervalsOf(table);
      for (uint32_t i = 1; i < intervals.size(); ++i) {
        if (intervals[i] == intervals[i - 1]) continue;
        add_bound(uint32_t{kPagedProtocols[i >> 16]} << 16 | (i & 0xffff));
      }
    }
  }
  for (const uint8_t protocol : kPagedProtocols) {
    add_bound(uint32_t{protocol} << 16);
    add_bound((uint32_t{protocol} + 1) << 16);
  }
  keys_.assign(keys.begin(), keys.end());
}

NativeTruth::Intervals NativeTruth::IntervalsOf(uint32_t table) const {
  Intervals intervals;
  intervals.reserve(std::size(kPagedProtocols) << 16);
  for (const uint8_t protocol : kPagedProtocols) {
    for (uint32_t port = 0; port < 0x10000; ++port) {
      intervals.push_back(static_cast<uint16_t>(
          cc_test_interval(table, protocol, static_cast<uint16_t>(port))));
    }
  }
  return intervals;
}

std::vector<uint32_t> NativeTruth::KeysWhosePortsChanged(
    std::optional<uint32_t> at) {
  world_.Use();
  std::set<std::pair<uint16_t, uint16_t>> seen;
  std::vector<uint32_t> keys;
  for (const auto& [table, before] : intervals_) {
    for (uint32_t i = 0; i < before.size(); ++i) {
      if (at.has_value() && (i >> 8 & 0xff) != *at && (i & 0xff) != *at)
        continue;
      const uint32_t key =
          uint32_t{kPagedProtocols[i >> 16]} << 16 | (i & 0xffff);
      const auto now = static_cast<uint16_t>(cc_test_interval(
          table, kPagedProtocols[i >> 16], static_cast<uint16_t>(key)));
      if (now != before[i] && seen.emplace(before[i], now).second)
        keys.push_back(key);
    }
  }
  return keys;
}

NativeTruth::Answers NativeTruth::Ask(
    const std::vector<IpAddress>& more_addresses,
    const std::vector<uint32_t>& more_keys) {
  world_.Use();
  Answers answers;
  Addresses addresses = subjects_.addresses;
  for (const IpAddress& address : more_addresses)
    addresses.try_emplace(address, 0);
  std::vector<uint32_t> keys = keys_;
  keys.insert(keys.end(), more_keys.begin(), more_keys.end());
  for (const uint32_t ifindex : subjects_.interfaces) {
    for (const cc_direction direction : {CC_EGRESS, CC_INGRESS}) {
      const uint32_t table = cc_test_table(ifindex, direction);
      answers.verdicts.push_back(table == ~0u);
      if (table != ~0u) AskTable(table, keys, addresses, answers);
    }
  }
  AskPackets(addresses, answers);
  return answers;
}

// Of each identity; of each address, whom it is taken for.
void NativeTruth::AskTable(uint32_t table, const std::vector<uint32_t>& keys,
                           const Addresses& addresses, Answers& answers) {
  std::map<uint32_t, uint64_t> known;  // by peer
  const auto verdicts_on = [&](uint32_t peer, bool is_identity) {
    const auto [at, is_new] = known.try_emplace(peer, 0);
    if (!is_new) return at->second;
    for (const uint32_t key : keys) {
      const auto cell = std::bit_cast<cc_cell>(
          cc_test_decide(table, peer, static_cast<uint8_t>(key >> 16),
                         static_cast<uint16_t>(key)));
      at->second = at->second * 0x9e3779b97f4a7c15 + VerdictOf(cell) + 1;
      if (is_identity) answers.rule_sets.push_back(cell.rule_set);
    }
    return at->second;
  };
  for (const uint32_t peer : subjects_.peers)
    answers.verdicts.push_back(verdicts_on(peer, true));
  answers.verdicts.push_back(verdicts_on(kNobody, true));
  for (const auto& [address, owner] : addresses) {
    const cc_addr addr = abi::ToAddr(address);
    answers.verdicts.push_back(verdicts_on(cc_test_peer(&addr), false));
  }
}

// At every interface: what its endpoint sends to everybody, what others send
// there in anybody's name, and what comes from everybody.
void NativeTruth::AskPackets(const Addresses& addresses, Answers& answers) {
  for (const uint32_t ifindex : subjects_.interfaces) {
    for (const auto& [source, owner] : addresses) {
      bool is_first = true;
      for (const auto& [destination, other] : addresses) {
        if (source == destination || source.is_v4() != destination.is_v4())
          continue;
        if (owner == ifindex || is_first) {
          answers.verdicts.push_back(
              SendPacket(true, ifindex, 0, source, destination));
        }
        if (other == ifindex || is_first) {
          for (const uint32_t ingress : {kUplink, owner}) {
            answers.verdicts.push_back(
                SendPacket(false, ifindex, ingress, source, destination));
          }
        }
        is_first = false;
      }
    }
  }
}

// What the first event tells: what is behind an allowed packet's judgement, how
// it is forwarded, is no verdict.
uint64_t NativeTruth::SendPacket(bool is_egress, uint32_t ifindex,
                                 uint32_t ingress, const IpAddress& source,
                                 const IpAddress& destination) {
  const std::string& bytes = PacketOf(source, destination);
  native::Packet packet(bytes.data(), bytes.size());
  packet.ctx()->ifindex = ifindex;
  packet.ctx()->ingress_ifindex = ingress;
  world_.events.clear();
  world_.event_bytes_free = 1 << 20;
  native::Run(world_, is_egress ? cc_from_endpoint : cc_to_endpoint, packet);
  if (world_.events.empty()) return 0;
  cc_event event;
  std::memcpy(&event, world_.events.front().data(), sizeof(event));
  if (event.kind == CC_EVENT_NEW) world_.FindMap("cc_conntrack")->Clear();
  return uint64_t{event.kind} << 8 | event.reason;
}

const std::string& NativeTruth::PacketOf(const IpAddress& source,
                                         const IpAddress& destination) {
  std::string& packet = packets_[{source, destination}];
  if (packet.empty()) {
    packet = PacketBuilder()
                 .Ethernet({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2})
                 .Ip(source, destination)
                 .Tcp(40000, 5432, kTcpSyn)
                 .Build();
  }
  return packet;
}

}  // namespace ciliumcore::testing
