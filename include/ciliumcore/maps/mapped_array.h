// SPDX-License-Identifier: Apache-2.0

// MappedArray<V>: an array that programs look up and user space writes as its
// own memory, without system calls.

#ifndef CILIUMCORE_MAPS_MAPPED_ARRAY_H_
#define CILIUMCORE_MAPS_MAPPED_ARRAY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/layout.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/maps/map_spec.h"
#include "ciliumcore/maps/raw_map.h"

namespace ciliumcore {

// A value of one aligned word, which loads and stores whole.
template <typename W>
concept Word = std::is_trivially_copyable_v<W> &&
    (sizeof(W) == 4 || sizeof(W) == 8);

// Stores `value` in one piece, after everything this thread wrote before: a
// program that reads it sees those writes too. `at` is aligned to its size.
template <Word W>
inline void StoreRelease(W* at, W value) {
  using Integer = std::conditional_t<sizeof(W) == 4, uint32_t, uint64_t>;
  using Aliased [[gnu::may_alias]] = Integer;
  __atomic_store_n(reinterpret_cast<Aliased*>(at),
                   __builtin_bit_cast(Integer, value), __ATOMIC_RELEASE);
}

// Loads `*at` in one piece, before anything this thread reads after.
template <Word W>
inline W LoadAcquire(const W* at) {
  using Integer = std::conditional_t<sizeof(W) == 4, uint32_t, uint64_t>;
  using Aliased [[gnu::may_alias]] = const Integer;
  return __builtin_bit_cast(
      W, __atomic_load_n(reinterpret_cast<Aliased*>(at), __ATOMIC_ACQUIRE));
}

struct MappedArrayOptions {
  std::string name;
  uint32_t size = 0;
};

// Owns an array of the kernel, mapped for reading and writing; its entries are
// zero at first. Programs read while this process writes: what must be seen
// whole is one word, written by StoreRelease after what it refers to.
//
// Moving keeps pointers into it valid; destroying ends them, not the array that
// programs or pins hold. Distinct entries may be written by distinct threads.
template <abi::Described V>
class MappedArray {
  static_assert(std::is_trivially_copyable_v<V>);
  static_assert(sizeof(V) % 8 == 0, "the kernel rounds each value up to 8");

 public:
  // A new array of the kernel. InvalidArgument if `size` is 0.
  static absl::StatusOr<MappedArray> Create(const MappedArrayOptions& options) {
    return Mapped(RawMap::Create(Spec(options)));
  }

  // A new array in this process.
  static absl::StatusOr<MappedArray> CreateInMemory(
      const MappedArrayOptions& options) {
    return Mapped(RawMap::CreateInMemory(Spec(options)));
  }

  // Takes `fd`. FailedPrecondition if the map's layout is another, or if it was
  // not created to be mapped (BPF_F_MMAPABLE).
  static absl::StatusOr<MappedArray> Adopt(UniqueFd fd) {
    return Mapped(RawMap::Adopt(std::move(fd), abi::ShapeOf<uint32_t>(),
                                abi::ShapeOf<V>()));
  }

  // Adopts the array pinned at `path`; NotFound if nothing is there.
  static absl::StatusOr<MappedArray> OpenPinned(const std::string& path) {
    return Mapped(
        RawMap::OpenPinned(path, abi::ShapeOf<uint32_t>(), abi::ShapeOf<V>()));
  }

  // Opens the array pinned at `path`, or creates and pins it.
  static absl::StatusOr<MappedArray> OpenOrCreatePinned(
      const std::string& path, const MappedArrayOptions& options) {
    return Mapped(RawMap::OpenOrCreatePinned(path, Spec(options)));
  }

  const MapInfo& info() const { return raw_.info(); }
  int fd() const { return raw_.fd(); }

  size_t size() const { return entries_.size(); }
  absl::Span<V> entries() { return entries_; }
  absl::Span<const V> entries() const { return entries_; }
  V& operator[](size_t index) { return entries_[index]; }
  const V& operator[](size_t index) const { return entries_[index]; }

  // Makes the array reachable at `path` of a bpffs, beyond this process.
  absl::Status Pin(const std::string& path, PinMode mode = PinMode::kCreate) {
    return raw_.Pin(path, mode);
  }

 private:
  MappedArray(RawMap raw, absl::Span<V> entries)
      : raw_(std::move(raw)), entries_(entries) {}

  static MapSpec Spec(const MappedArrayOptions& options) {
    return {.name = options.name,
            .kind = MapKind::kArray,
            .key = abi::ShapeOf<uint32_t>(),
            .value = abi::ShapeOf<V>(),
            .capacity = options.size,
            .memory_mapped = true};
  }

  static absl::StatusOr<MappedArray> Mapped(absl::StatusOr<RawMap> raw) {
    if (!raw.ok()) return raw.status();
    const absl::StatusOr<absl::Span<std::byte>> memory = raw->Memory();
    if (!memory.ok()) return memory.status();
    return MappedArray(*std::move(raw),
                       absl::MakeSpan(reinterpret_cast<V*>(memory->data()),
                                      memory->size() / sizeof(V)));
  }

  RawMap raw_;
  absl::Span<V> entries_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_MAPS_MAPPED_ARRAY_H_
