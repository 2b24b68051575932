// SPDX-License-Identifier: Apache-2.0

// PerCpuMap<K, V>: a map that holds, under each key, one value per CPU, so that
// programs count without sharing cache lines.

#ifndef CILIUMCORE_MAPS_PER_CPU_MAP_H_
#define CILIUMCORE_MAPS_PER_CPU_MAP_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/layout.h"
#include "ciliumcore/base/unique_fd.h"
#include "ciliumcore/maps/map.h"
#include "ciliumcore/maps/map_spec.h"
#include "ciliumcore/maps/raw_map.h"

namespace ciliumcore {

// Owns a map of kind kPerCpuHash or kPerCpuArray. Values come as vectors over
// the *possible* CPUs, which may be more than are running; add them up.
// Thread-safe. A read is not atomic over the CPUs: each value is as its CPU
// left it at some moment of the call. Errors by code are RawMap's.
template <abi::Described K, abi::Described V>
class PerCpuMap {
  static_assert(std::is_trivially_copyable_v<K>);
  static_assert(std::is_trivially_copyable_v<V>);

 public:
  // A new map of the kernel. FailedPrecondition for a kind without CPUs.
  static absl::StatusOr<PerCpuMap> Create(const MapOptions& options) {
    return Typed(RawMap::Create(Spec(options)));
  }

  // A new map in this process.
  static absl::StatusOr<PerCpuMap> CreateInMemory(const MapOptions& options) {
    return Typed(RawMap::CreateInMemory(Spec(options)));
  }

  // Takes `fd`. FailedPrecondition, naming every field that differs, if the
  // map was created by a build that lays out K or V otherwise.
  static absl::StatusOr<PerCpuMap> Adopt(UniqueFd fd) {
    return Typed(
        RawMap::Adopt(std::move(fd), abi::ShapeOf<K>(), abi::ShapeOf<V>()));
  }

  // Adopts the map pinned at `path`; NotFound if nothing is there.
  static absl::StatusOr<PerCpuMap> OpenPinned(const std::string& path) {
    return Typed(
        RawMap::OpenPinned(path, abi::ShapeOf<K>(), abi::ShapeOf<V>()));
  }

  // Opens the map pinned at `path`, or creates and pins it. FailedPrecondition
  // if the one that is there is another than `options` asks for.
  static absl::StatusOr<PerCpuMap> OpenOrCreatePinned(
      const std::string& path, const MapOptions& options) {
    return Typed(RawMap::OpenOrCreatePinned(path, Spec(options)));
  }

  const MapInfo& info() const { return raw_.info(); }
  int fd() const { return raw_.fd(); }

  // Values under each key.
  size_t cpus() const { return raw_.value_bytes() / kStride; }

  // The values under `key`, or NotFound.
  absl::StatusOr<std::vector<V>> Lookup(const K& key) const {
    std::vector<std::byte> bytes(raw_.value_bytes());
    absl::Status found = raw_.Lookup(&key, bytes.data());
    if (!found.ok()) return found;
    return Unpack(bytes.data());
  }

  // Sets the values under `key`, one for each of cpus(). InvalidArgument for
  // another number.
  absl::Status Put(const K& key, absl::Span<const V> values,
                   PutMode mode = PutMode::kAny) {
    if (values.size() != cpus()) {
      return absl::InvalidArgumentError(
          absl::StrCat("map ", info().name, ": ", values.size(), " values for ",
                       cpus(), " possible CPUs"));
    }
    std::vector<std::byte> bytes(raw_.value_bytes());
    for (size_t cpu = 0; cpu < values.size(); ++cpu) {
      std::memcpy(bytes.data() + cpu * kStride, &values[cpu], sizeof(V));
    }
    return raw_.Put(&key, bytes.data(), mode);
  }

  // Removes `key`; NotFound if it was not there.
  absl::Status Erase(const K& key) { return raw_.Erase(&key); }

  // Calls `visit` with every entry; see RawMap::LookupBatch for what a walk
  // promises.
  absl::Status ForEach(
      absl::FunctionRef<void(const K& key, const std::vector<V>& values)> visit)
      const {
    return raw_.ForEach([this, visit](const void* key, const void* values) {
      visit(*static_cast<const K*>(key), Unpack(values));
    });
  }

  // Makes the map reachable at `path` of a bpffs, beyond this process.
  absl::Status Pin(const std::string& path, PinMode mode = PinMode::kCreate) {
    return raw_.Pin(path, mode);
  }

 private:
  // The kernel gives each CPU's value a multiple of 8 bytes.
  static constexpr size_t kStride = (sizeof(V) + 7) / 8 * 8;

  explicit PerCpuMap(RawMap raw) : raw_(std::move(raw)) {}

  static MapSpec Spec(const MapOptions& options) {
    return {.name = options.name,
            .kind = options.kind,
            .key = abi::ShapeOf<K>(),
            .value = abi::ShapeOf<V>(),
            .capacity = options.capacity,
            .preallocate = options.preallocate};
  }

  static absl::StatusOr<PerCpuMap> Typed(absl::StatusOr<RawMap> raw) {
    if (!raw.ok()) return raw.status();
    const MapInfo& info = raw->info();
    if (info.kind != MapKind::kPerCpuHash &&
        info.kind != MapKind::kPerCpuArray) {
      return absl::FailedPreconditionError(
          absl::StrCat("map ", info.name, ": is a ", MapKindName(info.kind),
                       ", which a Map reads"));
    }
    return PerCpuMap(*std::move(raw));
  }

  std::vector<V> Unpack(const void* bytes) const {
    std::vector<V> values(cpus());
    for (size_t cpu = 0; cpu < values.size(); ++cpu) {
      std::memcpy(&values[cpu],
                  static_cast<const std::byte*>(bytes) + cpu * kStride,
                  sizeof(V));
    }
    return values;
  }

  RawMap raw_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_MAPS_PER_CPU_MAP_H_
