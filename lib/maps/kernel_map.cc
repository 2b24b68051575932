// SPDX-License-Identifier: Apache-2.0

// Maps of the kernel, by bpf(2).

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/maps/map_backend_internal.h"
#include "lib/maps/map_errors_internal.h"

namespace ciliumcore::internal {
namespace {

// The kernel's own "not supported", which its headers keep from user space.
constexpr int kNotSupported = 524;

std::optional<MapKind> KindOf(__u32 type) {
  switch (type) {
    case BPF_MAP_TYPE_HASH:
      return MapKind::kHash;
    case BPF_MAP_TYPE_LRU_HASH:
      return MapKind::kLruHash;
    case BPF_MAP_TYPE_LPM_TRIE:
      return MapKind::kLpmTrie;
    case BPF_MAP_TYPE_ARRAY:
      return MapKind::kArray;
    case BPF_MAP_TYPE_PERCPU_HASH:
      return MapKind::kPerCpuHash;
    case BPF_MAP_TYPE_PERCPU_ARRAY:
      return MapKind::kPerCpuArray;
    default:
      return std::nullopt;
  }
}

bpf_map_type TypeOf(MapKind kind) {
  switch (kind) {
    case MapKind::kHash:
      return BPF_MAP_TYPE_HASH;
    case MapKind::kLruHash:
      return BPF_MAP_TYPE_LRU_HASH;
    case MapKind::kLpmTrie:
      return BPF_MAP_TYPE_LPM_TRIE;
    case MapKind::kArray:
      return BPF_MAP_TYPE_ARRAY;
    case MapKind::kPerCpuHash:
      return BPF_MAP_TYPE_PERCPU_HASH;
    case MapKind::kPerCpuArray:
      return BPF_MAP_TYPE_PERCPU_ARRAY;
  }
  return BPF_MAP_TYPE_UNSPEC;
}

__u32 FlagsOf(const MapSpec& spec) {
  __u32 flags = 0;
  const bool hash =
      spec.kind == MapKind::kHash || spec.kind == MapKind::kPerCpuHash;
  if (spec.kind == MapKind::kLpmTrie || (hash && !spec.preallocate)) {
    flags |= BPF_F_NO_PREALLOC;
  }
  if (spec.memory_mapped) flags |= BPF_F_MMAPABLE;
  return flags;
}

// A walk through a trie may start over and meet keys again; it gives up when it
// has met several times as many as the map holds and no new one among them.
size_t MaxRepeats(const MapInfo& info) {
  return size_t{4} * info.capacity + 1024;
}

class KernelMap final : public MapBackend {
 public:
  KernelMap(UniqueFd fd, const MapInfo& info)
      : MapBackend(info, ValueBytes(info.kind, info.value_size)),
        fd_(std::move(fd)) {}

  ~KernelMap() override {
    if (memory_ != nullptr) ::munmap(memory_, MemoryBytes());
  }

  int fd() const override { return fd_.get(); }

  absl::Status Lookup(const void* key, void* value) const override {
    if (bpf_map_lookup_elem(fd(), key, value) == 0) return absl::OkStatus();
    return Failed(errno, "lookup");
  }

  absl::Status Put(const void* key, const void* value, PutMode mode) override {
    static_assert(static_cast<int>(PutMode::kAny) == BPF_ANY);
    static_assert(static_cast<int>(PutMode::kCreate) == BPF_NOEXIST);
    static_assert(static_cast<int>(PutMode::kReplace) == BPF_EXIST);
    if (bpf_map_update_elem(fd(), key, value, static_cast<__u64>(mode)) == 0) {
      return absl::OkStatus();
    }
    return Failed(errno, "put");
  }

  absl::Status Erase(const void* key) override {
    if (bpf_map_delete_elem(fd(), key) == 0) return absl::OkStatus();
    return Failed(errno, "erase");
  }

  absl::Status PutBatch(const void* keys, const void* values, size_t count,
                        size_t* done) override;
  absl::Status EraseBatch(const void* keys, size_t count, size_t* done,
                          size_t* erased) override;
  absl::StatusOr<size_t> Walk(CursorState* cursor, void* keys, void* values,
                              size_t room) const override;
  absl::StatusOr<absl::Span<std::byte>> Memory() override;

 private:
  absl::Status Failed(int error, absl::string_view action) const {
    return error == ENOENT ? not_found() : MapError(info(), error, action);
  }

  // Makes one batch call with `count` entries; sets `*moved` to how many it
  // dealt with and returns its errno, kNotSupported if there are no batches.
  template <typename Call>
  int Batch(size_t count, size_t* moved, Call call) const {
    *moved = 0;
    if (no_batches_.load(std::memory_order_relaxed)) return kNotSupported;
    __u32 n = static_cast<__u32>(std::min<size_t>(count, UINT32_MAX));
    const __u32 asked = n;
    if (call(&n) == 0) {
      *moved = n;
      return 0;
    }
    const int error = errno;
    // What fails before its first entry leaves the count as it was.
    if (n < asked || error == ENOENT) *moved = n;
    if (error == EOPNOTSUPP) return kNotSupported;
    return error;
  }

