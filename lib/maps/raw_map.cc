// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/maps/raw_map.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/btf_check.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"
#include "lib/maps/map_backend_internal.h"
#include "lib/maps/map_errors_internal.h"

namespace ciliumcore {
namespace {

using internal::BpfError;
using internal::MapBackend;

// Entries of a ForEach that are read at once.
constexpr size_t kWalkRoom = 512;

absl::Status DoneBefore(const absl::Status& error, size_t done, size_t count) {
  return absl::Status(error.code(),
                      absl::StrCat(error.message(), " (after ", done, " of ",
                                   count, " entries)"));
}

absl::Status CheckSame(const MapInfo& there, const MapSpec& want) {
  std::string differences;
  const auto compare = [&differences](absl::string_view what, auto here,
                                      auto other) {
    if (here == other) return;
    absl::StrAppend(&differences, differences.empty() ? "" : "; ", what, " ",
                    here, " here, ", other, " in the kernel");
  };
  compare("kind", MapKindName(want.kind), MapKindName(there.kind));
  compare("capacity", want.capacity, there.capacity);
  compare("memory-mapped", want.memory_mapped, there.memory_mapped);
  if (differences.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("map ", there.name, ": ", differences));
}

// A buffer aligned for any type that has no alignment of its own.
class Buffer {
 public:
  explicit Buffer(size_t bytes) : data_(::operator new(bytes)) {}
  ~Buffer() { ::operator delete(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  std::byte* data() { return static_cast<std::byte*>(data_); }

 private:
  void* data_;
};

}  // namespace

MapCursor::MapCursor() : state_(std::make_unique<internal::CursorState>()) {}
MapCursor::MapCursor(MapCursor&&) noexcept = default;
MapCursor& MapCursor::operator=(MapCursor&&) noexcept = default;
MapCursor::~MapCursor() = default;
bool MapCursor::done() const { return state_->done; }

RawMap::RawMap(std::unique_ptr<MapBackend> backend)
    : backend_(std::move(backend)) {}
RawMap::RawMap(RawMap&&) noexcept = default;
RawMap& RawMap::operator=(RawMap&&) noexcept = default;
RawMap::~RawMap() = default;

absl::StatusOr<RawMap> RawMap::Create(const MapSpec& spec) {
  CC_RETURN_IF_ERROR(internal::CheckSpec(spec));
  CC_ASSIGN_OR_RETURN(auto backend, internal::CreateKernelMap(spec));
  return RawMap(std::move(backend));
}

absl::StatusOr<RawMap> RawMap::CreateInMemory(const MapSpec& spec) {
  CC_RETURN_IF_ERROR(internal::CheckSpec(spec));
  return RawMap(internal::CreateMemoryMap(spec));
}

absl::StatusOr<RawMap> RawMap::Adopt(UniqueFd fd, const abi::Shape& key,
                                     const abi::Shape& value) {
  CC_ASSIGN_OR_RETURN(auto backend, internal::WrapKernelMap(std::move(fd)));
  CC_RETURN_IF_ERROR(abi::CheckMapLayout(backend->fd(), key, value));
  return RawMap(std::move(backend));
}

absl::StatusOr<RawMap> RawMap::OpenPinned(const std::string& path,
                                          const abi::Shape& key,
                                          const abi::Shape& value) {
  UniqueFd fd(bpf_obj_get(path.c_str()));
  if (!fd.valid()) return BpfError(errno, path);
  absl::StatusOr<RawMap> map = Adopt(std::move(fd), key, value);
  if (!map.ok()) return Annotate(map.status(), path);
  return map;
}

absl::StatusOr<RawMap> RawMap::OpenOrCreatePinned(const std::string& path,
                                                  const MapSpec& spec) {
  // Who loses the race to pin finds the winner's map at the next turn. That it
  // has gone again by then is another's mischief, and not endured for ever.
  constexpr int kTurns = 16;
  absl::Status last;
  for (int turn = 0; turn < kTurns; ++turn) {
    absl::StatusOr<RawMap> there = OpenPinned(path, spec.key, spec.value);
    if (there.ok()) {
      CC_RETURN_IF_ERROR(Annotate(CheckSame(there->info(), spec), path));
      return there;
    }
    if (!absl::IsNotFound(there.status())) return there.status();
    CC_ASSIGN_OR_RETURN(RawMap created, Create(spec));
    last = created.Pin(path);
    if (last.ok()) return created;
    if (!absl::IsAlreadyExists(last)) return last;
  }
  return last;
}

const MapInfo& RawMap::info() const { return backend_->info(); }
size_t RawMap::value_bytes() const { return backend_->value_bytes(); }
int RawMap::fd() const { return backend_->fd(); }

absl::Status RawMap::Lookup(const void* key, void* value) const {
  return backend_->Lookup(key, value);
}

absl::Status RawMap::Put(const void* key, const void* value, PutMode mode) {
  return backend_->Put(key, value, mode);
}

absl::Status RawMap::Erase(const void* key) { return backend_->Erase(key); }

absl::Status RawMap::PutBatch(const void* keys, const void* values,
                              size_t count, size_t* done) {
  size_t put = 0;
  const absl::Status result = backend_->PutBatch(keys, values, count, &put);
  if (done != nullptr) *done = put;
  return result.ok() ? result : DoneBefore(result, put, count);
}

absl::StatusOr<size_t> RawMap::EraseBatch(const void* keys, size_t count) {
  size_t done = 0;
  size_t erased = 0;
  const absl::Status result = backend_->EraseBatch(keys, count, &done, &erased);
  if (!result.ok()) return DoneBefore(result, done, count);
  return erased;
}

absl::StatusOr<size_t> RawMap::LookupBatch(MapCursor* cursor, void* keys,
                                           void* values, size_t room) const {
  if (cursor->done()) return 0;
  if (room == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("map ", info().name, ": a batch needs room"));
  }
  return backend_->Walk(cursor->state_.get(), keys, values, room);
}

absl::Status RawMap::ForEach(
    absl::FunctionRef<void(const void* key, const void* value)> visit) const {
  const size_t key_size = info().key_size;
  const size_t value_size = value_bytes();
  const size_t capacity = info().capacity;
  MapCursor cursor;
  for (size_t room = std::min(capacity, kWalkRoom);;) {
    Buffer keys(room * key_size);
    Buffer values(room * value_size);
    absl::StatusOr<size_t> count = size_t{0};
    while (!cursor.done()) {
      count = LookupBatch(&cursor, keys.data(), values.data(), room);
      if (!count.ok()) break;
      for (size_t i = 0; i < *count; ++i) {
        visit(keys.data() + i * key_size, values.data() + i * value_size);
      }
    }
    if (count.ok()) return absl::OkStatus();
    if (!absl::IsResourceExhausted(count.status()) || room > capacity) {
      return count.status();
    }
    room *= 2;  // a bucket was larger
  }
}

absl::Status RawMap::Pin(const std::string& path, PinMode mode) {
  if (fd() < 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "map ", info().name, ": is in memory and cannot be pinned"));
  }
  const std::string subject =
      absl::StrCat("map ", info().name, ": pin at ", path);
  if (mode == PinMode::kCreate) {
    return bpf_obj_pin(fd(), path.c_str()) == 0 ? absl::OkStatus()
                                                : BpfError(errno, subject);
  }
  // bpffs knows no pin that replaces: pin beside, then move over. Process and
  // number keep writers apart; one of the same name is of a process that died.
  static std::atomic<unsigned> number = 0;
  const std::string beside =
      absl::StrCat(path, "_new_", ::getpid(), "_", ++number);
  ::unlink(beside.c_str());
  if (bpf_obj_pin(fd(), beside.c_str()) != 0) return BpfError(errno, subject);
  if (::rename(beside.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(beside.c_str());
    return BpfError(error, subject);
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Span<std::byte>> RawMap::Memory() {
  return backend_->Memory();
}

}  // namespace ciliumcore
