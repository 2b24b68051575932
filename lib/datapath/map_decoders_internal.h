// SPDX-License-Identifier: Apache-2.0

// One decoder for each map.

#ifndef CILIUMCORE_LIB_DATAPATH_MAP_DECODERS_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_MAP_DECODERS_INTERNAL_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/datapath/map_dump.h"
#include "lib/datapath/instance_view_internal.h"

namespace ciliumcore::internal {

// Takes the next entry; false: no more are wanted.
using EntrySink = absl::FunctionRef<bool(MapEntry)>;

using MapDecoder = absl::Status (*)(InstanceView& view, const MapReader& map,
                                    EntrySink sink);

// Null: there is none.
MapDecoder DecoderOf(absl::string_view map);

// Of policy and endpoints; of services and connections.
MapDecoder PolicyDecoderOf(absl::string_view map);
MapDecoder TrafficDecoderOf(absl::string_view map);
MapDecoder JournalDecoderOf(absl::string_view map);

// What decoders share: fields that are numbers or several texts, and structs
// that may lie anywhere.
using Texts = std::vector<std::string>;
inline uint64_t Number(uint64_t value) { return value; }
template <typename T>
T Read(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// The words that decoders share.
std::string AddressText(const cc_addr& address);           // "" if all zero
std::string EndText(const cc_addr& address, __be16 port);  // "10.0.0.1:80"
std::string PeerText(uint32_t peer);                       // "world", "257"
// "endpoint 3", "hop 2", "by routing", "unknown".
std::string WhereText(uint16_t where);
std::string ReasonText(uint32_t reason);
std::string ProtocolText(uint8_t protocol);
// "80-90/TCP", "TCP", "protocols 18-255": of keys protocol << 16 | port.
std::string PortsText(uint32_t first, uint32_t last);

// Field by field. Addresses, ports in network order, protocols, peers and
// reasons are recognized by size and name; what is called "pad" is left out.
void AddByLayout(const abi::Shape& shape, const std::byte* bytes,
                 absl::string_view prefix, MapEntry& entry);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_MAP_DECODERS_INTERNAL_H_