  // After a batch was refused at an entry that then succeeds alone: kernels
  // before 5.6 know no batches and say EINVAL.
  void NoteRefusal(int error) const {
    if (error == kNotSupported || error == EINVAL) {
      no_batches_.store(true, std::memory_order_relaxed);
    }
  }

  absl::StatusOr<size_t> WalkByBatch(CursorState* cursor, void* keys,
                                     void* values, size_t room,
                                     bool* refused) const;
  absl::StatusOr<size_t> WalkByKey(CursorState* cursor, void* keys,
                                   void* values, size_t room) const;
  size_t DropSeen(CursorState* cursor, void* keys, void* values,
                  size_t count) const;

  size_t MemoryBytes() const {
    const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const size_t bytes =
        (info().value_size + size_t{7}) / 8 * 8 * info().capacity;
    return (bytes + page - 1) / page * page;
  }

  const UniqueFd fd_;
  mutable std::atomic<bool> no_batches_ = false;
  std::mutex mapping_;
  void* memory_ = nullptr;
};

absl::Status KernelMap::PutBatch(const void* keys, const void* values,
                                 size_t count, size_t* done) {
  while (*done < count) {
    const std::byte* key = KeyAt(keys, *done);
    const std::byte* value = ValueAt(values, *done);
    size_t moved;
    const int error = Batch(count - *done, &moved, [&](__u32* n) {
      return bpf_map_update_batch(fd(), key, value, n, nullptr);
    });
    *done += moved;
    if (error == 0) continue;
    if (error != kNotSupported && error != EINVAL) return Failed(error, "put");
    // Alone, this entry either names its error or shows that batches are not to
    // be had.
    CC_RETURN_IF_ERROR(
        Put(KeyAt(keys, *done), ValueAt(values, *done), PutMode::kAny));
    ++*done;
    NoteRefusal(error);
  }
  return absl::OkStatus();
}

absl::Status KernelMap::EraseBatch(const void* keys, size_t count, size_t* done,
                                   size_t* erased) {
  while (*done < count) {
    const std::byte* key = KeyAt(keys, *done);
    size_t moved;
    const int error = Batch(count - *done, &moved, [&](__u32* n) {
      return bpf_map_delete_batch(fd(), key, n, nullptr);
    });
    *done += moved;
    *erased += moved;
    if (error == 0) continue;
    if (error == ENOENT) {
      ++*done;  // the batch stopped at a key that is not there: pass over it
      continue;
    }
    if (error != kNotSupported && error != EINVAL) {
      return Failed(error, "erase");
    }
    const absl::Status gone = Erase(KeyAt(keys, *done));
    if (!gone.ok() && !absl::IsNotFound(gone)) return gone;
    ++*done;
    if (gone.ok()) ++*erased;
    NoteRefusal(error);
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> KernelMap::Walk(CursorState* cursor, void* keys,
                                       void* values, size_t room) const {
  if (!cursor->by_key) {
    bool refused = false;
    absl::StatusOr<size_t> count =
        WalkByBatch(cursor, keys, values, room, &refused);
    if (!refused) return count;
    cursor->by_key = true;
  }
  return WalkByKey(cursor, keys, values, room);
}

// A batch over a hash goes bucket by bucket, each under its lock: nothing that
// stays is missed or met twice. A batch over a trie continues behind a key and,
// if that is gone, starts over: what was seen is remembered and dropped.
absl::StatusOr<size_t> KernelMap::WalkByBatch(CursorState* cursor, void* keys,
                                              void* values, size_t room,
                                              bool* refused) const {
  const bool may_start_over = info().kind == MapKind::kLpmTrie;
  std::vector<std::byte> next(std::max<size_t>(info().key_size, 8));
  while (true) {
    size_t count;
    const int error = Batch(room, &count, [&](__u32* n) {
      return bpf_map_lookup_batch(
          fd(), cursor->started ? cursor->token.data() : nullptr, next.data(),
          keys, values, n, nullptr);
    });
    if (error == kNotSupported || (error == EINVAL && !cursor->started)) {
      NoteRefusal(error);
      *refused = true;
      return 0;
    }
    if (error == ENOSPC) {
      return absl::ResourceExhaustedError(
          absl::StrCat("map ", info().name, ": a batch of ", room,
                       " is less than a bucket holds"));
    }
    // EINTR: entries vanished under the kernel's hands several times in a row.
    if (error != 0 && error != ENOENT && error != EINTR) {
      return Failed(error, "walk");
    }
    if (error == ENOENT) cursor->done = true;
    if (count > 0 || error == 0) {
      cursor->started = true;
      cursor->token = next;
    }
    if (may_start_over) {
      count = DropSeen(cursor, keys, values, count);
    }
    if (error == EINTR) ++cursor->repeats;
    if (count > 0 || cursor->done) return count;
    if (cursor->repeats > MaxRepeats(info())) {
      return absl::AbortedError(absl::StrCat(
          "map ", info().name, ": changes faster than it is read"));
    }
  }
}

// Behind a key that is gone the kernel begins again: what was seen is
// remembered and passed over.
absl::StatusOr<size_t> KernelMap::WalkByKey(CursorState* cursor, void* keys,
                                            void* values, size_t room) const {
  std::vector<std::byte> next(info().key_size);
  size_t count = 0;
  while (count < room) {
    if (bpf_map_get_next_key(fd(),
                             cursor->started ? cursor->token.data() : nullptr,
                             next.data()) != 0) {
      if (errno != ENOENT) return Failed(errno, "walk");
      cursor->done = true;
      break;
    }
    cursor->started = true;
    cursor->token = next;
    std::byte* key = static_cast<std::byte*>(keys) + count * info().key_size;
    std::byte* value = static_cast<std::byte*>(values) + count * value_bytes();
    std::memcpy(key, next.data(), next.size());
    const absl::Status found = Lookup(key, value);
    if (absl::IsNotFound(found)) continue;
    if (!found.ok()) return found;
    std::memcpy(key, next.data(), next.size());
    count += DropSeen(cursor, key, value, 1);
    if (cursor->repeats > MaxRepeats(info())) {
      return absl::AbortedError(absl::StrCat(
          "map ", info().name, ": changes faster than it is read"));
    }
  }
  return count;
}

// Moves the entries whose keys were not seen before to the front; returns how
// many they are.
size_t KernelMap::DropSeen(CursorState* cursor, void* keys, void* values,
                           size_t count) const {
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    std::byte* key = static_cast<std::byte*>(keys) + i * info().key_size;
    std::byte* value = static_cast<std::byte*>(values) + i * value_bytes();
    const bool is_new =
        cursor->seen
            .emplace(reinterpret_cast<const char*>(key), info().key_size)
            .second;
    if (!is_new) {
      ++cursor->repeats;
      continue;
    }
    cursor->repeats = 0;
    if (kept != i) {
      std::memcpy(static_cast<std::byte*>(keys) + kept * info().key_size, key,
                  info().key_size);
      std::memcpy(static_cast<std::byte*>(values) + kept * value_bytes(), value,
                  value_bytes());
    }
    ++kept;
  }
  return kept;
}

absl::StatusOr<absl::Span<std::byte>> KernelMap::Memory() {
  if (!info().memory_mapped) return NotMapped(info());
  const std::lock_guard<std::mutex> lock(mapping_);
  if (memory_ == nullptr) {
    void* memory = ::mmap(nullptr, MemoryBytes(), PROT_READ | PROT_WRITE,
                          MAP_SHARED, fd(), 0);
    if (memory == MAP_FAILED) return MapError(info(), errno, "mmap");
    memory_ = memory;
  }
  return absl::MakeSpan(
      static_cast<std::byte*>(memory_),
      (info().value_size + size_t{7}) / 8 * 8 * info().capacity);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MapBackend>> CreateKernelMap(
    const MapSpec& spec) {
  const std::string subject = absl::StrCat("map ", spec.name, ": create");
  CC_ASSIGN_OR_RETURN(const LoadedTypes types, LoadTypes(spec.key, spec.value));
  LIBBPF_OPTS(bpf_map_create_opts, options);
  options.map_flags = FlagsOf(spec);
  options.btf_fd = static_cast<__u32>(types.fd.get());
  options.btf_key_type_id = types.key_id;
  options.btf_value_type_id = types.value_id;
  UniqueFd fd(bpf_map_create(
      TypeOf(spec.kind), spec.name.c_str(), static_cast<__u32>(spec.key.size),
      static_cast<__u32>(spec.value.size), spec.capacity, &options));
  if (!fd.valid()) return BpfError(errno, subject);
  return WrapKernelMap(std::move(fd));
}

absl::Status CheckIsMap(int fd) {
  std::array<char, 64> what = {};
  const std::string link = absl::StrCat("/proc/self/fd/", fd);
  const ssize_t length = ::readlink(link.c_str(), what.data(), what.size());
  if (length > 0 &&
      !absl::EndsWith(
          absl::string_view(what.data(), static_cast<size_t>(length)),
          ":bpf-map")) {
    return absl::FailedPreconditionError("the descriptor is not of a BPF map");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<MapBackend>> WrapKernelMap(UniqueFd fd) {
  CC_RETURN_IF_ERROR(CheckIsMap(fd.get()));
  bpf_map_info raw = {};
  __u32 size = sizeof(raw);
  if (bpf_obj_get_info_by_fd(fd.get(), &raw, &size) != 0) {
    return BpfError(errno, "map info");
  }
  const std::optional<MapKind> kind = KindOf(raw.type);
  if (!kind.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "map ", raw.name, ": kind ", raw.type, " has no typed entries"));
  }
  MapInfo info;
  info.id = raw.id;
  info.name = raw.name;
  info.kind = *kind;
  info.key_size = raw.key_size;
  info.value_size = raw.value_size;
  info.capacity = raw.max_entries;
  info.memory_mapped = (raw.map_flags & BPF_F_MMAPABLE) != 0;
  return std::make_unique<KernelMap>(std::move(fd), info);
}

}  // namespace ciliumcore::internal
