// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/identity/allocator.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "lib/identity/number_pool_internal.h"

namespace ciliumcore {

namespace internal {

struct AllocatedIdentity {
  Identity id = Identity::kUnknown;
  Labels labels;
};

}  // namespace internal

using internal::AllocatedIdentity;
using internal::NumberPool;

// Everything is under `mutex`. An identity whose last reference is gone is
// expired until its deleter has the mutex: its labels may be allocated again in
// between, then with another number, for its own is still taken.
struct IdentityAllocator::State {
  struct Entry {
    const AllocatedIdentity* identity = nullptr;  // tells a successor apart
    std::weak_ptr<const AllocatedIdentity> reference;
  };

  explicit State(const Options& options)
      : cluster(options.first, options.last),
        local(options.first_local, options.last_local) {}

  NumberPool& PoolOf(const Labels& labels) {
    for (const Label& label : labels) {
      if (label.source == kSourceCidr) return local;
    }
    return cluster;
  }

  // Under `mutex`. `number` is in use by nobody else, `labels` have no entry
  // that is not expired.
  static std::shared_ptr<const AllocatedIdentity> Register(
      const std::shared_ptr<State>& state, uint32_t number, Labels labels) {
    const std::shared_ptr<const AllocatedIdentity> identity(
        new AllocatedIdentity{static_cast<Identity>(number), std::move(labels)},
        [state](const AllocatedIdentity* gone) {
          state->Release(*gone);
          delete gone;
        });
    state->by_labels[identity->labels] = {identity.get(), identity};
    state->by_number[number] = identity;
    return identity;
  }

  void Release(const AllocatedIdentity& identity) {
    const std::lock_guard<std::mutex> lock(mutex);
    by_number.erase(static_cast<uint32_t>(identity.id));
    PoolOf(identity.labels).Give(static_cast<uint32_t>(identity.id));
    const auto found = by_labels.find(identity.labels);
    if (found != by_labels.end() && found->second.identity == &identity) {
      by_labels.erase(found);
    }
  }

  std::mutex mutex;
  NumberPool cluster;
  NumberPool local;
  absl::flat_hash_map<Labels, Entry> by_labels;
  std::map<uint32_t, std::weak_ptr<const AllocatedIdentity>> by_number;
};

namespace {

// The labels of a CIDR may say that it is in the world; otherwise those of
// reserved identities stand alone.
absl::Status CheckReserved(const Labels& labels) {
  bool is_cidr = false;
  const Label* reserved = nullptr;
  for (const Label& label : labels) {
    if (label.source == kSourceCidr) is_cidr = true;
    if (label.source != kSourceReserved) continue;
    const bool is_world = label.key == IdentityName(Identity::kWorld) ||
                          label.key == IdentityName(Identity::kWorldIpv4) ||
                          label.key == IdentityName(Identity::kWorldIpv6);
    if (!is_cidr || !is_world) reserved = &label;
  }
  if (reserved == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "labels ", labels.ToString(), ": expected ", reserved->ToString(),
      " only in the labels of a reserved identity"));
}

std::shared_ptr<const AllocatedIdentity> MakeReserved(Identity id) {
  return std::make_shared<const AllocatedIdentity>(
      AllocatedIdentity{id, ReservedLabels(id)});
}

}  // namespace

Identity IdentityRef::id() const {
  return valid() ? identity_->id : Identity::kUnknown;
}

const Labels& IdentityRef::labels() const {
  if (identity_ != nullptr) return identity_->labels;
  static const Labels* const none = new Labels;
  return *none;
}

absl::Status IdentityRef::status() const {
  if (valid()) return absl::OkStatus();
  if (error_ != nullptr) return *error_;
  return absl::FailedPreconditionError("no identity was allocated");
}

std::string IdentityRef::ToString() const {
  return absl::StrCat(IdentityName(id()), " (", labels().ToString(), ")");
}

IdentityAllocator::IdentityAllocator(const Options& options)
    : state_(std::make_shared<State>(options)) {}

