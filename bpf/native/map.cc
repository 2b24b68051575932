// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "bpf/native/map.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace ciliumcore::native {
namespace {

bool IsPerCpu(uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH;
}

uint32_t LoadU32(const void* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

}  // namespace

Map::Map(const cc_native_map& declared, uint32_t entries, uint32_t cpus)
    : declared_(declared), cpus_(cpus) {
  if (entries != 0) declared_.max_entries = entries;
  stride_ = (declared_.value_size + 7u) & ~size_t{7};
  if (declared_.type == BPF_MAP_TYPE_LPM_TRIE) {
    prefix_counts_.resize(8 * (declared_.key_size - sizeof(uint32_t)) + 1);
  }
  if (declared_.type == BPF_MAP_TYPE_ARRAY ||
      declared_.type == BPF_MAP_TYPE_PERCPU_ARRAY) {
    // Zero pages until they are written.
    void* memory = mmap(nullptr, array_bytes(), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    array_ = static_cast<std::byte*>(memory);
  }
}

Map::~Map() {
  if (is_array() && !array_is_shared_) munmap(array_, array_bytes());
}

size_t Map::array_bytes() const {
  return stride_ * declared_.max_entries *
         (IsPerCpu(declared_.type) ? cpus_ : 1);
}

void Map::Share(std::byte* memory) {
  if (!array_is_shared_) munmap(array_, array_bytes());
  array_ = memory;
  array_is_shared_ = true;
}

size_t Map::size() const {
  return is_array() ? declared_.max_entries : elements_.size();
}

std::string Map::Key(const void* key) const {
  if (declared_.type == BPF_MAP_TYPE_LPM_TRIE)
    return PrefixKey(key, LoadU32(key));
  return std::string(static_cast<const char*>(key), declared_.key_size);
}

// The key with its length set to `bits` and all bits behind them cleared.
std::string Map::PrefixKey(const void* key, uint32_t bits) const {
  std::string masked(static_cast<const char*>(key), declared_.key_size);
  std::memcpy(masked.data(), &bits, sizeof(bits));
  for (size_t i = sizeof(bits); i < masked.size(); ++i) {
    const int keep =
        static_cast<int>(bits) - 8 * static_cast<int>(i - sizeof(bits));
    if (keep >= 8) continue;
    masked[i] =
        keep <= 0 ? '\0' : static_cast<char>(masked[i] & (0xff << (8 - keep)));
  }
  return masked;
}

Map::Element* Map::FindLongest(const void* key) {
  const uint32_t longest = std::min<uint32_t>(
      LoadU32(key), static_cast<uint32_t>(prefix_counts_.size() - 1));
  for (int64_t bits = longest; bits >= 0; --bits) {
    if (prefix_counts_[bits] == 0) continue;
    auto it = elements_.find(PrefixKey(key, static_cast<uint32_t>(bits)));
    if (it != elements_.end()) return &it->second;
  }
  return nullptr;
}

void* Map::Lookup(const void* key, uint32_t cpu) {
  if (is_array()) {
    const size_t index = LoadU32(key);
    if (index >= declared_.max_entries) return nullptr;
    return array_ +
           stride_ * (IsPerCpu(declared_.type) ? index * cpus_ + cpu : index);
  }
  if (declared_.type == BPF_MAP_TYPE_LPM_TRIE) {
    Element* found = FindLongest(key);
    return found == nullptr ? nullptr : found->value.get();
  }
  auto it = elements_.find(Key(key));
  if (it == elements_.end()) return nullptr;
  if (declared_.type == BPF_MAP_TYPE_LRU_HASH) {
    by_age_.splice(by_age_.begin(), by_age_, it->second.age);
  }
  return it->second.value.get() +
         (IsPerCpu(declared_.type) ? stride_ * cpu : 0);
}

int Map::Update(const void* key, const void* value, uint64_t flags,
                uint32_t cpu) {
  if (is_array()) {
    if (flags == BPF_NOEXIST) return -EEXIST;
    void* at = Lookup(key, cpu);
    if (at == nullptr) return -E2BIG;
    std::memcpy(at, value, declared_.value_size);
    return 0;
  }
  const bool is_lpm = declared_.type == BPF_MAP_TYPE_LPM_TRIE;
  if (is_lpm && LoadU32(key) >= prefix_counts_.size()) return -EINVAL;
  std::string bytes = Key(key);
  auto it = elements_.find(bytes);
  if (it == elements_.end()) {
    if (flags == BPF_EXIST) return -ENOENT;
    if (elements_.size() >= declared_.max_entries) {
      if (declared_.type != BPF_MAP_TYPE_LRU_HASH)
        return is_lpm ? -ENOSPC : -E2BIG;
      Remove(elements_.find(*by_age_.back()));
    }
    it = elements_.emplace(std::move(bytes), Element()).first;
    if (declared_.type == BPF_MAP_TYPE_LRU_HASH) {
      it->second.age = by_age_.insert(by_age_.begin(), &it->first);
    }
    if (is_lpm) ++prefix_counts_[LoadU32(key)];
  } else if (flags == BPF_NOEXIST) {
    return -EEXIST;
  }
  if (IsPerCpu(declared_.type)) {
    // One CPU's, in place; those of the others begin as zeros.
    if (it->second.value == nullptr)
      it->second.value = std::make_unique<char[]>(stride_ * cpus_);
    std::memcpy(it->second.value.get() + stride_ * cpu, value,
                declared_.value_size);
    return 0;
  }
  // A fresh copy, as the kernel replaces the element: who holds the old one
  // does not see the new value.
  auto copy = std::make_unique<char[]>(stride_);
  std::memcpy(copy.get(), value, declared_.value_size);
  it->second.value = std::move(copy);
  return 0;
}

void Map::Remove(Elements::iterator it) {
  if (declared_.type == BPF_MAP_TYPE_LRU_HASH) by_age_.erase(it->second.age);
  if (declared_.type == BPF_MAP_TYPE_LPM_TRIE)
    --prefix_counts_[LoadU32(it->first.data())];
  elements_.erase(it);
}

int Map::Erase(const void* key) {
  if (is_array()) return -EINVAL;
  if (declared_.type == BPF_MAP_TYPE_LPM_TRIE &&
      LoadU32(key) >= prefix_counts_.size()) {
    return -EINVAL;
  }
  auto it = elements_.find(Key(key));
  if (it == elements_.end()) return -ENOENT;
  Remove(it);
  return 0;
}

void Map::Clear() {
  elements_.clear();
  by_age_.clear();
  std::fill(prefix_counts_.begin(), prefix_counts_.end(), 0);
  if (array_is_shared_) {
    std::memset(array_, 0, array_bytes());
  } else if (is_array()) {
    if (madvise(array_, array_bytes(), MADV_DONTNEED) != 0)
      std::abort();  // zero pages again
  }
}

void Map::ForEach(const std::function<void(const void* key, const void* value)>&
                      visit) const {
  if (is_array()) {
    for (uint32_t i = 0; i < declared_.max_entries; ++i) {
      visit(&i, array_ + stride_ * (IsPerCpu(declared_.type) ? i * cpus_ : i));
    }
    return;
  }
  for (const auto& [key, element] : elements_)
    visit(key.data(), element.value.get());
}

}  // namespace ciliumcore::native
