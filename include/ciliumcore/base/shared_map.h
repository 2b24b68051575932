// SPDX-License-Identifier: Apache-2.0

// A sorted map whose copies share what they have in common: a copy is O(1), an
// edit of it leaves the others as they are, and what tells two of them apart is
// found without reading what they share.

#ifndef CILIUMCORE_BASE_SHARED_MAP_H_
#define CILIUMCORE_BASE_SHARED_MAP_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace ciliumcore {

// Chunks of up to kChunk entries, each shared until it is edited. Entries keep
// their order by key; pointers and iterators are valid until the next edit of
// the map that they are of.
//
// Find: O(log size). Set, Erase: O(size / kChunk + kChunk) copies, of chunk
// references and of entries. A value; thread-compatible, and copies may be used
// by different threads.
template <typename Key, typename Value>
class SharedMap {
 public:
  using Entry = std::pair<Key, Value>;
  using value_type = Entry;
  static constexpr size_t kChunk = 128;

  class const_iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = Entry;
    using difference_type = std::ptrdiff_t;
    using pointer = const Entry*;
    using reference = const Entry&;

    const_iterator() = default;
    reference operator*() const { return (**chunk_)[at_]; }
    pointer operator->() const { return &**this; }
    const_iterator& operator++() {
      if (++at_ == (*chunk_)->size()) {
        ++chunk_;
        at_ = 0;
      }
      return *this;
    }
    const_iterator operator++(int) {
      const_iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const const_iterator&,
                           const const_iterator&) = default;

   private:
    friend class SharedMap;
    using Chunk = std::shared_ptr<const std::vector<Entry>>;
    const_iterator(const Chunk* chunk, size_t at) : chunk_(chunk), at_(at) {}

