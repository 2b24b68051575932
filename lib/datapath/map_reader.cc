// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/map_reader_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/btf_check.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {
namespace {

// The kernel's own "not supported", which its headers keep from user space.
constexpr int kNotSupported = 524;

size_t PageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

bool IsWalked(uint32_t type) {
  switch (type) {
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_LPM_TRIE:
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string MapTypeName(uint32_t type) {
  switch (type) {
    case BPF_MAP_TYPE_HASH:
      return "hash";
    case BPF_MAP_TYPE_LRU_HASH:
      return "LRU hash";
    case BPF_MAP_TYPE_LPM_TRIE:
      return "LPM trie";
    case BPF_MAP_TYPE_ARRAY:
      return "array";
    case BPF_MAP_TYPE_PERCPU_HASH:
      return "per-CPU hash";
    case BPF_MAP_TYPE_PERCPU_ARRAY:
      return "per-CPU array";
    case BPF_MAP_TYPE_RINGBUF:
      return "ring buffer";
    case BPF_MAP_TYPE_SK_STORAGE:
      return "socket storage";
    default:
      return absl::StrCat("type ", type);
  }
}

void MapReader::Unmap::operator()(void* memory) const { munmap(memory, bytes); }

absl::StatusOr<MapReader> MapReader::Of(UniqueFd fd,
                                        const std::string& subject) {
  if (fd.get() < 0) return absl::ErrnoToStatus(errno, subject);
  bpf_map_info info = {};
  __u32 bytes = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd.get(), &info, &bytes) != 0)
    return absl::ErrnoToStatus(errno, subject);
  return MapReader(std::move(fd), info);
}

absl::StatusOr<MapReader> MapReader::OpenPinned(const std::string& path) {
  LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = BPF_F_RDONLY);
  return Of(UniqueFd(bpf_obj_get_opts(path.c_str(), &options)), path);
}

absl::StatusOr<MapReader> MapReader::OpenId(uint32_t id) {
  LIBBPF_OPTS(bpf_get_fd_by_id_opts, options, .open_flags = BPF_F_RDONLY);
  return Of(UniqueFd(bpf_map_get_fd_by_id_opts(id, &options)),
            absl::StrCat("map ", id));
}

bool MapReader::is_per_cpu() const {
  return info_.type == BPF_MAP_TYPE_PERCPU_HASH ||
         info_.type == BPF_MAP_TYPE_PERCPU_ARRAY ||
         info_.type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

bool MapReader::is_mapped_array() const {
  return info_.type == BPF_MAP_TYPE_ARRAY &&
         (info_.map_flags & BPF_F_MMAPABLE) != 0;
}

size_t MapReader::value_bytes() const {
  if (!is_per_cpu()) return info_.value_size;
  return (info_.value_size + size_t{7}) / 8 * 8 *
         static_cast<size_t>(libbpf_num_possible_cpus());
}

uint64_t MapReader::memory_bytes() const {
  std::ifstream told(absl::StrCat("/proc/self/fdinfo/", fd()));
  std::string word;
  while (told >> word) {
    uint64_t bytes = 0;
    if (word == "memlock:" && told >> bytes) return bytes;
  }
  return 0;
}

absl::Status MapReader::Lookup(const void* key, void* value) const {
  if (bpf_map_lookup_elem(fd(), key, value) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat(name(), ": lookup"));
}

absl::Status MapReader::Check(const abi::Shape& key,
                              const abi::Shape& value) const {
  return Annotate(abi::CheckMapLayout(fd(), key, value), name());
}

absl::StatusOr<MapReader::Mapping> MapReader::MapPages(size_t offset,
                                                       size_t bytes) const {
  bytes = (bytes + PageSize() - 1) / PageSize() * PageSize();
  // The kernel shares memory through descriptors that may write, even where the
  // mapping may not: one for as long as this takes.
  const UniqueFd shared(bpf_map_get_fd_by_id(info_.id));
  if (shared.get() < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat(name(), ": mapping"));
  void* memory = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, shared.get(),
                      static_cast<off_t>(offset));
  if (memory == MAP_FAILED)
    return absl::ErrnoToStatus(errno, absl::StrCat(name(), ": mapping"));
  return Mapping(memory, Unmap{bytes});
}

absl::StatusOr<const std::byte*> MapReader::Map(const abi::Shape& key,
                                                const abi::Shape& value) {
  if (memory_ == nullptr) {
    CC_RETURN_IF_ERROR(Check(key, value));
    if (!is_mapped_array()) {
      return absl::FailedPreconditionError(
          absl::StrCat(name(), ": expected a memory-mapped array, found ",
                       MapTypeName(info_.type)));
    }
    CC_ASSIGN_OR_RETURN(memory_,
                        MapPages(0, (info_.value_size + size_t{7}) / 8 * 8 *
                                        size_t{info_.max_entries}));
  }
  return static_cast<const std::byte*>(memory_.get());
}

