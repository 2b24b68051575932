// SPDX-License-Identifier: Apache-2.0

// The entries of an instance's maps by what they mean.

#ifndef CILIUMCORE_DATAPATH_MAP_DUMP_H_
#define CILIUMCORE_DATAPATH_MAP_DUMP_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/datapath/inspect.h"

namespace ciliumcore {

struct MapField {
  std::string name;  // "verdict"
  // A number, a text, or several of these.
  std::variant<uint64_t, std::string, std::vector<std::string>> value;

  // Several are joined by ", ".
  std::string text() const;
};

// Fields of one map have the same names in the same order.
using MapEntry = std::vector<MapField>;

struct MapDumpOptions {
  // Only entries that name this address.
  std::optional<IpAddress> address = {};
  // At most so many entries; 0: all.
  size_t limit = 0;
};

struct MapDump {
  std::string map;
  std::string type;  // "LRU hash"
  std::vector<MapEntry> entries;
  bool is_limited = false;  // there are more than the limit
};

// True if there is a decoder for what maps of that name mean. Others are shown
// field by field, if the kernel knows their types by names of the abi, or as
// numbers.
bool HasMapDecoder(absl::string_view map);

// Reads a map of an instance. Of the library's own arrays it shows what the
// current generation refers to, of other arrays what is not zero. Numbers of
// other maps' entries (slots, places, tables) are given as such, so that one
// can go there.
//
// NotFound: no such instance or map; those there are are in the message.
// FailedPrecondition: a map that this one's meaning depends on is laid out
// otherwise. Unimplemented: the kernel does not list the entries (the storage
// of sockets). PermissionDenied without CAP_BPF. Cost: reads the map.
absl::StatusOr<MapDump> DumpMap(const InspectOptions& instance,
                                const std::string& map,
                                const MapDumpOptions& options = {});

}  // namespace ciliumcore

#endif  // CILIUMCORE_DATAPATH_MAP_DUMP_H_
