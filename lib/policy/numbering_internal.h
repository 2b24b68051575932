// SPDX-License-Identifier: Apache-2.0

// Numbers for values, given once and kept as long as somebody refers to them.

#ifndef CILIUMCORE_LIB_POLICY_NUMBERING_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_NUMBERING_INTERNAL_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace ciliumcore {

// Gives the values `Item::*kValue` numbers `Item::*kNumber` from [first, last].
// The most recently used `history` values that nobody refers to any more stay
// findable.
//
// Thread-safe. Held by shared_ptr: references keep it alive.
template <typename Item, auto kNumber, auto kValue>
class Numbering
    : public std::enable_shared_from_this<Numbering<Item, kNumber, kValue>> {
 public:
  using Ref = std::shared_ptr<const Item>;
  using Value = std::remove_cvref_t<decltype(std::declval<Item>().*kValue)>;

  Numbering(uint32_t first, uint32_t last, size_t history)
      : first_(first), last_(last), history_(history), next_(first) {}

  // ResourceExhausted if every number is referred to.
  absl::StatusOr<Ref> Intern(Value value) {
    absl::MutexLock lock(&mutex_);
    if (auto known = by_value_.find(&value); known != by_value_.end()) {
      return Hold(slots_.at((*known)->*kNumber));
    }
    if (slots_.size() > last_ - first_) {
      if (unused_.empty()) {
        return absl::ResourceExhaustedError(absl::StrCat(
            "all numbers from ", first_, " to ", last_, " are in use"));
      }
      Forget(unused_.front());
    }
    while (slots_.contains(next_)) Advance();
    const uint32_t number = next_;
    Advance();
    return Hold(Add(number, std::move(value)));
  }

  // AlreadyExists if `number` or `value` has another partner; InvalidArgument
  // if the number is out of range.
  absl::StatusOr<Ref> Restore(uint32_t number, Value value) {
    if (number < first_ || number > last_) {
      return absl::InvalidArgumentError(
          absl::StrCat("number ", number, " is not in ", first_, "..", last_));
    }
    absl::MutexLock lock(&mutex_);
    if (auto known = by_value_.find(&value); known != by_value_.end()) {
      if ((*known)->*kNumber != number) {
        return absl::AlreadyExistsError(absl::StrCat(
            "cannot be number ", number, ": is ", (*known)->*kNumber));
      }
      return Hold(slots_.at(number));
    }
    if (slots_.contains(number)) {
      return absl::AlreadyExistsError(
          absl::StrCat("number ", number, " means something else"));
    }
    return Hold(Add(number, std::move(value)));
  }

  // Null if `number` means nothing.
  Ref Find(uint32_t number) {
    absl::MutexLock lock(&mutex_);
    auto slot = slots_.find(number);
    return slot == slots_.end() ? nullptr : Hold(slot->second);
  }

  size_t live() const {
    absl::MutexLock lock(&mutex_);
    return slots_.size() - unused_.size();
  }

  size_t remembered() const {
    absl::MutexLock lock(&mutex_);
    return unused_.size();
  }

 private:
  struct Slot {
    std::unique_ptr<const Item> item;
    size_t holders = 0;
    std::list<uint32_t>::iterator unused;  // valid while holders == 0
  };

  struct ValueHash {
    size_t operator()(const Item* item) const {
      return absl::Hash<Value>()(item->*kValue);
    }
    size_t operator()(const Value* value) const {
      return absl::Hash<Value>()(*value);
    }
    using is_transparent = void;
  };
  struct ValueEq {
    static const Value& Of(const Item* item) { return item->*kValue; }
    static const Value& Of(const Value* value) { return *value; }
    template <typename A, typename B>
    bool operator()(const A* a, const B* b) const {
      return Of(a) == Of(b);
    }
    using is_transparent = void;
  };

  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    next_ = next_ == last_ ? first_ : next_ + 1;
  }

  // A slot that nobody holds yet and that is not listed as unused: the caller
  // holds it at once.
  Slot& Add(uint32_t number, Value value)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto item = std::make_unique<Item>();
    (*item).*kNumber = number;
    (*item).*kValue = std::move(value);
    by_value_.insert(item.get());
    Slot& slot = slots_[number];
    slot.item = std::move(item);
    slot.unused = unused_.end();
    return slot;
  }

  Ref Hold(Slot& slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (slot.holders++ == 0 && slot.unused != unused_.end()) {
      unused_.erase(slot.unused);
      slot.unused = unused_.end();
    }
    const Item* item = slot.item.get();
    return Ref(item, [self = this->shared_from_this()](const Item* held) {
      self->Release(held->*kNumber);
    });
  }

  void Release(uint32_t number) {
    absl::MutexLock lock(&mutex_);
    Slot& slot = slots_.at(number);
    if (--slot.holders != 0) return;
    slot.unused = unused_.insert(unused_.end(), number);
    if (unused_.size() > history_) Forget(unused_.front());
  }

  void Forget(uint32_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto slot = slots_.find(number);
    by_value_.erase(slot->second.item.get());
    unused_.erase(slot->second.unused);
    slots_.erase(slot);
  }

  const uint32_t first_;
  const uint32_t last_;
  const size_t history_;

  mutable absl::Mutex mutex_;
  uint32_t next_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint32_t, Slot> slots_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<const Item*, ValueHash, ValueEq> by_value_
      ABSL_GUARDED_BY(mutex_);
  std::list<uint32_t> unused_ ABSL_GUARDED_BY(mutex_);  // oldest first
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_NUMBERING_INTERNAL_H_