absl::Status MapReader::ForEach(
    absl::FunctionRef<bool(const std::byte*, const std::byte*)> visit) const {
  if (!IsWalked(info_.type)) {
    return absl::UnimplementedError(absl::StrCat(
        name(), ": the kernel does not list the entries of a map of kind ",
        MapTypeName(info_.type)));
  }
  // A batch over a trie may miss what others move: by key, as it is small.
  if (info_.type == BPF_MAP_TYPE_LPM_TRIE) return WalkByKey(visit);
  size_t room = std::min<size_t>(info_.max_entries, 4096);
  std::vector<std::byte> keys, values;
  // The kernel's own place in the walk: a bucket, or a key.
  std::vector<std::byte> place(std::max<size_t>(info_.key_size, 8));
  bool begun = false;
  while (true) {
    keys.resize(room * info_.key_size);
    values.resize(room * value_bytes());
    auto count = static_cast<__u32>(room);
    const int done =
        bpf_map_lookup_batch(fd(), begun ? place.data() : nullptr, place.data(),
                             keys.data(), values.data(), &count, nullptr);
    const int error = done == 0 ? 0 : errno;
    if (error == ENOSPC && room < info_.max_entries + size_t{4096}) {
      room *= 2;  // a bucket holds more
      continue;
    }
    if (!begun &&
        (error == EINVAL || error == EOPNOTSUPP || error == kNotSupported)) {
      return WalkByKey(visit);
    }
    if (error != 0 && error != ENOENT)
      return absl::ErrnoToStatus(error, absl::StrCat(name(), ": reading"));
    for (size_t i = 0; i < count; ++i) {
      if (!visit(keys.data() + i * info_.key_size,
                 values.data() + i * value_bytes()))
        return absl::OkStatus();
    }
    if (error == ENOENT) return absl::OkStatus();
    begun = true;
  }
}

absl::Status MapReader::WalkByKey(
    absl::FunctionRef<bool(const std::byte*, const std::byte*)> visit) const {
  std::vector<std::byte> key(info_.key_size), next(info_.key_size);
  std::vector<std::byte> value(value_bytes());
  // A key that goes meanwhile sends the walk back to the beginning.
  size_t left = size_t{info_.max_entries} * 4 + 1024;
  for (bool begun = false; left > 0; --left) {
    if (bpf_map_get_next_key(fd(), begun ? key.data() : nullptr, next.data()) !=
        0) {
      if (errno == ENOENT) return absl::OkStatus();
      return absl::ErrnoToStatus(errno, absl::StrCat(name(), ": reading"));
    }
    begun = true;
    key = next;
    if (bpf_map_lookup_elem(fd(), key.data(), value.data()) != 0) continue;
    if (!visit(key.data(), value.data())) return absl::OkStatus();
  }
  return absl::AbortedError(
      absl::StrCat(name(), ": changes faster than it is read"));
}

// One page with the reader's position; one with the writers', and the data,
// twice in a row, so that a record never wraps.
absl::StatusOr<uint64_t> MapReader::PeekRing(
    absl::FunctionRef<bool(absl::Span<const std::byte>)> visit) const {
  if (info_.type != BPF_MAP_TYPE_RINGBUF) {
    return absl::FailedPreconditionError(absl::StrCat(
        name(), ": expected a ring buffer, found ", MapTypeName(info_.type)));
  }
  const size_t page = PageSize(), bytes = info_.max_entries;
  CC_ASSIGN_OR_RETURN(const Mapping reader, MapPages(0, page));
  CC_ASSIGN_OR_RETURN(const Mapping writers, MapPages(page, page + 2 * bytes));
  const auto position = [](const Mapping& at) {
    return __atomic_load_n(static_cast<const unsigned long*>(at.get()),
                           __ATOMIC_ACQUIRE);
  };
  const auto* data = static_cast<const std::byte*>(writers.get()) + page;
  unsigned long at = position(reader);
  const unsigned long end = position(writers);
  const uint64_t unread = end - at;
  while (at < end) {
    const std::byte* record = data + (at & (bytes - 1));
    const uint32_t header = __atomic_load_n(
        reinterpret_cast<const uint32_t*>(record), __ATOMIC_ACQUIRE);
    if ((header & BPF_RINGBUF_BUSY_BIT) != 0) break;
    const uint32_t size =
        header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    if (size > bytes) break;  // the reader and writers went past
    if ((header & BPF_RINGBUF_DISCARD_BIT) == 0 &&
        !visit(absl::MakeConstSpan(record + BPF_RINGBUF_HDR_SZ, size)))
      break;
    at += (size + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
  }
  return unread;
}

}  // namespace ciliumcore::internal
