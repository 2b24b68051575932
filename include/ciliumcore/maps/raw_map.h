// SPDX-License-Identifier: Apache-2.0

// RawMap: a map whose entries are bytes. Start with map.h, which gives them
// types; this is what it is made of.

#ifndef CILIUMCORE_MAPS_RAW_MAP_H_
#define CILIUMCORE_MAPS_RAW_MAP_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/maps/map_spec.h"

namespace ciliumcore {

namespace internal {
class MapBackend;
struct CursorState;
}  // namespace internal

// A place in a walk through one map; use it with that map only. A new one is at
// the beginning. Move-only, thread-compatible.
class MapCursor {
 public:
  MapCursor();
  MapCursor(MapCursor&&) noexcept;
  MapCursor& operator=(MapCursor&&) noexcept;
  ~MapCursor();

  // True once the walk has seen the whole map.
  bool done() const;

 private:
  friend class RawMap;
  std::unique_ptr<internal::CursorState> state_;
};

// What to do if the path of a pin is taken.
enum class PinMode {
  kCreate,   // refuse: AlreadyExists
  kReplace,  // take its place in one step: a reader finds the old or the new
};

// Owns one map, of the kernel or in memory. Both behave the same: code above
// can be tested without privilege on the second. Thread-safe but for Memory();
// each call on one entry is atomic, and between two calls anything may have
// changed.
//
// Errors, by code, where a method says no more: NotFound: no such key.
// AlreadyExists: PutMode::kCreate on a key that is there. ResourceExhausted: a
// new key does not fit. OutOfRange: an index beyond an array. InvalidArgument:
// a prefix longer than its key, or erasing from an array. PermissionDenied: the
// kernel wants CAP_BPF. Messages begin with the map's name.
//
// Pointers are to key_size and value_bytes() bytes, aligned as the types behind
// them need.
class RawMap {
 public:
  // A new map of the kernel, with BTF that describes its types, so that later
  // builds can check them. InvalidArgument if `spec` contradicts itself.
  static absl::StatusOr<RawMap> Create(const MapSpec& spec);

  // A new map in this process. Needs no privilege; cannot be pinned.
  static absl::StatusOr<RawMap> CreateInMemory(const MapSpec& spec);

  // Takes `fd`. FailedPrecondition, naming every field that differs, if the map
  // was created by a build that lays out its types otherwise, or if it is of a
  // kind that is not in MapKind.
  static absl::StatusOr<RawMap> Adopt(UniqueFd fd, const abi::Shape& key,
                                      const abi::Shape& value);

  // Adopts the map pinned at `path`. NotFound if nothing is there.
  static absl::StatusOr<RawMap> OpenPinned(const std::string& path,
                                           const abi::Shape& key,
                                           const abi::Shape& value);

  // Opens the map pinned at `path`, or creates and pins it; when several
  // processes do so at once, all get the same map. FailedPrecondition if the
  // one that is there differs from `spec` in kind, types, capacity or mapping.
  static absl::StatusOr<RawMap> OpenOrCreatePinned(const std::string& path,
                                                   const MapSpec& spec);

  RawMap(RawMap&&) noexcept;
  RawMap& operator=(RawMap&&) noexcept;
  ~RawMap();

  const MapInfo& info() const;

  // Bytes of a value in these calls: with one value per CPU, all of them, each
  // rounded up to 8.
  size_t value_bytes() const;

  // The descriptor, which stays the map's; -1 for a map in memory.
  int fd() const;

  absl::Status Lookup(const void* key, void* value) const;
  // Kernels before 6.13 may ignore `mode` in a trie, and refuse to replace in a
  // full one.
  absl::Status Put(const void* key, const void* value, PutMode mode);
  absl::Status Erase(const void* key);

  // Sets `count` keys, in order, in as few system calls as the kernel offers.
  // Stops at the first error, whose message says how many were done before it;
  // those stay. `done`, unless null, is set in any case.
  absl::Status PutBatch(const void* keys, const void* values, size_t count,
                        size_t* done);

  // Removes `count` keys and returns how many of them were there. An error says
  // how many were done before it.
  absl::StatusOr<size_t> EraseBatch(const void* keys, size_t count);

  // Copies up to `room` entries that follow `cursor`, moves it past them, and
  // returns how many; none means the end, and that cursor->done().
  //
  // What a walk sees while others write: every entry that is there from its
  // beginning to its end, once. Entries that come, go or move meanwhile may be
  // seen or not, none twice. Two weaknesses are the kernel's: where it has no
  // batches (before 5.6) an entry that is replaced meanwhile may be missed, and
  // an entry erased from a trie may be shown with the value of the prefix that
  // covered it. ResourceExhausted if `room` is less than a bucket of the hash
  // holds: ask again with more. Aborted if a trie changes faster than it is
  // read.
  absl::StatusOr<size_t> LookupBatch(MapCursor* cursor, void* keys,
                                     void* values, size_t room) const;

  // Calls `visit` with every entry, as LookupBatch sees them. `visit` may
  // change the map.
  absl::Status ForEach(
      absl::FunctionRef<void(const void* key, const void* value)> visit) const;

  // Makes the map reachable at `path` of a bpffs, beyond this process.
  // FailedPrecondition for a map in memory; NotFound without the directory.
  absl::Status Pin(const std::string& path, PinMode mode = PinMode::kCreate);

  // The values of a memory-mapped array, each rounded up to 8 bytes; valid as
  // long as the map. FailedPrecondition for other maps.
  absl::StatusOr<absl::Span<std::byte>> Memory();

 private:
  explicit RawMap(std::unique_ptr<internal::MapBackend> backend);

  std::unique_ptr<internal::MapBackend> backend_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_MAPS_RAW_MAP_H_
