// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/identity/allocator.h"

#include <mutex>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace ciliumcore {
namespace internal {

struct AllocatedIdentity {
  Identity id = Identity::kUnknown;
  Labels labels;
};

struct AllocatorState {
  explicit AllocatorState(const IdentityAllocator::Options& range)
      : options(range), next(range.first) {}

  const IdentityAllocator::Options options;
  std::mutex mutex;
  uint32_t next;  // where to look first
  absl::flat_hash_map<Labels, std::weak_ptr<const AllocatedIdentity>> by_labels;
  absl::flat_hash_set<uint32_t> in_use;

  void Release(const AllocatedIdentity& identity) {
    const std::lock_guard lock(mutex);
    in_use.erase(static_cast<uint32_t>(identity.id));
    auto found = by_labels.find(identity.labels);
    // another of the same labels may have come meanwhile
    if (found != by_labels.end() && found->second.expired())
      by_labels.erase(found);
  }
};

}  // namespace internal

namespace {

std::optional<Identity> ReservedOf(const Labels& labels) {
  if (labels.size() != 1 || labels.begin()->source != "reserved")
    return std::nullopt;
  return ReservedIdentity(labels.begin()->key);
}

}  // namespace

Identity IdentityRef::id() const {
  return identity_ == nullptr ? Identity::kUnknown : identity_->id;
}

const Labels& IdentityRef::labels() const {
  static const auto* none = new Labels;
  return identity_ == nullptr ? *none : identity_->labels;
}

IdentityAllocator::IdentityAllocator(const Options& options)
    : state_(std::make_shared<internal::AllocatorState>(options)) {}

absl::StatusOr<IdentityRef> IdentityAllocator::TryAllocate(
    const Labels& labels) {
  if (const std::optional<Identity> fixed = ReservedOf(labels)) {
    return IdentityRef(std::make_shared<const internal::AllocatedIdentity>(
        internal::AllocatedIdentity{*fixed, labels}));
  }
  internal::AllocatorState& state = *state_;
  const std::lock_guard lock(state.mutex);
  auto known = state.by_labels.find(labels);
  if (known != state.by_labels.end()) {
    if (auto identity = known->second.lock())
      return IdentityRef(std::move(identity));
  }
  const uint32_t count = state.options.last - state.options.first + 1;
  if (state.in_use.size() >= count) {
    return absl::ResourceExhaustedError(
        absl::StrCat("identities ", state.options.first, "..",
                     state.options.last, ": all ", count, " are in use"));
  }
  uint32_t number = state.next;
  while (state.in_use.contains(number)) {
    number = number == state.options.last ? state.options.first : number + 1;
  }
  state.next = number == state.options.last ? state.options.first : number + 1;
  state.in_use.insert(number);
  const auto release =
      [keep = state_](const internal::AllocatedIdentity* identity) {
        keep->Release(*identity);
        delete identity;
      };
  std::shared_ptr<const internal::AllocatedIdentity> identity(
      new internal::AllocatedIdentity{static_cast<Identity>(number), labels},
      release);
  state.by_labels[labels] = identity;
  return IdentityRef(std::move(identity));
}

IdentityRef IdentityAllocator::Allocate(const Labels& labels) {
  absl::StatusOr<IdentityRef> identity = TryAllocate(labels);
  return identity.ok() ? *std::move(identity) : IdentityRef();
}

size_t IdentityAllocator::size() const {
  const std::lock_guard lock(state_->mutex);
  return state_->in_use.size();
}

}  // namespace ciliumcore
