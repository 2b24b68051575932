// SPDX-License-Identifier: Apache-2.0

// What stands behind a RawMap: the kernel, or this process.

#ifndef CILIUMCORE_LIB_MAPS_MAP_BACKEND_INTERNAL_H_
#define CILIUMCORE_LIB_MAPS_MAP_BACKEND_INTERNAL_H_

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/maps/map_spec.h"

namespace ciliumcore::internal {

// How far a walk has come. Only the backend that walks reads it.
struct CursorState {
  bool started = false;
  bool done = false;
  bool by_key = false;           // steps key by key, for want of batches
  std::vector<std::byte> token;  // where it goes on: a bucket, a key, an index
  std::unordered_set<std::string> seen;  // keys, where a walk may start over
  size_t repeats = 0;  // keys met again since the last new one
};

// Implementations are thread-safe. The errors are those of RawMap.
class MapBackend {
 public:
  MapBackend(MapInfo info, size_t value_bytes);
  virtual ~MapBackend() = default;
  MapBackend(const MapBackend&) = delete;
  MapBackend& operator=(const MapBackend&) = delete;

  const MapInfo& info() const { return info_; }
  size_t value_bytes() const { return value_bytes_; }

  virtual absl::Status Lookup(const void* key, void* value) const = 0;
  virtual absl::Status Put(const void* key, const void* value,
                           PutMode mode) = 0;
  virtual absl::Status Erase(const void* key) = 0;

  // `*done` counts the entries dealt with, `*erased` those that were there.
  // They begin where the caller set them. The defaults go one by one.
  virtual absl::Status PutBatch(const void* keys, const void* values,
                                size_t count, size_t* done);
  virtual absl::Status EraseBatch(const void* keys, size_t count, size_t* done,
                                  size_t* erased);

  // Copies the next entries of a walk that is not done; none only if it then
  // is.
  virtual absl::StatusOr<size_t> Walk(CursorState* cursor, void* keys,
                                      void* values, size_t room) const = 0;

  virtual int fd() const { return -1; }
  virtual absl::StatusOr<absl::Span<std::byte>> Memory() = 0;

 protected:
  // A miss is frequent and expected: its status is made once and shared.
  const absl::Status& not_found() const { return not_found_; }

  const std::byte* KeyAt(const void* keys, size_t index) const {
    return static_cast<const std::byte*>(keys) + index * info_.key_size;
  }
  const std::byte* ValueAt(const void* values, size_t index) const {
    return static_cast<const std::byte*>(values) + index * value_bytes_;
  }

 private:
  const MapInfo info_;
  const size_t value_bytes_;
  const absl::Status not_found_;
};

// InvalidArgument, naming the field, if no backend can make such a map.
absl::Status CheckSpec(const MapSpec& spec);

// The backends.
absl::StatusOr<std::unique_ptr<MapBackend>> CreateKernelMap(
    const MapSpec& spec);
absl::StatusOr<std::unique_ptr<MapBackend>> WrapKernelMap(UniqueFd fd);
std::unique_ptr<MapBackend> CreateMemoryMap(const MapSpec& spec);

// FailedPrecondition if `fd` is of something else. Programs and links are fds
// too, and the kernel would tell of them as if of a map.
absl::Status CheckIsMap(int fd);

// Bytes of all values under one key, each rounded up as the kernel does.
size_t ValueBytes(MapKind kind, size_t value_size);

// BTF that the kernel holds for as long as `fd` or a map made with it lives.
struct LoadedTypes {
  UniqueFd fd;
  uint32_t key_id = 0;
  uint32_t value_id = 0;
};

// Describes `key` and `value` to the kernel.
absl::StatusOr<LoadedTypes> LoadTypes(const abi::Shape& key,
                                      const abi::Shape& value);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_MAPS_MAP_BACKEND_INTERNAL_H_
