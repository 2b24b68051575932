// SPDX-License-Identifier: Apache-2.0

// Map<K, V>: a BPF hash, LRU, trie or array whose entries have C++ types.
//
// Choose PerCpuMap (per_cpu_map.h) for counters that every CPU writes alone,
// MappedArray (mapped_array.h) for tables written without system calls.

#ifndef CILIUMCORE_MAPS_MAP_H_
#define CILIUMCORE_MAPS_MAP_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/layout.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/maps/map_spec.h"
#include "ciliumcore/maps/raw_map.h"

namespace ciliumcore {

// MapSpec but for the types, which are those of the Map.
struct MapOptions {
  std::string name;
  MapKind kind = MapKind::kHash;
  uint32_t capacity = 0;
  bool preallocate = true;
};

// Owns a map that the datapath reads and writes. K and V are abi structs
// (abi/layouts.h) or integers: every byte of an entry has a name, so two equal
// keys are equal bytes.
//
// Thread-safe. Each call on one entry is one system call and atomic; between
// two calls the datapath may have changed either. Errors by code are RawMap's.
template <abi::Described K, abi::Described V>
class Map {
  static_assert(std::is_trivially_copyable_v<K>);
  static_assert(std::is_trivially_copyable_v<V>);

 public:
  // A new map of the kernel.
  static absl::StatusOr<Map> Create(const MapOptions& options) {
    return Typed(RawMap::Create(Spec(options)));
  }

  // A new map in this process, for tests and models: no privilege.
  static absl::StatusOr<Map> CreateInMemory(const MapOptions& options) {
    return Typed(RawMap::CreateInMemory(Spec(options)));
  }

  // Takes `fd`. FailedPrecondition, naming every field that differs, if the
  // map was created by a build that lays out K or V otherwise.
  static absl::StatusOr<Map> Adopt(UniqueFd fd) {
    return Typed(
        RawMap::Adopt(std::move(fd), abi::ShapeOf<K>(), abi::ShapeOf<V>()));
  }

  // Adopts the map pinned at `path`; NotFound if nothing is there.
  static absl::StatusOr<Map> OpenPinned(const std::string& path) {
    return Typed(
        RawMap::OpenPinned(path, abi::ShapeOf<K>(), abi::ShapeOf<V>()));
  }

  // Opens the map pinned at `path`, or creates and pins it. FailedPrecondition
  // if the one that is there is another than `options` asks for.
  static absl::StatusOr<Map> OpenOrCreatePinned(const std::string& path,
                                                const MapOptions& options) {
    return Typed(RawMap::OpenOrCreatePinned(path, Spec(options)));
  }

  const MapInfo& info() const { return raw_.info(); }
  int fd() const { return raw_.fd(); }

  // The value under `key`, or NotFound. A trie answers with the longest prefix
  // that covers `key`.
  absl::StatusOr<V> Lookup(const K& key) const {
    V value;
    absl::Status found = raw_.Lookup(&key, &value);
    if (!found.ok()) return found;
    return value;
  }

  // Sets `key`. ResourceExhausted if it is new and the map is full;
  // AlreadyExists or NotFound where `mode` forbids to replace or to create.
  absl::Status Put(const K& key, const V& value, PutMode mode = PutMode::kAny) {
    return raw_.Put(&key, &value, mode);
  }

  // Removes `key`; NotFound if it was not there.
  absl::Status Erase(const K& key) { return raw_.Erase(&key); }

  // Sets keys[i] to values[i] in order; see RawMap::PutBatch. InvalidArgument
  // if the two differ in length.
  absl::Status PutBatch(absl::Span<const K> keys, absl::Span<const V> values,
                        size_t* done = nullptr) {
    if (keys.size() != values.size()) {
      if (done != nullptr) *done = 0;
      return absl::InvalidArgumentError(absl::StrCat("map ", info().name, ": ",
                                                     keys.size(), " keys for ",
                                                     values.size(), " values"));
    }
    return raw_.PutBatch(keys.data(), values.data(), keys.size(), done);
  }

  // Removes `keys`; returns how many were there.
  absl::StatusOr<size_t> EraseBatch(absl::Span<const K> keys) {
    return raw_.EraseBatch(keys.data(), keys.size());
  }

  // Fills `keys` and `values` with entries that follow `cursor` and returns how
  // many; none is the end. See RawMap::LookupBatch for what a walk promises.
  absl::StatusOr<size_t> LookupBatch(MapCursor* cursor, absl::Span<K> keys,
                                     absl::Span<V> values) const {
    return raw_.LookupBatch(cursor, keys.data(), values.data(),
                            std::min(keys.size(), values.size()));
  }

  // Calls `visit` with every entry; it may change the map. The same promises.
  absl::Status ForEach(
      absl::FunctionRef<void(const K& key, const V& value)> visit) const {
    return raw_.ForEach([visit](const void* key, const void* value) {
      visit(*static_cast<const K*>(key), *static_cast<const V*>(value));
    });
  }

  // Makes the map reachable at `path` of a bpffs, beyond this process.
  absl::Status Pin(const std::string& path, PinMode mode = PinMode::kCreate) {
    return raw_.Pin(path, mode);
  }

 private:
  explicit Map(RawMap raw) : raw_(std::move(raw)) {}

  static MapSpec Spec(const MapOptions& options) {
    return {.name = options.name,
            .kind = options.kind,
            .key = abi::ShapeOf<K>(),
            .value = abi::ShapeOf<V>(),
            .capacity = options.capacity,
            .preallocate = options.preallocate};
  }

  static absl::StatusOr<Map> Typed(absl::StatusOr<RawMap> raw) {
    if (!raw.ok()) return raw.status();
    const MapInfo& info = raw->info();
    if (info.kind == MapKind::kPerCpuHash ||
        info.kind == MapKind::kPerCpuArray) {
      return absl::FailedPreconditionError(
          absl::StrCat("map ", info.name, ": is a ", MapKindName(info.kind),
                       ", which a PerCpuMap reads"));
    }
    return Map(*std::move(raw));
  }

  RawMap raw_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_MAPS_MAP_H_
