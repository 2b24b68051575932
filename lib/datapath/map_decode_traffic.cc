// SPDX-License-Identifier: Apache-2.0

// Maps of connections, counters, events and services.

#include <cstring>
#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/base/port.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/connection_life_internal.h"
#include "lib/datapath/map_decoders_internal.h"
#include "lib/datapath/service_index_internal.h"

namespace ciliumcore::internal {
namespace {

// "SYN+ACK"; "" for none.
std::string TcpText(uint64_t bits) {
  std::string text;
  for (const auto& [bit, name] :
       {std::pair(CC_CT_SYN, "SYN"), std::pair(CC_CT_FIN, "FIN"),
        std::pair(CC_CT_RST, "RST"), std::pair(CC_CT_ACK, "ACK")}) {
    if ((bits & static_cast<uint64_t>(bit)) != 0)
      absl::StrAppend(&text, text.empty() ? "" : "+", name);
  }
  return text;
}

// From the flags that each end has sent.
std::string StateText(uint8_t protocol, uint64_t from, uint64_t to) {
  if (protocol != static_cast<uint8_t>(Protocol::kTcp)) return "";
  if (((from | to) & CC_CT_RST) != 0) return "reset";
  if ((from & to & CC_CT_FIN) != 0) return "closed";
  if (((from | to) & CC_CT_FIN) != 0) return "closing";
  return to == 0 ? "opening" : "established";
}

// From who opened it to who answered.
absl::Status DumpConntrack(InstanceView& view, const MapReader& map,
                           EntrySink sink) {
  CC_RETURN_IF_ERROR(
      map.Check(abi::ShapeOf<cc_ct_key>(), abi::ShapeOf<cc_ct>()));
  const absl::StatusOr<ConnectionLife> life =
      ConnectionLife::Of(view.directory());
  return map.ForEach([&](const std::byte* key_at, const std::byte* value) {
    const auto key = Read<cc_ct_key>(key_at);
    const auto record = Read<cc_ct>(value);
    const uint64_t word = record.word;
    const bool from_hi = (word & CC_CT_FROM_HI) != 0;
    const std::string lo = EndText(key.lo, key.lo_port);
    const std::string hi = EndText(key.hi, key.hi_port);
    const uint64_t tcp[2] = {word >> CC_CT_TCP_SHIFT & 15,
                             word >> (CC_CT_TCP_SHIFT + 4) & 15};
    Texts judged;
    if ((word & CC_CT_EGRESS_JUDGED) != 0) judged.emplace_back("egress");
    if ((word & CC_CT_INGRESS_JUDGED) != 0) judged.emplace_back("ingress");
    const bool is_right = word >> CC_CT_CHECK_SHIFT == cc_ct_check(&key);
    return sink(
        {{"protocol", ProtocolText(key.protocol)},
         {"source", from_hi ? hi : lo},
         {"destination", from_hi ? lo : hi},
         {"state", StateText(key.protocol, tcp[from_hi], tcp[!from_hi])},
         {"tcp_source", TcpText(tcp[from_hi])},
         {"tcp_destination", TcpText(tcp[!from_hi])},
         {"packets", Number(record.packets[from_hi])},
         {"bytes", Number(record.bytes[from_hi])},
         {"reply_packets", Number(record.packets[!from_hi])},
         {"reply_bytes", Number(record.bytes[!from_hi])},
         {"epoch", word >> CC_CT_EPOCH_SHIFT & CC_CT_EPOCH_MASK},
         {"judged", std::move(judged)},
         {"source_where", WhereText(record.where[from_hi])},
         {"destination_where", WhereText(record.where[!from_hi])},
         {"silent", life.ok() ? absl::FormatDuration(absl::Trunc(
                                    life->SilenceOf(record), absl::Seconds(1)))
                              : std::string("?")},
         {"live", std::string(!life.ok()                  ? "?"
                              : life->IsLive(key, record) ? "yes"
                                                          : "no")},
         {"check", std::string(is_right ? "right" : "wrong")}});
  });
}

absl::Status DumpMetrics(InstanceView&, const MapReader& map, EntrySink sink) {
  CC_RETURN_IF_ERROR(
      map.Check(abi::ShapeOf<uint32_t>(), abi::ShapeOf<cc_metric>()));
  return map.ForEach([&](const std::byte* key_at, const std::byte* values) {
    const auto key = Read<uint32_t>(key_at);
    uint64_t packets = 0, bytes = 0;
    for (size_t at = 0; at < map.value_bytes(); at += sizeof(cc_metric)) {
      const auto metric = Read<cc_metric>(values + at);
      packets += metric.packets;
      bytes += metric.bytes;
    }
    if (packets == 0) return true;
    const bool is_egress = key >> 8 == CC_EGRESS;
    return sink({{"direction", std::string(is_egress ? "egress" : "ingress")},
                 {"reason", ReasonText(key & 0xff)},
                 {"packets", packets},
                 {"bytes", bytes}});
  });
}

std::string DirectionText(uint32_t direction) {
  return direction == CC_EGRESS ? "egress" : "ingress";
}

// What endpoints sent and got, by their slots.
absl::Status DumpForwarded(InstanceView&, const MapReader& map,
                           EntrySink sink) {
  CC_RETURN_IF_ERROR(
      map.Check(abi::ShapeOf<uint32_t>(), abi::ShapeOf<cc_forwarded>()));
  return map.ForEach([&](const std::byte* key, const std::byte* values) {
    const uint32_t first = Read<uint32_t>(key) * CC_FORWARDED_ENDPOINTS;
    for (uint32_t i = 0; i < std::size(cc_forwarded().at); ++i) {
      uint64_t packets = 0, bytes = 0;
      for (size_t cpu = 0; cpu < map.value_bytes();
           cpu += sizeof(cc_forwarded)) {
        const auto metric =
            Read<cc_metric>(values + cpu + i * sizeof(cc_metric));
        packets += metric.packets;
        bytes += metric.bytes;
      }
      if (packets != 0 && !sink({{"endpoint", Number(first + i / 2)},
                                 {"direction", DirectionText(i % 2)},
                                 {"packets", packets},
                                 {"bytes", bytes}}))
        return false;
    }
    return true;
  });
}

absl::Status DumpDrops(InstanceView&, const MapReader& map, EntrySink sink) {
  CC_RETURN_IF_ERROR(
      map.Check(abi::ShapeOf<cc_drop_key>(), abi::ShapeOf<cc_metric>()));
  return map.ForEach([&](const std::byte* key_at, const std::byte* values) {
    const auto key = Read<cc_drop_key>(key_at);
    uint64_t packets = 0, bytes = 0;
    for (size_t at = 0; at < map.value_bytes(); at += sizeof(cc_metric)) {
      const auto metric = Read<cc_metric>(values + at);
      packets += metric.packets;
      bytes += metric.bytes;
    }
    return sink({{"endpoint", Number(key.slot)},
                 {"direction", DirectionText(key.direction)},
                 {"reason", ReasonText(key.reason)},
                 {"packets", packets},
                 {"bytes", bytes}});
  });
}

std::string KindText(uint32_t kind) {
  if (kind == CC_EVENT_NEW) return "new connection";
  if (kind == CC_EVENT_DROP) return "drop";
  if (kind == CC_EVENT_END) return "end";
  if (kind == CC_EVENT_VERDICT) return "verdict";
  return absl::StrCat("kind ", kind);
}

absl::Status DumpEventsLost(InstanceView&, const MapReader& map,
                            EntrySink sink) {
  CC_RETURN_IF_ERROR(
      map.Check(abi::ShapeOf<uint32_t>(), abi::ShapeOf<uint64_t>()));
  return map.ForEach([&](const std::byte* key, const std::byte* values) {
    uint64_t lost = 0;
    for (size_t at = 0; at < map.value_bytes(); at += sizeof(uint64_t))
      lost += Read<uint64_t>(values + at);
    if (lost == 0) return true;
    return sink({{"kind", KindText(Read<uint32_t>(key))}, {"lost", lost}});
  });
}

// What the reader has not read yet; it stays unread.
absl::Status DumpEvents(InstanceView&, const MapReader& map, EntrySink sink) {
  return map
      .PeekRing([&](absl::Span<const std::byte> record) {
        MapEntry entry;
        cc_event event = {};
        if (record.size() >= sizeof(event))
          event = Read<cc_event>(record.data());
        if (event.version != CC_EVENT_VERSION || event.bytes < sizeof(event))
          return sink({{"event", absl::StrCat("of another build, ",
                                              record.size(), " bytes")}});
        entry.push_back({"event", KindText(event.kind)});
        MapEntry fields;
        AddByLayout(abi::ShapeOf<cc_event>(), record.data(), "", fields);
        for (MapField& field : fields) {
          if (field.name == "kind" || field.name == "version" ||
              field.name == "bytes")
            continue;
          if (field.name == "direction")
            field.value = std::string(event.direction == CC_EGRESS ? "egress"
                                                                   : "ingress");
          if (field.name == "rule_set")
            field.value = Texts{absl::StrCat(event.rule_set[CC_EGRESS]),
                                absl::StrCat(event.rule_set[CC_INGRESS])};
          if (field.name == "sport")
            field.value = Number(abi::FromBe16(event.sport));
          if (field.name == "dport")
            field.value = Number(abi::FromBe16(event.dport));
          entry.push_back(std::move(field));
        }
        return sink(std::move(entry));
      })
      .status();
}

absl::Status DumpFragments(InstanceView&, const MapReader& map,
                           EntrySink sink) {
  CC_RETURN_IF_ERROR(
      map.Check(abi::ShapeOf<cc_fragment_key>(), abi::ShapeOf<cc_fragment>()));
  return map.ForEach([&](const std::byte* key_at, const std::byte* value) {
    const auto key = Read<cc_fragment_key>(key_at);
    const auto first = Read<cc_fragment>(value);
    return sink({{"protocol", ProtocolText(key.protocol)},
                 {"source", EndText(key.src, first.sport)},
                 {"destination", EndText(key.dst, first.dport)},
                 {"id", absl::StrFormat("0x%x", abi::FromBe32(key.id))},
                 {"icmp_type", Number(first.icmp_type)},
                 {"icmp_code", Number(first.icmp_code)}});
  });
}

std::string FrontendText(const cc_service& service) {
  return ServiceChains::KeyOf(service).ToString();
}

std::string BackendText(const InstanceView& view, uint32_t at) {
  if (at >= view.backends.size()) return absl::StrCat("backend ", at);
  return EndText(view.backends[at].addr, view.backends[at].port);
}

absl::Status DumpFrontends(InstanceView& view, const MapReader&,
                           EntrySink sink) {
  bool wanted = true;
  view.ForEachService([&](uint32_t head, uint32_t service) {
    if (!wanted) return;
    wanted = sink({{"frontend", FrontendText(view.services[service])},
                   {"service", Number(service)},
                   {"head", Number(head)}});
  });
  return absl::OkStatus();
}

absl::Status DumpServices(InstanceView& view, const MapReader&,
                          EntrySink sink) {
  bool wanted = true;
  view.ForEachService([&](uint32_t, uint32_t index) {
    if (!wanted) return;
    const cc_service& service = view.services[index];
    const TargetView target = view.TargetOf(service);
    Texts backends;
    for (const uint32_t at : view.BackendsOf(index))
      backends.push_back(BackendText(view, at));
    wanted = sink(
        {{"service", Number(index)},
         {"frontend", FrontendText(service)},
         {"backends", std::move(backends)},
         {"first_backend", Number(target.backends)},
         {"slots", Number(target.size)},
         {"first_line", target.line.has_value() ? absl::StrCat(*target.line)
                                                : std::string("none")},
         {"affinity_ticks", Number(service.affinity_ticks)},
         {"since_epoch", Number(service.which >> 32)}});
  });
  return absl::OkStatus();
}

// How a table spreads over its backends.
absl::Status DumpMaglev(InstanceView& view, const MapReader&, EntrySink sink) {
  bool wanted = true;
  view.ForEachService([&](uint32_t, uint32_t index) {
    const TargetView target = view.TargetOf(view.services[index]);
    if (!wanted || !target.line.has_value()) return;
    std::map<uint32_t, uint64_t> slots;
    for (uint32_t slot = 0; slot < target.size; ++slot)
      ++slots[view.BackendIn(target, slot)];
    for (const auto& [number, count] : slots) {
      wanted =
          wanted &&
          sink({{"frontend", FrontendText(view.services[index])},
                {"backend", BackendText(view, target.backends + number)},
                {"number", Number(number)},
                {"slots", count},
                {"of", Number(target.size)},
                {"share",
                 absl::StrFormat("%.1f%%", 100.0 * static_cast<double>(count) /
                                               target.size)}});
    }
  });
  return absl::OkStatus();
}

absl::Status DumpBackends(InstanceView& view, const MapReader&,
                          EntrySink sink) {
  bool wanted = true;
  view.ForEachService([&](uint32_t, uint32_t index) {
    for (const uint32_t at : view.BackendsOf(index)) {
      if (!wanted || at >= view.backends.size()) return;
      const cc_backend& backend = view.backends[at];
      wanted = sink({{"backend", Number(at)},
                     {"address", EndText(backend.addr, backend.port)},
                     {"frontend", FrontendText(view.services[index])},
                     {"service", Number(backend.service)},
                     {"born", Number(backend.born)},
                     {"until_epoch", Number(backend.until)}});
    }
  });
  return absl::OkStatus();
}

absl::Status DumpAffinity(InstanceView& view, const MapReader& map,
                          EntrySink sink) {
  CC_RETURN_IF_ERROR(
      map.Check(abi::ShapeOf<cc_affinity_key>(), abi::ShapeOf<cc_affinity>()));
  return map.ForEach([&](const std::byte* key_at, const std::byte* value) {
    const auto key = Read<cc_affinity_key>(key_at);
    const auto affinity = Read<cc_affinity>(value);
    const bool known = key.service < view.services.size();
    const bool is_believed =
        affinity.backend < view.backends.size() &&
        view.backends[affinity.backend].born == affinity.born &&
        view.backends[affinity.backend].service == key.service;
    return sink(
        {{"client", Number(key.client)},
         {"frontend", known ? FrontendText(view.services[key.service]) : ""},
         {"backend", BackendText(view, affinity.backend)},
         {"believed", std::string(is_believed ? "yes" : "no")},
         {"seen_tick", Number(affinity.seen)}});
  });
}

absl::Status DumpSocks(InstanceView&, const MapReader& map, EntrySink sink) {
  return map.ForEach([&](const std::byte*, const std::byte* value) {
    const auto sock = Read<cc_sock>(value);
    Texts known;
    for (int i = 0; i < CC_SOCK_SERVICES; ++i) {
      if (sock.service[i] == 0) continue;
      const cc_sock_service& service = sock.known[i];
      known.push_back(
          absl::StrCat(EndText(service.frontend, service.frontend_port), " is ",
                       EndText(service.backend, service.backend_port)));
    }
    return sink({{"known", std::move(known)}, {"last", Number(sock.last)}});
  });
}

}  // namespace

MapDecoder TrafficDecoderOf(absl::string_view map) {
  static constexpr std::pair<const char*, MapDecoder> kDecoders[] = {
      {"cc_conntrack", DumpConntrack}, {"cc_metrics", DumpMetrics},
      {"cc_events", DumpEvents},       {"cc_events_lost", DumpEventsLost},
      {"cc_fragments", DumpFragments}, {"cc_frontends", DumpFrontends},
      {"cc_services", DumpServices},   {"cc_maglev", DumpMaglev},
      {"cc_backends", DumpBackends},   {"cc_affinity", DumpAffinity},
      {"cc_socks", DumpSocks},         {"cc_forwarded", DumpForwarded},
      {"cc_drops", DumpDrops},
  };
  for (const auto& [name, decoder] : kDecoders) {
    if (map == name) return decoder;
  }
  return nullptr;
}

}  // namespace ciliumcore::internal