IdentityRef IdentityAllocator::Allocate(Labels labels) {
  absl::StatusOr<IdentityRef> ref = TryAllocate(std::move(labels));
  return ref.ok() ? *std::move(ref) : IdentityRef(ref.status());
}

absl::StatusOr<IdentityRef> IdentityAllocator::TryAllocate(Labels labels) {
  if (const auto reserved = ReservedIdentityOf(labels)) {
    return IdentityRef(MakeReserved(*reserved));
  }
  if (absl::Status ok = CheckReserved(labels); !ok.ok()) return ok;
  const std::lock_guard<std::mutex> lock(state_->mutex);
  if (const auto found = state_->by_labels.find(labels);
      found != state_->by_labels.end()) {
    if (auto identity = found->second.reference.lock()) {
      return IdentityRef(std::move(identity));
    }
  }
  NumberPool& pool = state_->PoolOf(labels);
  const auto number = pool.Take();
  if (!number.has_value()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "no identity is free for ", labels.ToString(), ": all ", pool.in_use(),
        " of ", pool.first(), "..", pool.last(), " are in use"));
  }
  return IdentityRef(State::Register(state_, *number, std::move(labels)));
}

IdentityRef IdentityAllocator::AllocateCidr(const IpPrefix& prefix) {
  Labels labels = ReservedLabels(Identity::kWorld);
  labels.Set(CidrLabel(prefix));
  return Allocate(std::move(labels));
}

absl::StatusOr<IdentityRef> IdentityAllocator::Restore(Identity id,
                                                       Labels labels) {
  const auto number = static_cast<uint32_t>(id);
  if (absl::Status ok = CheckReserved(labels); !ok.ok()) return ok;
  // Outlives the lock: its deleter takes the mutex.
  std::shared_ptr<const AllocatedIdentity> present;
  const std::lock_guard<std::mutex> lock(state_->mutex);
  NumberPool& pool = state_->PoolOf(labels);
  if (!pool.Contains(number)) {
    return absl::InvalidArgumentError(
        absl::StrCat("identity ", number, " of ", labels.ToString(),
                     ": expected one of ", pool.first(), "..", pool.last()));
  }
  if (const auto found = state_->by_labels.find(labels);
      found != state_->by_labels.end()) {
    present = found->second.reference.lock();
  }
  if (present != nullptr && present->id == id) {
    return IdentityRef(std::move(present));
  }
  if (present != nullptr) {
    return absl::AlreadyExistsError(absl::StrCat(
        "identity ", number, " of ", labels.ToString(),
        ": these labels have identity ", static_cast<uint32_t>(present->id)));
  }
  if (!pool.TakeExactly(number)) {
    if (const auto found = state_->by_number.find(number);
        found != state_->by_number.end()) {
      present = found->second.lock();
    }
    return absl::AlreadyExistsError(absl::StrCat(
        "identity ", number, " of ", labels.ToString(), ": it belongs to ",
        present == nullptr ? "labels that are being released"
                           : present->labels.ToString()));
  }
  return IdentityRef(State::Register(state_, number, std::move(labels)));
}

absl::StatusOr<IdentityRef> IdentityAllocator::Find(Identity id) const {
  if (!ReservedLabels(id).empty()) return IdentityRef(MakeReserved(id));
  const std::lock_guard<std::mutex> lock(state_->mutex);
  const auto found = state_->by_number.find(static_cast<uint32_t>(id));
  if (found != state_->by_number.end()) {
    if (auto identity = found->second.lock()) {
      return IdentityRef(std::move(identity));
    }
  }
  return absl::NotFoundError(
      absl::StrCat("identity ", static_cast<uint32_t>(id), " is not in use"));
}

std::vector<IdentityRef> IdentityAllocator::InUse() const {
  std::vector<IdentityRef> all;
  const std::lock_guard<std::mutex> lock(state_->mutex);
  for (const auto& [number, reference] : state_->by_number) {
    if (auto identity = reference.lock()) {
      all.push_back(IdentityRef(std::move(identity)));
    }
  }
  return all;
}

size_t IdentityAllocator::size() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->by_number.size();
}

}  // namespace ciliumcore
