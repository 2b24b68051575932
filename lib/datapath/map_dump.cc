// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/datapath/map_dump.h"

#include <bpf/btf.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/flow/reason.h"
#include "ciliumcore/identity/reserved.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/map_decoders_internal.h"

namespace ciliumcore {
namespace internal {
namespace {

std::string HexOf(const std::byte* bytes, size_t count) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes), count));
}

uint64_t NumberOf(const std::byte* bytes, size_t size) {
  uint64_t number = 0;  // little-endian, as every target of the programs
  std::memcpy(&number, bytes, std::min(size, sizeof(number)));
  return number;
}

// The shape of the type that the kernel knows a map's keys or values by; null
// if this build has none of that name and size.
const abi::Shape* ShapeOfType(const btf* types, uint32_t id, size_t size) {
  const btf_type* type =
      types == nullptr ? nullptr : btf__type_by_id(types, id);
  const char* name =
      type == nullptr ? "" : btf__name_by_offset(types, type->name_off);
  const auto* const found = std::find_if(
      abi::kShapes.begin(), abi::kShapes.end(), [&](const abi::Shape& shape) {
        return shape.name == name && shape.size == size;
      });
  return found == abi::kShapes.end() ? nullptr : found;
}

void AddPlain(const abi::Shape* shape, const std::byte* bytes, size_t size,
              const char* name, MapEntry& entry) {
  if (shape != nullptr) {
    AddByLayout(*shape, bytes, "", entry);
  } else if (size <= 8) {
    entry.push_back({name, NumberOf(bytes, size)});
  } else {
    entry.push_back({name, HexOf(bytes, size)});
  }
}

// A map that no decoder knows.
absl::Status DumpPlain(const MapReader& map, EntrySink sink) {
  const bpf_map_info& info = map.info();
  const std::unique_ptr<btf, decltype(&btf__free)> types(
      info.btf_id == 0 ? nullptr : btf__load_from_kernel_by_id(info.btf_id),
      btf__free);
  const abi::Shape* key =
      ShapeOfType(types.get(), info.btf_key_type_id, info.key_size);
  const abi::Shape* value =
      ShapeOfType(types.get(), info.btf_value_type_id, info.value_size);
  const bool is_array =
      info.type == BPF_MAP_TYPE_ARRAY || info.type == BPF_MAP_TYPE_PERCPU_ARRAY;
  const size_t step = (info.value_size + size_t{7}) / 8 * 8;
  return map.ForEach([&](const std::byte* key_at, const std::byte* value_at) {
    if (is_array && std::all_of(value_at, value_at + map.value_bytes(),
                                [](std::byte b) { return b == std::byte{0}; }))
      return true;
    for (size_t cpu = 0; cpu * step < map.value_bytes(); ++cpu) {
      MapEntry entry;
      AddPlain(key, key_at, info.key_size, "key", entry);
      if (map.is_per_cpu()) entry.push_back({"cpu", uint64_t{cpu}});
      AddPlain(value, value_at + cpu * step, info.value_size, "value", entry);
      if (!sink(std::move(entry))) return false;
    }
    return true;
  });
}

// True if a field is the address, alone or with a port.
bool Names(const MapEntry& entry, const std::string& address) {
  const auto is_it = [&](const std::string& text) {
    return text == address ||
           absl::StartsWith(text, absl::StrCat(address, ":")) ||
           absl::StartsWith(text, absl::StrCat("[", address, "]")) ||
           absl::StartsWith(text, absl::StrCat(address, " "));
  };
  return std::any_of(entry.begin(), entry.end(), [&](const MapField& field) {
    if (const auto* text = std::get_if<std::string>(&field.value))
      return is_it(*text);
    const auto* texts = std::get_if<std::vector<std::string>>(&field.value);
    return texts != nullptr && std::any_of(texts->begin(), texts->end(), is_it);
  });
}

}  // namespace

std::string AddressText(const cc_addr& address) {
  const cc_addr none = {};
  if (std::memcmp(&address, &none, sizeof(none)) == 0) return "";
  return abi::FromAddr(address).ToString();
}

std::string EndText(const cc_addr& address, __be16 port) {
  const IpAddress ip = abi::FromAddr(address);
  return ip.is_v4()
             ? absl::StrCat(ip.ToString(), ":", abi::FromBe16(port))
             : absl::StrCat("[", ip.ToString(), "]:", abi::FromBe16(port));
}

