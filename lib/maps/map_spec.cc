// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/maps/map_spec.h"

#include <bpf/libbpf.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lib/maps/map_backend_internal.h"
#include "lib/maps/map_errors_internal.h"

namespace ciliumcore {

absl::string_view MapKindName(MapKind kind) {
  switch (kind) {
    case MapKind::kHash:
      return "hash";
    case MapKind::kLruHash:
      return "LRU hash";
    case MapKind::kLpmTrie:
      return "longest-prefix trie";
    case MapKind::kArray:
      return "array";
    case MapKind::kPerCpuHash:
      return "per-CPU hash";
    case MapKind::kPerCpuArray:
      return "per-CPU array";
  }
  return "map of unknown kind";
}

namespace internal {
namespace {

constexpr size_t kMaxName = 15;

bool IsNameChar(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
}

}  // namespace

MapBackend::MapBackend(MapInfo info, size_t value_bytes)
    : info_(std::move(info)),
      value_bytes_(value_bytes),
      not_found_(NoSuchKey(info_)) {}

absl::Status MapBackend::PutBatch(const void* keys, const void* values,
                                  size_t count, size_t* done) {
  for (; *done < count; ++*done) {
    absl::Status put =
        Put(KeyAt(keys, *done), ValueAt(values, *done), PutMode::kAny);
    if (!put.ok()) return put;
  }
  return absl::OkStatus();
}

absl::Status MapBackend::EraseBatch(const void* keys, size_t count,
                                    size_t* done, size_t* erased) {
  for (; *done < count; ++*done) {
    absl::Status gone = Erase(KeyAt(keys, *done));
    if (gone.ok()) {
      ++*erased;
    } else if (!absl::IsNotFound(gone)) {
      return gone;
    }
  }
  return absl::OkStatus();
}

size_t ValueBytes(MapKind kind, size_t value_size) {
  if (kind != MapKind::kPerCpuHash && kind != MapKind::kPerCpuArray) {
    return value_size;
  }
  const int cpus = std::max(1, libbpf_num_possible_cpus());
  return (value_size + 7) / 8 * 8 * static_cast<size_t>(cpus);
}

absl::Status CheckSpec(const MapSpec& spec) {
  const auto invalid = [&spec](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("map ", spec.name, ": ", why));
  };
  const bool array =
      spec.kind == MapKind::kArray || spec.kind == MapKind::kPerCpuArray;
  if (spec.name.empty() || spec.name.size() > kMaxName ||
      !std::all_of(spec.name.begin(), spec.name.end(), IsNameChar)) {
    return invalid("a name is 1 to 15 of [A-Za-z0-9_]");
  }
  if (spec.capacity == 0) return invalid("its capacity is 0");
  if (spec.key.size == 0 || spec.value.size == 0) {
    return invalid("its key or value has no bytes");
  }
  if (array && spec.key.size != 4) {
    return invalid("the key of an array is a __u32");
  }
  if (spec.kind == MapKind::kLpmTrie &&
      (spec.key.size <= 4 || spec.key.fields.empty() ||
       spec.key.fields[0].size != 4)) {
    return invalid("the key of a trie is a struct that begins with a __u32");
  }
  if (spec.memory_mapped && spec.kind != MapKind::kArray) {
    return invalid("only an array can be mapped into memory");
  }
  return absl::OkStatus();
}

}  // namespace internal
}  // namespace ciliumcore
