// SPDX-License-Identifier: Apache-2.0

// Maps of who is who and of who may what.

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/net/netlink.h"
#include "ciliumcore/policy/verdict_table.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/map_decoders_internal.h"

namespace ciliumcore::internal {
namespace {

std::string MacText(const __u8 (&mac)[6]) {
  MacAddress address;
  std::copy(std::begin(mac), std::end(mac), address.begin());
  return MacToString(address);
}

absl::Status DumpState(InstanceView&, const MapReader& map, EntrySink sink) {
  CC_RETURN_IF_ERROR(
      map.Check(abi::ShapeOf<uint32_t>(), abi::ShapeOf<cc_state>()));
  return map.ForEach([&](const std::byte*, const std::byte* value) {
    const auto state = Read<cc_state>(value);
    return sink({{"epoch", Number(state.epoch)},
                 {"address_seed", absl::StrFormat("0x%08x", state.addr_seed)},
                 {"address_lines", Number(state.addr_mask) + 1},
                 {"service_lines", Number(state.service_mask) + 1}});
  });
}

absl::Status DumpClock(InstanceView&, const MapReader& map, EntrySink sink) {
  CC_RETURN_IF_ERROR(
      map.Check(abi::ShapeOf<uint32_t>(), abi::ShapeOf<cc_clock>()));
  return map.ForEach([&](const std::byte*, const std::byte* value) {
    return sink({{"ticks", Number(Read<cc_clock>(value).ticks)}});
  });
}

absl::Status DumpEndpoints(InstanceView& view, const MapReader&,
                           EntrySink sink) {
  for (const uint16_t slot : view.LiveEndpoints()) {
    const cc_endpoint& endpoint = view.endpoints[slot];
    const cc_subject subject = view.SubjectOf(endpoint);
    const bool redirects = (endpoint.flags & CC_ENDPOINT_NO_PEER_REDIRECT) != 0;
    if (!sink({{"slot", Number(slot)},
               {"ifindex", Number(endpoint.ifindex)},
               {"ipv4", AddressText(endpoint.v4)},
               {"ipv6", AddressText(endpoint.v6)},
               {"identity", PeerText(subject.identity)},
               {"subject",
                Number(cc_switch_pick(endpoint.subject, view.epoch()))},
               {"mac", MacText(endpoint.mac)},
               {"host_mac", MacText(endpoint.host_mac)},
               {"delivery", std::string(redirects ? "redirect" : "peer")}}))
      break;
  }
  return absl::OkStatus();
}

// Which slots have a subject now.
absl::Status DumpSubjects(InstanceView& view, const MapReader&,
                          EntrySink sink) {
  std::map<uint16_t, Texts> slots;
  for (const uint16_t slot : view.LiveEndpoints()) {
    slots[cc_switch_pick(view.endpoints[slot].subject, view.epoch())].push_back(
        absl::StrCat(slot));
  }
  for (const auto& [index, of] : slots) {
    if (index >= view.subjects.size()) continue;
    const cc_subject& subject = view.subjects[index];
    if (!sink({{"subject", Number(index)},
               {"identity", PeerText(subject.identity)},
               {"egress_table", Number(subject.table[CC_EGRESS])},
               {"ingress_table", Number(subject.table[CC_INGRESS])},
               {"endpoints", of}}))
      break;
  }
  return absl::OkStatus();
}

absl::Status DumpIfindex(InstanceView& view, const MapReader& map,
                         EntrySink sink) {
  CC_RETURN_IF_ERROR(
      map.Check(abi::ShapeOf<uint32_t>(), abi::ShapeOf<uint32_t>()));
  return map.ForEach([&](const std::byte* key, const std::byte* value) {
    const auto slot = Read<uint32_t>(value);
    if (slot == 0) return true;
    Texts addresses;
    if (slot < view.endpoints.size()) {
      const cc_endpoint& endpoint = view.endpoints[slot];
      for (const cc_addr& own : {endpoint.v4, endpoint.v6}) {
        if (std::string text = AddressText(own); !text.empty())
          addresses.push_back(std::move(text));
      }
    }
    return sink({{"ifindex", Number(Read<uint32_t>(key))},
                 {"slot", Number(slot)},
                 {"addresses", std::move(addresses)}});
  });
}

absl::Status DumpAddresses(InstanceView& view, const MapReader&,
                           EntrySink sink) {
  bool wanted = true;
  view.ForEachAddress([&](uint32_t head, uint32_t place) {
    if (!wanted || place >= view.places.size()) return;
    const cc_place_value value = view.ValueOf(place);
    wanted = sink({{"address", AddressText(view.places[place].addr)},
                   {"peer", PeerText(value.peer)},
                   {"where", WhereText(value.where)},
                   {"place", Number(place)},
                   {"head", Number(head)}});
  });
  return absl::OkStatus();
}

std::string PrefixText(const cc_prefix_key& key) {
  const IpAddress address = abi::FromAddr(key.addr);
  const bool is_v4 = key.bits >= 96 && address.is_v4();
  return absl::StrCat(address.ToString(), "/",
                      is_v4 ? key.bits - 96 : key.bits);
}

absl::Status DumpPrefixes(InstanceView& view, const MapReader& map,
                          EntrySink sink) {
  CC_RETURN_IF_ERROR(
      map.Check(abi::ShapeOf<cc_prefix_key>(), abi::ShapeOf<uint32_t>()));
  return map.ForEach([&](const std::byte* key, const std::byte* place) {
    const auto at = Read<uint32_t>(place);
    const cc_place_value value = view.ValueOf(at);
    return sink({{"prefix", PrefixText(Read<cc_prefix_key>(key))},
                 {"peer", PeerText(value.peer)},
                 {"where", WhereText(value.where)},
                 {"place", Number(at)}});
  });
}

absl::Status DumpPlaces(InstanceView& view, const MapReader&, EntrySink sink) {
  std::map<uint32_t, Texts> of;
  view.ForEachAddress([&](uint32_t, uint32_t place) {
    if (place < view.places.size())
      of[place].push_back(AddressText(view.places[place].addr));
  });
  if (const auto prefixes = view.Find("cc_prefixes"); prefixes.ok()) {
    CC_RETURN_IF_ERROR((*prefixes)->Check(abi::ShapeOf<cc_prefix_key>(),
                                          abi::ShapeOf<uint32_t>()));
    CC_RETURN_IF_ERROR((*prefixes)->ForEach([&](const std::byte* key,
                                                const std::byte* place) {
      of[Read<uint32_t>(place)].push_back(PrefixText(Read<cc_prefix_key>(key)));
      return true;
    }));
  }
  for (const auto& [place, names] : of) {
    const cc_place_value value = view.ValueOf(place);
    const uint64_t since =
        place < view.places.size() ? view.places[place].which >> 32 : 0;
    if (!sink({{"place", Number(place)},
               {"of", names},
               {"peer", PeerText(value.peer)},
               {"where", WhereText(value.where)},
               {"since_epoch", since}}))
      break;
  }
  return absl::OkStatus();
}

absl::Status DumpHops(InstanceView& view, const MapReader&, EntrySink sink) {
  for (size_t i = 1; i < view.hops.size(); ++i) {
    const cc_hop& hop = view.hops[i];
    if (hop.ifindex == 0) continue;
    if (!sink({{"hop", Number(i)},
               {"ifindex", Number(hop.ifindex)},
               {"gateway", hop.family == 0 ? std::string("on the link")
                                           : AddressText(hop.gateway)}}))
      break;
  }
  return absl::OkStatus();
}

// Of each interval, its ranges as text.
std::map<uint32_t, Texts> IntervalTexts(const InstanceView& view,
                                        const cc_table& table) {
  std::map<uint32_t, Texts> texts;
  ForEachInterval(view, table,
                  [&](uint32_t interval, uint32_t first, uint32_t last) {
                    texts[interval].push_back(PortsText(first, last));
                  });
  return texts;
}

absl::Status DumpTables(InstanceView& view, const MapReader&, EntrySink sink) {
  std::map<uint16_t, Texts> users;
  for (const uint16_t slot : view.LiveEndpoints()) {
    const cc_subject subject = view.SubjectOf(view.endpoints[slot]);
    users[subject.table[CC_EGRESS]].push_back(
        absl::StrCat("egress of endpoint ", slot));
    users[subject.table[CC_INGRESS]].push_back(
        absl::StrCat("ingress of endpoint ", slot));
  }
  for (const uint16_t index : view.LiveTables()) {
    const cc_table table = view.TableAt(index);
    Texts intervals;
    for (const auto& [interval, ports] : IntervalTexts(view, table))
      intervals.insert(intervals.end(), ports.begin(), ports.end());
    if (!sink({{"table", Number(index)},
               {"judges", users[index]},
               {"generation", Number(table.generation)},
               {"classes", Number(table.class_count)},
               {"first_cell", Number(table.cells)},
               {"intervals", std::move(intervals)}}))
      break;
  }
  return absl::OkStatus();
}

// A root: which intervals its protocol's ports have.
absl::Status DumpPortPages(InstanceView& view, const MapReader&,
                           EntrySink sink) {
  static constexpr const char* kRoots[] = {"TCP", "UDP", "SCTP", "ICMP",
                                           "ICMPv6"};
  for (const uint16_t index : view.LiveTables()) {
    const cc_table table = view.TableAt(index);
    if (table.bound_count != CC_BOUNDS_PAGED) continue;
    for (uint32_t root = 0; root < CC_ROOT_OTHER; ++root) {
      const uint32_t at = table.axis[root];
      if (at >= view.port_pages.size()) continue;
      Texts deep;
      std::set<uint32_t> intervals;
      for (uint32_t high = 0; high < CC_PORT_PAGE; ++high) {
        const __u16 entry = view.port_pages[at].entry[high];
        if ((entry & CC_PORT_DEEP) == 0) {
          intervals.insert(entry);
          continue;
        }
        deep.push_back(absl::StrCat("ports ", high << 8, "-", high << 8 | 255,
                                    " in page ", entry & ~CC_PORT_DEEP));
      }
      if (!sink({{"table", Number(index)},
                 {"protocol", std::string(kRoots[root])},
                 {"page", Number(at)},
                 {"whole_pages_of_intervals", Number(intervals.size())},
                 {"deep", std::move(deep)}}))
        return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

absl::Status DumpClasses(InstanceView&, const MapReader& map, EntrySink sink) {
  CC_RETURN_IF_ERROR(
      map.Check(abi::ShapeOf<cc_class_key>(), abi::ShapeOf<cc_class_value>()));
  return map.ForEach([&](const std::byte* key_at, const std::byte* value) {
    const auto key = Read<cc_class_key>(key_at);
    const auto cls = Read<cc_class_value>(value);
    const bool is_right = cls.check == cc_class_check(key.table, key.peer);
    return sink({{"table", Number(key.table)},
                 {"peer", PeerText(key.peer)},
                 {"class", Number(cls.cls)},
                 {"check", std::string(is_right ? "right" : "wrong")}});
  });
}

absl::Status DumpCells(InstanceView& view, const MapReader&, EntrySink sink) {
  for (const uint16_t index : view.LiveTables()) {
    const cc_table table = view.TableAt(index);
    const std::map<uint32_t, Texts> ports = IntervalTexts(view, table);
    for (uint32_t cls = 0; cls < table.class_count; ++cls) {
      for (uint32_t interval = 0; interval < table.interval_count; ++interval) {
        const uint32_t at = table.cells + cls * table.interval_count + interval;
        if (at >= view.cells.size()) continue;
        const cc_cell cell = view.cells[at];
        const auto of = ports.find(interval);
        const absl::string_view verdict =
            VerdictName(static_cast<Verdict>(cell.verdict));
        if (!sink({{"table", Number(index)},
                   {"class", Number(cls)},
                   {"ports", of == ports.end() ? Texts() : of->second},
                   {"verdict", std::string(verdict)},
                   {"rule_set", Number(cell.rule_set)},
                   {"proxy_port", Number(cell.proxy_port)},
                   {"cell", Number(at)}}))
          return absl::OkStatus();
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string PortsText(uint32_t first, uint32_t last) {
  Texts parts;
  const auto whole = [&](uint32_t from, uint32_t to) {
    if (from > to) return;
    if (from == 0 && to == 255)
      parts.emplace_back("all");
    else if (from == to)
      parts.push_back(ProtocolText(static_cast<uint8_t>(from)));
    else
      parts.push_back(absl::StrCat("protocols ", from, "-", to));
  };
  const auto some = [&](uint32_t protocol, uint32_t from, uint32_t to) {
    parts.push_back(absl::StrCat(from, from == to ? "" : absl::StrCat("-", to),
                                 "/",
                                 ProtocolText(static_cast<uint8_t>(protocol))));
  };
  uint32_t from = first >> 16, to = last >> 16;
  const uint32_t low = first & 0xffff, high = last & 0xffff;
  const bool cuts_first = low != 0, cuts_last = high != 0xffff;
  if (from == to && (cuts_first || cuts_last)) {
    some(from, low, high);
  } else {
    if (cuts_first) some(from++, low, 0xffff);
    if (!cuts_last) {
      whole(from, to);
    } else {
      if (to > 0) whole(from, to - 1);
      some(to, 0, high);
    }
  }
  std::string text;
  for (const std::string& part : parts)
    absl::StrAppend(&text, text.empty() ? "" : " and ", part);
  return text;
}

MapDecoder PolicyDecoderOf(absl::string_view map) {
  static constexpr std::pair<const char*, MapDecoder> kDecoders[] = {
      {"cc_state", DumpState},         {"cc_clock", DumpClock},
      {"cc_endpoints", DumpEndpoints}, {"cc_subjects", DumpSubjects},
      {"cc_ifindex", DumpIfindex},     {"cc_ifindex_far", DumpIfindex},
      {"cc_addrs", DumpAddresses},     {"cc_prefixes", DumpPrefixes},
      {"cc_places", DumpPlaces},       {"cc_hops", DumpHops},
      {"cc_tables", DumpTables},       {"cc_port_pages", DumpPortPages},
      {"cc_classes", DumpClasses},     {"cc_cells", DumpCells},
  };
  for (const auto& [name, decoder] : kDecoders) {
    if (map == name) return decoder;
  }
  return nullptr;
}

}  // namespace ciliumcore::internal