    const Chunk* chunk_ = nullptr;
    size_t at_ = 0;
  };

  SharedMap() = default;
  // Moved from, it is as before.
  SharedMap(const SharedMap&) = default;
  SharedMap& operator=(const SharedMap&) = default;
  SharedMap(std::initializer_list<Entry> entries)
      : SharedMap(FromSorted(entries)) {}

  // Of entries that ascend by key. O(size).
  static SharedMap FromSorted(std::vector<Entry> entries) {
    SharedMap map;
    Chunks& chunks = map.EditChunks();
    map.size_ = entries.size();
    for (size_t at = 0; at < entries.size(); at += kChunk / 2) {
      const auto first = std::make_move_iterator(entries.begin() + at);
      const size_t count = std::min(kChunk / 2, entries.size() - at);
      chunks.push_back(
          std::make_shared<const std::vector<Entry>>(first, first + count));
    }
    return map;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  const_iterator begin() const { return {chunks_->data(), 0}; }
  const_iterator end() const { return {chunks_->data() + chunks_->size(), 0}; }

  // Null if there is none.
  const Value* Find(const Key& key) const {
    const size_t chunk = ChunkOf(key);
    if (chunk == chunks_->size()) return nullptr;
    const std::vector<Entry>& entries = *(*chunks_)[chunk];
    const auto at = LowerBound(entries, key);
    return at == entries.end() || key < at->first ? nullptr : &at->second;
  }
  bool contains(const Key& key) const { return Find(key) != nullptr; }

  // Adds or replaces.
  void Set(Key key, Value value) {
    Chunks& chunks = EditChunks();
    if (chunks.empty()) {
      *this = FromSorted({{std::move(key), std::move(value)}});
      return;
    }
    const size_t chunk = std::min(ChunkOf(key), chunks.size() - 1);
    std::vector<Entry> entries = *chunks[chunk];
    const auto at = LowerBound(entries, key);
    if (at != entries.end() && !(key < at->first)) {
      at->second = std::move(value);
    } else {
      entries.emplace(at, std::move(key), std::move(value));
      ++size_;
    }
    if (entries.size() > kChunk) {
      const auto middle = entries.begin() + kChunk / 2;
      chunks.insert(chunks.begin() + chunk + 1,
                    std::make_shared<const std::vector<Entry>>(
                        std::make_move_iterator(middle),
                        std::make_move_iterator(entries.end())));
      entries.erase(middle, entries.end());
    }
    chunks[chunk] =
        std::make_shared<const std::vector<Entry>>(std::move(entries));
  }

  // False if there is none.
  bool Erase(const Key& key) {
    if (!contains(key)) return false;
    Chunks& chunks = EditChunks();
    const size_t chunk = ChunkOf(key);
    std::vector<Entry> entries = *chunks[chunk];
    entries.erase(LowerBound(entries, key));
    --size_;
    // Two that fill no more than half of one are one.
    const size_t next = chunk + 1;
    if (next < chunks.size() &&
        entries.size() + chunks[next]->size() <= kChunk / 2) {
      entries.insert(entries.end(), chunks[next]->begin(), chunks[next]->end());
      chunks.erase(chunks.begin() + next);
    }
    if (entries.empty()) {
      chunks.erase(chunks.begin() + chunk);
    } else {
      chunks[chunk] =
          std::make_shared<const std::vector<Entry>>(std::move(entries));
    }
    return true;
  }

  // True for copies of which none was edited: O(1).
  bool IsSameAs(const SharedMap& other) const {
    return chunks_ == other.chunks_;
  }

  // Calls `visit(key, was, is)` in the order of keys wherever this differs from
  // `before`; null stands for no value. O(chunks, and entries of those that are
  // not shared).
  template <typename Visit>
  void DiffFrom(const SharedMap& before, Visit visit) const {
    if (IsSameAs(before)) return;
    constexpr const Value* kNone = nullptr;
    const_iterator was = before.begin(), is = begin();
    while (was != before.end() || is != end()) {
      if (was != before.end() && is != end()) {
        if (was.at_ == 0 && is.at_ == 0 && *was.chunk_ == *is.chunk_) {
          ++was.chunk_;
          ++is.chunk_;
          continue;
        }
        if (!(was->first < is->first) && !(is->first < was->first)) {
          if (!(was->second == is->second)) {
            visit(is->first, &was->second, &is->second);
          }
          ++was;
          ++is;
          continue;
        }
      }
      if (is == end() || (was != before.end() && was->first < is->first)) {
        visit(was->first, &was->second, kNone);
        ++was;
      } else {
        visit(is->first, kNone, &is->second);
        ++is;
      }
    }
  }

  friend bool operator==(const SharedMap& a, const SharedMap& b) {
    if (a.size_ != b.size_) return false;
    bool is_same = true;
    a.DiffFrom(
        b, [&](const Key&, const Value*, const Value*) { is_same = false; });
    return is_same;
  }

 private:
  using Chunk = typename const_iterator::Chunk;
  using Chunks = std::vector<Chunk>;

  // Of a list of entries that ascend by key.
  template <typename Entries>
  static auto LowerBound(Entries& entries, const Key& key) {
    return std::lower_bound(entries.begin(), entries.end(), key,
                            [](const Entry& entry, const Key& wanted) {
                              return entry.first < wanted;
                            });
  }

  // The chunk that has `key` if any does: the first that ends no earlier.
  size_t ChunkOf(const Key& key) const {
    return std::lower_bound(chunks_->begin(), chunks_->end(), key,
                            [](const Chunk& chunk, const Key& wanted) {
                              return chunk->back().first < wanted;
                            }) -
           chunks_->begin();
  }

  Chunks& EditChunks() {
    if (chunks_.use_count() > 1) {
      chunks_ = std::make_shared<Chunks>(*chunks_);
    } else {
      // Behind the last read of a thread that gave its copy up.
      std::atomic_thread_fence(std::memory_order_acquire);
    }
    return *chunks_;
  }

  std::shared_ptr<Chunks> chunks_ = std::make_shared<Chunks>();
  size_t size_ = 0;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_BASE_SHARED_MAP_H_
