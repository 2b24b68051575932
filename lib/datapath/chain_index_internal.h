// SPDX-License-Identifier: Apache-2.0

// Hashes that programs read while one writer changes them: lines of heads in
// one mapped array, chains through another, whose entries hold their keys.

#ifndef CILIUMCORE_LIB_DATAPATH_CHAIN_INDEX_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_CHAIN_INDEX_INTERNAL_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/state.h"
#include "ciliumcore/maps/mapped_array.h"
#include "lib/datapath/adoption_internal.h"

namespace ciliumcore::internal {

// `Chains` describes a hash:
//   Key, Line, Entry       types; Entry has the key and `next`
//   kHeads, kLongest       of a line; entries of a chain at most
//   kMap                   name of the map of heads
//   Mask(state)            of the lines
//   Hash(key, seed), Head(line, index), KeyOf(entry), SetKey(entry, key),
//   Text(key)
// Views of maps, which outlive it. Not thread-safe.
template <typename Chains>
class ChainIndex {
 public:
  using Key = typename Chains::Key;
  using Line = typename Chains::Line;
  using Entry = typename Chains::Entry;

  // Lines for that many entries: at least two heads for each, so that chains
  // are short. That one of a million reaches its bound has a probability below
  // 1e-13: chains of random hashes are as long as Poisson variables of mean
  // 1/2.
  static uint32_t LinesFor(uint32_t entries) {
    const auto of_line = static_cast<uint32_t>(EntriesOf(1));
    return std::bit_ceil(
        std::max<uint32_t>(1, (entries + of_line - 1) / of_line));
  }

  // For how many entries so many lines are.
  static constexpr size_t EntriesOf(size_t lines) {
    return lines * Chains::kHeads / 2;
  }

  // The index of `key`'s entry, 0 if there is none.
  static uint32_t Find(const cc_state& state, absl::Span<const Line> lines,
                       absl::Span<const Entry> entries, const Key& key) {
    uint32_t at = HeadIn(state, lines, key);
    while (at != 0 && !(Chains::KeyOf(entries[at]) == key)) {
      at = entries[at].next;
    }
    return at;
  }

  // `state` has the seed. The number of lines is a power of two.
  ChainIndex(cc_state* state, absl::Span<Line> lines, absl::Span<Entry> entries)
      : state_(state), lines_(lines), entries_(entries) {
    const auto mask = static_cast<uint32_t>(lines.size() - 1);
    if (Chains::Mask(*state) != mask) Chains::Mask(*state) = mask;
  }

  uint32_t Find(const Key& key) const {
    return Find(*state_, lines_, entries_, key);
  }

  // Makes entries[at], written but for its key and next, that of `key`, which
  // has none. ResourceExhausted if its chain is full.
  absl::Status Link(const Key& key, uint32_t at) {
    uint32_t& head = HeadOf(key);
    int length = 1;
    for (uint32_t i = head; i != 0; i = entries_[i].next) ++length;
    if (length > Chains::kLongest) {
      return absl::ResourceExhaustedError(
          absl::StrCat(Chains::Text(key), ": its chain in ", Chains::kMap,
                       " is full: ", Chains::kLongest, " of one hash"));
    }
    Chains::SetKey(entries_[at], key);
    entries_[at].next = head;
    StoreRelease(&head, at);
    return absl::OkStatus();
  }

  // Takes a linked entry out. Programs may be on it until a grace period is
  // over.
  void Unlink(uint32_t at) {
    uint32_t* link = &HeadOf(Chains::KeyOf(entries_[at]));
    while (*link != at) link = &entries_[*link].next;
    StoreRelease(link, uint32_t{entries_[at].next});
  }

  // Calls `visit` with the index of every entry. DataLoss if the chains are not
  // such as Link makes.
  template <typename Visit>
  absl::Status ForEach(Visit visit) const {
    for (uint32_t line = 0; line < lines_.size(); ++line) {
      for (int i = 0; i < Chains::kHeads; ++i) {
        const uint32_t& head = Chains::Head(lines_[line], i);
        int length = 0;
        for (uint32_t at = head; at != 0; at = entries_[at].next) {
          if (at >= entries_.size() || ++length > Chains::kLongest ||
              &HeadIn(*state_, lines_, Chains::KeyOf(entries_[at])) != &head) {
            return DamagedEntry(Chains::kMap, line, "chain ", i,
                                ": expected at most ", Chains::kLongest,
                                " entries of its hash, found entry ", at,
                                " in place ", length);
          }
          if (absl::Status visited = visit(at); !visited.ok()) return visited;
        }
      }
    }
    return absl::OkStatus();
  }

 private:
  static const uint32_t& HeadIn(const cc_state& state,
                                absl::Span<const Line> lines, const Key& key) {
    const uint32_t hash = Chains::Hash(key, state.addr_seed);
    return Chains::Head(lines[hash / Chains::kHeads & (lines.size() - 1)],
                        hash % Chains::kHeads);
  }

  uint32_t& HeadOf(const Key& key) {
    return const_cast<uint32_t&>(HeadIn(*state_, lines_, key));
  }

  const cc_state* state_;
  absl::Span<Line> lines_;
  absl::Span<Entry> entries_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_CHAIN_INDEX_INTERNAL_H_
