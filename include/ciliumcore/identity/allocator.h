// SPDX-License-Identifier: Apache-2.0

// IdentityAllocator: numbers for sets of labels.

#ifndef CILIUMCORE_IDENTITY_ALLOCATOR_H_
#define CILIUMCORE_IDENTITY_ALLOCATOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "ciliumcore/identity/label.h"
#include "ciliumcore/identity/reserved.h"

namespace ciliumcore {

namespace internal {
struct AllocatedIdentity;
struct AllocatorState;
}  // namespace internal

// A share in an identity: while one lives, its number means its labels. A
// value, cheap to copy; may outlive the allocator. Thread-compatible.
class IdentityRef {
 public:
  // Refers to nobody.
  IdentityRef() = default;

  bool valid() const { return identity_ != nullptr; }

  // Identity::kUnknown and no labels, if not valid.
  Identity id() const;
  const Labels& labels() const;

  friend bool operator==(const IdentityRef& a, const IdentityRef& b) {
    return a.id() == b.id();
  }

 private:
  friend class IdentityAllocator;
  explicit IdentityRef(
      std::shared_ptr<const internal::AllocatedIdentity> identity)
      : identity_(std::move(identity)) {}

  std::shared_ptr<const internal::AllocatedIdentity> identity_;
};

// Gives equal labels one number. A number whose last reference is gone is given
// again as late as possible. Thread-safe.
class IdentityAllocator {
 public:
  struct Options {
    uint32_t first = kFirstClusterIdentity;
    uint32_t last = kLastClusterIdentity;
  };

  IdentityAllocator() : IdentityAllocator(Options()) {}
  explicit IdentityAllocator(const Options& options);

  // The identity of `labels`; those of one reserved label ("reserved:host")
  // have its fixed number. ResourceExhausted if every number of the range is in
  // use.
  absl::StatusOr<IdentityRef> TryAllocate(const Labels& labels);

  // The same; not valid() where TryAllocate fails.
  IdentityRef Allocate(const Labels& labels);

  // Identities in use.
  size_t size() const;

 private:
  std::shared_ptr<internal::AllocatorState> state_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_IDENTITY_ALLOCATOR_H_
