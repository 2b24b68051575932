// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// The kernel's map kinds, modelled in a process.

#ifndef CILIUMCORE_BPF_NATIVE_MAP_H_
#define CILIUMCORE_BPF_NATIVE_MAP_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "bpf/native/helpers.h"

namespace ciliumcore::native {

// One map. Values have stable addresses until their key is erased, as in the
// kernel; an erased value is freed at once, so that a sanitizer sees who keeps
// using it. The functions return 0 or a negative errno, as the helpers do.
//
// Not thread-safe: a world belongs to one thread at a time.
class Map {
 public:
  // `entries` replaces the declared number if it is not 0.
  Map(const cc_native_map& declared, uint32_t entries, uint32_t cpus);
  ~Map();
  Map(const Map&) = delete;
  Map& operator=(const Map&) = delete;

  const char* name() const { return declared_.name; }
  uint32_t type() const { return declared_.type; }
  uint32_t key_size() const { return declared_.key_size; }
  uint32_t value_size() const { return declared_.value_size; }
  uint32_t max_entries() const { return declared_.max_entries; }
  size_t size() const;

  // The value's bytes, or null. LPM: of the longest prefix that covers the key.
  void* Lookup(const void* key, uint32_t cpu = 0);
  // `flags`: BPF_ANY, BPF_NOEXIST, BPF_EXIST.
  int Update(const void* key, const void* value, uint64_t flags,
             uint32_t cpu = 0);
  int Erase(const void* key);
  void Clear();
  // Calls `visit` on each entry; arrays: on each index.
  void ForEach(const std::function<void(const void* key, const void* value)>&
                   visit) const;

  // Arrays: keeps the values in `memory` from now on, which outlives the map
  // and has room for all of them, `stride` bytes apart.
  void Share(std::byte* memory);

  // Arrays: all values, `stride` bytes apart (the value size rounded up to 8).
  std::byte* array() { return array_; }
  size_t stride() const { return stride_; }

 private:
  struct Element {
    std::unique_ptr<char[]> value;
    std::list<const std::string*>::iterator age;  // LRU only
  };
  using Elements = std::unordered_map<std::string, Element>;

  bool is_array() const { return array_ != nullptr; }
  size_t array_bytes() const;
  std::string Key(const void* key) const;
  std::string PrefixKey(const void* key, uint32_t bits) const;
  Element* FindLongest(const void* key);
  void Remove(Elements::iterator it);

  cc_native_map declared_;
  uint32_t cpus_;
  size_t stride_ = 0;
  std::byte* array_ = nullptr;
  bool array_is_shared_ = false;
  Elements elements_;
  std::list<const std::string*> by_age_;  // LRU: most recent first
  std::vector<uint32_t> prefix_counts_;   // LPM: entries of each length
};

}  // namespace ciliumcore::native

#endif  // CILIUMCORE_BPF_NATIVE_MAP_H_
