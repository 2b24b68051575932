// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/service/maglev.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ciliumcore {
namespace {

constexpr uint32_t kSizes[] = {127,  251,   509,   1021,  2039,  4093,
                               8191, 16381, 32749, 65521, 131071};
constexpr uint32_t kLargest = 131071;
// A slot more or less is 1 % of this many.
constexpr uint64_t kSlotsForOnePercent = 100;
constexpr size_t kMostBackends = 65535;

// Finalizer of splitmix64 (Steele, Lea, Flood, 2014).
uint64_t Mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return x ^ x >> 31;
}

// The inverse of `a` modulo the prime `m`.
uint32_t InverseModulo(uint32_t a, uint32_t m) {
  int64_t t = 0, next_t = 1, r = m, next_r = a;
  while (next_r != 0) {
    const int64_t quotient = r / next_r;
    t = std::exchange(next_t, t - quotient * next_t);
    r = std::exchange(next_r, r - quotient * next_r);
  }
  return static_cast<uint32_t>(t < 0 ? t + m : t);
}

// One backend's walk over the slots: offset, offset + skip, ... modulo size.
struct Walk {
  uint32_t at = 0;    // the slot it looks at next
  uint32_t skip = 0;  // 1..size-1
};

// Slots that are taken: a bit each, so that the whole of it stays in the
// nearest cache, where most looking happens.
class SlotSet {
 public:
  explicit SlotSet(uint32_t size) : words_((size + 63) / 64) {}
  bool Has(uint32_t slot) const { return words_[slot / 64] >> slot % 64 & 1; }
  void Add(uint32_t slot) { words_[slot / 64] |= uint64_t{1} << slot % 64; }

  std::vector<uint32_t> Missing(uint32_t size) const {
    std::vector<uint32_t> missing;
    for (uint32_t slot = 0; slot < size; ++slot) {
      if (!Has(slot)) missing.push_back(slot);
    }
    return missing;
  }

 private:
  std::vector<uint64_t> words_;
};

// Fills a table pick by pick.
class Filler {
 public:
  Filler(absl::Span<const MaglevBackend> backends,
         absl::Span<const uint16_t> order, uint32_t size)
      : size_(size), left_(size), taken_(size), table_(size) {
    for (const uint16_t index : order) {
      const uint64_t hash = Mix(backends[index].key + 0x9e3779b97f4a7c15ull);
      walks_.push_back({.at = static_cast<uint32_t>((hash >> 32) % size),
                        .skip = static_cast<uint32_t>(
                            (hash & 0xffffffff) % (size - 1) + 1)});
    }
    // With F slots free a walk looks at size / F of them before it meets one;
    // asking each of the F where it lies on the walk costs F.
    while (few_ * few_ < size) ++few_;
  }

  bool is_full() const { return left_ == 0; }

  // The next slot that backend order[turn] prefers becomes `index`'s.
  void Pick(size_t turn, uint16_t index) {
    if (left_ > few_) {
      PickByWalking(walks_[turn], index);
    } else {
      PickOfFew(walks_[turn], index);
    }
    --left_;
  }

  std::vector<uint16_t> Take() { return std::move(table_); }

 private:
  void Advance(Walk& walk) const {
    walk.at += walk.skip;
    if (walk.at >= size_) walk.at -= size_;
  }

  void PickByWalking(Walk& walk, uint16_t index) {
    while (taken_.Has(walk.at)) Advance(walk);
    taken_.Add(walk.at);
    table_[walk.at] = index;
    Advance(walk);
  }

  // The free slot that is the fewest steps ahead.
  void PickOfFew(Walk& walk, uint16_t index) {
    if (free_.empty()) free_ = taken_.Missing(size_);
    const uint64_t inverse = InverseModulo(walk.skip, size_);
    size_t best = 0;
    uint64_t best_steps = size_;
    for (size_t i = 0; i < free_.size(); ++i) {
      const uint64_t ahead = free_[i] + size_ - walk.at;
      const uint64_t steps = ahead * inverse % size_;
      if (steps >= best_steps) continue;
      best = i;
      best_steps = steps;
    }
    walk.at = free_[best];
    table_[walk.at] = index;
    Advance(walk);
    free_[best] = free_.back();
    free_.pop_back();
  }

  const uint32_t size_;
  uint32_t left_;
  uint32_t few_ = 1;
  SlotSet taken_;
  std::vector<uint32_t> free_;  // when few are
  std::vector<Walk> walks_;
  std::vector<uint16_t> table_;
};

// How many slots each has: its share, rounded so that the sum is `size`. Of
// equal remainders the earlier in `order` gets the slot.
std::vector<uint32_t> Quotas(absl::Span<const MaglevBackend> backends,
                             absl::Span<const uint16_t> order, uint32_t size) {
  uint64_t total = 0;
  for (const uint16_t index : order) total += backends[index].weight;
  std::vector<uint32_t> quotas;
  std::vector<std::pair<uint64_t, size_t>> remainders;
  uint32_t given = 0;
  for (size_t turn = 0; turn < order.size(); ++turn) {
    const uint64_t share = uint64_t{backends[order[turn]].weight} * size;
    quotas.push_back(static_cast<uint32_t>(share / total));
    given += quotas.back();
    remainders.emplace_back(total - share % total, turn);
  }
  std::sort(remainders.begin(), remainders.end());
  for (size_t i = 0; given < size; ++i, ++given) ++quotas[remainders[i].second];
  return quotas;
}

