// SPDX-License-Identifier: Apache-2.0

// Maps of others, for reading: neither descriptors nor mappings can write.

#ifndef CILIUMCORE_LIB_DATAPATH_MAP_READER_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_MAP_READER_INTERNAL_H_

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/layout.h"
#include "ciliumcore/base/unique_fd.h"

namespace ciliumcore::internal {

// Move-only; thread-compatible. Errors begin with the map's name.
class MapReader {
 public:
  // NotFound if nothing is pinned at `path`.
  static absl::StatusOr<MapReader> OpenPinned(const std::string& path);
  // NotFound if there is no such map any more.
  static absl::StatusOr<MapReader> OpenId(uint32_t id);

  MapReader(MapReader&&) noexcept = default;
  MapReader& operator=(MapReader&&) noexcept = default;

  const bpf_map_info& info() const { return info_; }
  int fd() const { return fd_.get(); }
  std::string name() const { return info_.name; }
  // Bytes of a value: with one per CPU, of all of them.
  size_t value_bytes() const;
  bool is_per_cpu() const;
  bool is_mapped_array() const;

  // What the kernel charges for it.
  uint64_t memory_bytes() const;

  absl::Status Lookup(const void* key, void* value) const;

  // Shows `visit` every entry of a hash, a trie or an array, until it returns
  // false; in batches, where the kernel has them. Unimplemented for other
  // kinds.
  absl::Status ForEach(
      absl::FunctionRef<bool(const std::byte* key, const std::byte* value)>
          visit) const;

  // The entries of a memory-mapped array, valid as long as the reader.
  // FailedPrecondition if it is none, or its values are no `T`.
  template <typename T>
  absl::StatusOr<absl::Span<const T>> Entries() {
    absl::StatusOr<const std::byte*> memory =
        Map(abi::ShapeOf<uint32_t>(), abi::ShapeOf<T>());
    if (!memory.ok()) return memory.status();
    return absl::Span<const T>(reinterpret_cast<const T*>(*memory),
                               info_.max_entries);
  }

  // Shows `visit` the unread records of a ring buffer, and leaves them unread.
  // Returns how many bytes of it are unread.
  absl::StatusOr<uint64_t> PeekRing(
      absl::FunctionRef<bool(absl::Span<const std::byte> record)> visit) const;

  // FailedPrecondition, naming what differs, if keys and values are others.
  absl::Status Check(const abi::Shape& key, const abi::Shape& value) const;

 private:
  struct Unmap {
    size_t bytes;
    void operator()(void* memory) const;
  };
  using Mapping = std::unique_ptr<void, Unmap>;

  MapReader(UniqueFd fd, const bpf_map_info& info)
      : fd_(std::move(fd)), info_(info) {}
  static absl::StatusOr<MapReader> Of(UniqueFd fd, const std::string& subject);
  absl::StatusOr<const std::byte*> Map(const abi::Shape& key,
                                       const abi::Shape& value);
  absl::StatusOr<Mapping> MapPages(size_t offset, size_t bytes) const;
  absl::Status WalkByKey(
      absl::FunctionRef<bool(const std::byte*, const std::byte*)> visit) const;

  UniqueFd fd_;
  bpf_map_info info_;
  Mapping memory_;
};

// "LRU hash".
std::string MapTypeName(uint32_t type);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_MAP_READER_INTERNAL_H_
