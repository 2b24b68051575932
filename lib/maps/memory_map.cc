// SPDX-License-Identifier: Apache-2.0

// Maps in this process, with the semantics of the kernel's.

#include <algorithm>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "lib/maps/map_backend_internal.h"
#include "lib/maps/map_errors_internal.h"

namespace ciliumcore::internal {
namespace {

MapInfo InfoOf(const MapSpec& spec) {
  MapInfo info;
  info.name = spec.name;
  info.kind = spec.kind;
  info.key_size = static_cast<uint32_t>(spec.key.size);
  info.value_size = static_cast<uint32_t>(spec.value.size);
  info.capacity = spec.capacity;
  info.memory_mapped = spec.memory_mapped;
  return info;
}

// Arrays: every entry exists and begins as zeros.
class MemoryArray final : public MapBackend {
 public:
  explicit MemoryArray(const MapSpec& spec)
      : MapBackend(InfoOf(spec), ValueBytes(spec.kind, spec.value.size)),
        stride_((value_bytes() + 7) / 8),
        words_(stride_ * spec.capacity) {}

  absl::Status Lookup(const void* key, void* value) const override {
    const uint32_t index = Index(key);
    if (index >= info().capacity) return not_found();
    const std::lock_guard<std::mutex> lock(mutex_);
    std::memcpy(value, At(index), value_bytes());
    return absl::OkStatus();
  }

  absl::Status Put(const void* key, const void* value, PutMode mode) override {
    const uint32_t index = Index(key);
    if (index >= info().capacity) return IndexBeyond(info());
    if (mode == PutMode::kCreate) return KeyExists(info());
    const std::lock_guard<std::mutex> lock(mutex_);
    std::memcpy(words_.data() + index * stride_, value, value_bytes());
    return absl::OkStatus();
  }

  absl::Status Erase(const void*) override { return NotErasable(info()); }

  absl::StatusOr<size_t> Walk(CursorState* cursor, void* keys, void* values,
                              size_t room) const override {
    uint32_t index = 0;
    if (cursor->started) {
      std::memcpy(&index, cursor->token.data(), sizeof(index));
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    size_t count = 0;
    for (; count < room && index < info().capacity; ++count, ++index) {
      std::memcpy(static_cast<std::byte*>(keys) + count * sizeof(index), &index,
                  sizeof(index));
      std::memcpy(static_cast<std::byte*>(values) + count * value_bytes(),
                  At(index), value_bytes());
    }
    cursor->started = true;
    cursor->done = index == info().capacity;
    cursor->token.resize(sizeof(index));
    std::memcpy(cursor->token.data(), &index, sizeof(index));
    return count;
  }

  absl::StatusOr<absl::Span<std::byte>> Memory() override {
    if (!info().memory_mapped) return NotMapped(info());
    return absl::MakeSpan(reinterpret_cast<std::byte*>(words_.data()),
                          words_.size() * sizeof(uint64_t));
  }

 private:
  static uint32_t Index(const void* key) {
    uint32_t index;
    std::memcpy(&index, key, sizeof(index));
    return index;
  }

  const uint64_t* At(uint32_t index) const {
    return words_.data() + index * stride_;
  }

  const size_t stride_;  // in words
  mutable std::mutex mutex_;
  std::vector<uint64_t> words_;
};

// Hashes and tries: ordered by key, so that a walk goes on behind a key that is
// gone.
class MemoryTable final : public MapBackend {
 public:
  explicit MemoryTable(const MapSpec& spec)
      : MapBackend(InfoOf(spec), ValueBytes(spec.kind, spec.value.size)) {}

  absl::Status Lookup(const void* key, void* value) const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = Find(key);
    if (found == entries_.end()) return not_found();
    std::memcpy(value, found->second.value.data(), value_bytes());
    return absl::OkStatus();
  }