std::string PeerText(uint32_t peer) {
  return IdentityName(static_cast<Identity>(peer));
}

std::string WhereText(uint16_t where) {
  if (where == 0) return "unknown";
  if ((where & CC_REMOTE) == 0) return absl::StrCat("endpoint ", where);
  if (where == CC_REMOTE) return "by routing";
  return absl::StrCat("hop ", where & (CC_REMOTE - 1));
}

std::string ReasonText(uint32_t reason) {
  const auto known = FindDropReason(static_cast<uint8_t>(reason));
  if (known.has_value()) return std::string(known->name);
  return reason == 0 ? "forwarded" : absl::StrCat("reason ", reason);
}

std::string ProtocolText(uint8_t protocol) {
  return ProtocolName(static_cast<Protocol>(protocol));
}

void AddByLayout(const abi::Shape& shape, const std::byte* bytes,
                 absl::string_view prefix, MapEntry& entry) {
  for (const abi::Field& field : shape.fields) {
    const absl::string_view name(field.name.data(), field.name.size());
    if (absl::StartsWith(name, "pad")) continue;
    MapField out = {absl::StrCat(prefix, name), uint64_t{0}};
    const std::byte* at = bytes + field.offset;
    const uint64_t number = NumberOf(at, field.size);
    const bool is_port = field.size == 2 && absl::EndsWith(name, "port");
    if (field.size == sizeof(cc_addr)) {
      cc_addr address;
      std::memcpy(&address, at, sizeof(address));
      out.value = AddressText(address);
    } else if (is_port) {
      out.value = uint64_t{abi::FromBe16(static_cast<__be16>(number))};
    } else if (name == "protocol") {
      out.value = ProtocolText(static_cast<uint8_t>(number));
    } else if (name == "reason") {
      out.value = ReasonText(static_cast<uint32_t>(number));
    } else if (field.size == 4 &&
               (name == "peer" || absl::EndsWith(name, "_peer") ||
                name == "identity")) {
      out.value = PeerText(static_cast<uint32_t>(number));
    } else if (field.size <= 8) {
      out.value = number;
    } else {
      out.value = HexOf(at, field.size);
    }
    entry.push_back(std::move(out));
  }
}

MapDecoder DecoderOf(absl::string_view map) {
  if (const MapDecoder policy = PolicyDecoderOf(map); policy != nullptr)
    return policy;
  if (const MapDecoder journal = JournalDecoderOf(map); journal != nullptr)
    return journal;
  return TrafficDecoderOf(map);
}

}  // namespace internal

std::string MapField::text() const {
  if (const auto* number = std::get_if<uint64_t>(&value))
    return absl::StrCat(*number);
  if (const auto* one = std::get_if<std::string>(&value)) return *one;
  return absl::StrJoin(std::get<std::vector<std::string>>(value), ", ");
}

bool HasMapDecoder(absl::string_view map) {
  return internal::DecoderOf(map) != nullptr;
}

absl::StatusOr<MapDump> DumpMap(const InspectOptions& instance,
                                const std::string& map,
                                const MapDumpOptions& options) {
  CC_ASSIGN_OR_RETURN(internal::InstanceView view,
                      internal::InstanceView::Open(instance));
  CC_ASSIGN_OR_RETURN(internal::MapReader* const reader, view.Find(map));
  MapDump dump = {.map = map,
                  .type = internal::MapTypeName(reader->info().type),
                  .entries = {}};
  const std::string address =
      options.address.has_value() ? options.address->ToString() : "";
  const auto sink = [&](MapEntry entry) {
    if (!address.empty() && !internal::Names(entry, address)) return true;
    if (options.limit != 0 && dump.entries.size() == options.limit) {
      dump.is_limited = true;
      return false;
    }
    dump.entries.push_back(std::move(entry));
    return true;
  };
  const internal::MapDecoder decoder = internal::DecoderOf(map);
  CC_RETURN_IF_ERROR(decoder != nullptr ? decoder(view, *reader, sink)
                                        : internal::DumpPlain(*reader, sink));
  return dump;
}

}  // namespace ciliumcore