// Whose turn it is, as indices into `quotas`: of equal quotas one after the
// other, one of half the quota every second time. Pick k of q is due in round
// (k + 1/2) * rounds / q; of those due in one round the earlier in `quotas` is
// first. O(slots), by counting, a few thousand at a time.
class Schedule {
 public:
  Schedule(absl::Span<const uint32_t> quotas, uint32_t size, uint32_t rounds)
      : rounds_(rounds),
        rounds_at_once_(std::max<uint64_t>(
            1, uint64_t{kAtOnce} * rounds / std::max(size, 1u))) {
    for (const uint32_t quota : quotas) {
      const uint64_t step = quota == 0 ? 0 : (uint64_t{rounds} << 32) / quota;
      picks_.push_back({.left = quota, .due = step / 2, .step = step});
    }
  }

  template <typename Visit>
  void ForEach(Visit visit) {
    for (uint64_t first = 0; first < rounds_; first += rounds_at_once_) {
      const uint64_t count = std::min(rounds_at_once_, rounds_ - first);
      for (const uint16_t turn : Of(first, count)) visit(turn);
    }
  }

 private:
  static constexpr uint32_t kAtOnce = 4096;

  // Rounds are 32.32 fixed point numbers.
  struct Picks {
    uint32_t left = 0;
    uint64_t due = 0, step = 0;
  };

  absl::Span<const uint16_t> Of(uint64_t first, uint64_t count) {
    const uint64_t end = (first + count) << 32;
    begins_.assign(count + 1, 0);
    for (const Picks& picks : picks_) {
      uint64_t due = picks.due;
      for (uint32_t left = picks.left; left != 0 && due < end; --left) {
        ++begins_[(due >> 32) - first + 1];
        due += picks.step;
      }
    }
    std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
    turns_.resize(std::max<size_t>(turns_.size(), begins_.back()));
    const size_t total = begins_.back();
    for (size_t turn = 0; turn < picks_.size(); ++turn) {
      Picks& picks = picks_[turn];
      for (; picks.left != 0 && picks.due < end; --picks.left) {
        turns_[begins_[(picks.due >> 32) - first]++] =
            static_cast<uint16_t>(turn);
        picks.due += picks.step;
      }
    }
    return {turns_.data(), total};
  }

  const uint64_t rounds_, rounds_at_once_;
  std::vector<Picks> picks_;
  std::vector<uint32_t> begins_;  // by round, of its turns
  std::vector<uint16_t> turns_;
};

void FillByQuota(absl::Span<const uint32_t> quotas,
                 absl::Span<const uint16_t> order, uint32_t size,
                 Filler& filler) {
  const uint32_t most = *std::max_element(quotas.begin(), quotas.end());
  // Of equal weights: those with one slot more are the first.
  if (std::is_sorted(quotas.begin(), quotas.end(), std::greater<>()) &&
      most - quotas.back() <= 1) {
    while (true) {
      for (size_t turn = 0; turn < order.size(); ++turn) {
        if (filler.is_full()) return;
        filler.Pick(turn, order[turn]);
      }
    }
  }
  Schedule(quotas, size, most).ForEach([&](uint16_t turn) {
    filler.Pick(turn, order[turn]);
  });
}

}  // namespace

absl::Span<const uint32_t> MaglevSizes() { return kSizes; }

uint32_t MaglevSizeFor(absl::Span<const MaglevBackend> backends) {
  uint64_t total = 0, least = 0;
  for (const MaglevBackend& backend : backends) {
    if (backend.weight == 0) continue;
    total += backend.weight;
    least =
        least == 0 ? backend.weight : std::min<uint64_t>(least, backend.weight);
  }
  if (total == 0) return 0;
  // One backend has them all, in any table.
  if (total == least) return kSizes[0];
  for (const uint32_t size : kSizes) {
    if (size * least >= kSlotsForOnePercent * total) return size;
  }
  return kLargest;
}

absl::StatusOr<std::vector<uint16_t>> BuildMaglev(
    absl::Span<const MaglevBackend> backends, uint32_t size) {
  if (std::find(std::begin(kSizes), std::end(kSizes), size) ==
      std::end(kSizes)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "Maglev table: expected a size of MaglevSizes(), found ", size));
  }
  if (backends.size() > std::min<size_t>(size, kMostBackends)) {
    return absl::InvalidArgumentError(
        absl::StrCat("Maglev table of ", size, " slots: expected at most ",
                     std::min<size_t>(size, kMostBackends), " backends, found ",
                     backends.size()));
  }
  std::vector<uint16_t> order;
  for (size_t i = 0; i < backends.size(); ++i) {
    if (backends[i].weight != 0) order.push_back(static_cast<uint16_t>(i));
  }
  if (order.empty()) {
    return absl::InvalidArgumentError(
        "Maglev table: expected a backend with a weight, found none");
  }
  const auto by_key = [&](uint16_t a, uint16_t b) {
    return backends[a].key < backends[b].key;
  };
  std::sort(order.begin(), order.end(), by_key);
  for (size_t i = 1; i < order.size(); ++i) {
    if (backends[order[i]].key != backends[order[i - 1]].key) continue;
    return absl::InvalidArgumentError(absl::StrCat("Maglev table: backends ",
                                                   order[i - 1], " and ",
                                                   order[i], " have one key"));
  }
  Filler filler(backends, order, size);
  FillByQuota(Quotas(backends, order, size), order, size, filler);
  return filler.Take();
}

}  // namespace ciliumcore
