// SPDX-License-Identifier: Apache-2.0

// What a map is: its kind, its types and its room, as plain values.

#ifndef CILIUMCORE_MAPS_MAP_SPEC_H_
#define CILIUMCORE_MAPS_MAP_SPEC_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "ciliumcore/abi/layout.h"

namespace ciliumcore {

enum class MapKind {
  kHash,
  kLruHash,      // makes room by evicting what was written longest ago, roughly
  kLpmTrie,      // the key begins with a __u32: how many bits after it count
  kArray,        // the key is a __u32 below the capacity; every entry exists
  kPerCpuHash,   // one value for each possible CPU
  kPerCpuArray,  // the same over an array
};

// "LRU hash".
absl::string_view MapKindName(MapKind kind);

// Whether Put may create an entry, replace one, or either.
enum class PutMode { kAny = 0, kCreate = 1, kReplace = 2 };

// A map to be created.
struct MapSpec {
  std::string name;  // 1..15 of [A-Za-z0-9_]: the kernel cuts there
  MapKind kind = MapKind::kHash;
  abi::Shape key;
  abi::Shape value;
  uint32_t capacity = 0;
  // User space maps the values into its memory; arrays only.
  bool memory_mapped = false;
  // Take the memory of all entries at once. Hashes only: a trie never does,
  // the others always do.
  bool preallocate = true;
};

// A map that exists.
struct MapInfo {
  uint32_t id = 0;  // the kernel's number; 0 for a map in memory
  std::string name;
  MapKind kind = MapKind::kHash;
  uint32_t key_size = 0;
  uint32_t value_size = 0;  // of one value, also where there is one per CPU
  uint32_t capacity = 0;
  bool memory_mapped = false;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_MAPS_MAP_SPEC_H_