  absl::Status Put(const void* key, const void* value, PutMode mode) override {
    if (BitsBeyond(key)) return PrefixTooLong(info());
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::string name = NameOf(key);
    const auto there = entries_.find(name);
    if (there != entries_.end()) {
      if (mode == PutMode::kCreate) return KeyExists(info());
      Forget(there);
    } else {
      if (mode == PutMode::kReplace) return not_found();
      if (entries_.size() == info().capacity) {
        if (info().kind != MapKind::kLruHash) return MapFull(info());
        Forget(entries_.find(by_age_.front()));
      }
    }
    by_age_.push_back(name);
    entries_[name] = {Bytes(key, info().key_size), Bytes(value, value_bytes()),
                      std::prev(by_age_.end())};
    return absl::OkStatus();
  }

  absl::Status Erase(const void* key) override {
    if (BitsBeyond(key)) return PrefixTooLong(info());
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto there = entries_.find(NameOf(key));
    if (there == entries_.end()) return not_found();
    Forget(there);
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> Walk(CursorState* cursor, void* keys, void* values,
                              size_t room) const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto next = cursor->started
                    ? entries_.upper_bound(
                          Bytes(cursor->token.data(), cursor->token.size()))
                    : entries_.begin();
    size_t count = 0;
    for (; count < room && next != entries_.end(); ++count, ++next) {
      const auto& [name, entry] = *next;
      std::memcpy(static_cast<std::byte*>(keys) + count * info().key_size,
                  entry.key.data(), info().key_size);
      std::memcpy(static_cast<std::byte*>(values) + count * value_bytes(),
                  entry.value.data(), value_bytes());
      cursor->token.resize(name.size());
      std::memcpy(cursor->token.data(), name.data(), name.size());
      cursor->started = true;
    }
    cursor->done = next == entries_.end();
    return count;
  }

  absl::StatusOr<absl::Span<std::byte>> Memory() override {
    return NotMapped(info());
  }

 private:
  struct Entry {
    std::string key;  // as given; of a trie, with what is past the prefix
    std::string value;
    std::list<std::string>::iterator age;
  };
  using Entries = std::map<std::string, Entry>;

  static std::string Bytes(const void* data, size_t size) {
    return std::string(static_cast<const char*>(data), size);
  }

  static uint32_t BitsOf(const void* key) {
    uint32_t bits;
    std::memcpy(&bits, key, sizeof(bits));
    return bits;
  }

  bool BitsBeyond(const void* key) const {
    return info().kind == MapKind::kLpmTrie &&
           BitsOf(key) > (info().key_size - 4) * 8;
  }

  // The bytes that make two keys equal: of a trie, without what is past the
  // first `bits`.
  std::string PrefixName(const void* key, uint32_t bits) const {
    std::string name = Bytes(key, info().key_size);
    std::memcpy(name.data(), &bits, sizeof(bits));
    for (size_t i = sizeof(bits); i < name.size(); ++i) {
      const size_t before = (i - sizeof(bits)) * 8;
      const size_t kept =
          bits > before ? std::min<size_t>(8, bits - before) : 0;
      name[i] = static_cast<char>(name[i] & (0xff00 >> kept));
    }
    return name;
  }

  std::string NameOf(const void* key) const {
    return info().kind == MapKind::kLpmTrie ? PrefixName(key, BitsOf(key))
                                            : Bytes(key, info().key_size);
  }

  Entries::const_iterator Find(const void* key) const {
    if (info().kind != MapKind::kLpmTrie) return entries_.find(NameOf(key));
    if (BitsBeyond(key)) return entries_.end();
    for (uint32_t bits = BitsOf(key) + 1; bits-- > 0;) {
      const auto found = entries_.find(PrefixName(key, bits));
      if (found != entries_.end()) return found;
    }
    return entries_.end();
  }

  void Forget(Entries::iterator entry) {
    by_age_.erase(entry->second.age);
    entries_.erase(entry);
  }

  mutable std::mutex mutex_;
  Entries entries_;
  // Names in the order they were last written. The kernel, too, does not count
  // a lookup from user space as a use.
  std::list<std::string> by_age_;
};

}  // namespace

std::unique_ptr<MapBackend> CreateMemoryMap(const MapSpec& spec) {
  if (spec.kind == MapKind::kArray || spec.kind == MapKind::kPerCpuArray) {
    return std::make_unique<MemoryArray>(spec);
  }
  return std::make_unique<MemoryTable>(spec);
}

}  // namespace ciliumcore::internal
