// SPDX-License-Identifier: Apache-2.0

// Gives every set of labels in use a number, for one process. To share numbers
// between nodes, keep the same promises over a store that they share.

#ifndef CILIUMCORE_IDENTITY_ALLOCATOR_H_
#define CILIUMCORE_IDENTITY_ALLOCATOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/identity/label.h"
#include "ciliumcore/identity/reserved.h"

namespace ciliumcore {

namespace internal {
struct AllocatedIdentity;
}  // namespace internal

// A set of labels with its number. While a reference or a copy of it lives, the
// number means these labels. A value, cheap to copy; copies may live in
// different threads, and outlive the allocator.
//
// A default reference, and one from an Allocate that failed, refers to nothing:
// id() is kUnknown, which no layer accepts as an identity, and status() says
// why.
class IdentityRef {
 public:
  IdentityRef() = default;

  Identity id() const;
  // Live as long as the reference.
  const Labels& labels() const;

  bool valid() const { return identity_ != nullptr; }
  // OK if valid().
  absl::Status status() const;

  // "4711 (k8s:app=web)".
  std::string ToString() const;

  // Whether number and labels are equal.
  friend bool operator==(const IdentityRef& a, const IdentityRef& b) {
    return a.id() == b.id() && a.labels() == b.labels();
  }

 private:
  friend class IdentityAllocator;
  explicit IdentityRef(
      std::shared_ptr<const internal::AllocatedIdentity> identity)
      : identity_(std::move(identity)) {}
  explicit IdentityRef(const absl::Status& error)
      : error_(std::make_shared<const absl::Status>(error)) {}

  std::shared_ptr<const internal::AllocatedIdentity> identity_;
  std::shared_ptr<const absl::Status> error_;  // null: a default reference
};

// Thread-safe.
//
// Equal label sets have one number. It is free again when the last reference is
// gone, and is given to another set as late as possible: numbers never used
// come first, then the one that has been free for longest.
class IdentityAllocator {
 public:
  struct Options {
    // Numbers for label sets, and for those with a label of source cidr.
    uint32_t first = kFirstClusterIdentity;
    uint32_t last = kLastClusterIdentity;
    uint32_t first_local = kFirstLocalIdentity;
    uint32_t last_local = kLastLocalIdentity;
  };

  IdentityAllocator() : IdentityAllocator(Options()) {}
  explicit IdentityAllocator(const Options& options);

  // The identity of `labels`; a reserved one if they are exactly its labels. On
  // failure a reference to nothing, with the status that TryAllocate returns:
  // who cannot stop here hands it on, and whoever is given it refuses it.
  IdentityRef Allocate(Labels labels);

  // The same. ResourceExhausted, with the range and how many are in use, if no
  // number is free; InvalidArgument if a label of source reserved is in a set
  // that is not a reserved identity's (nor, for "reserved:world", a CIDR's).
  absl::StatusOr<IdentityRef> TryAllocate(Labels labels);

  // The identity of an address block that is outside the cluster: its CidrLabel
  // and "reserved:world".
  IdentityRef AllocateCidr(const IpPrefix& prefix);

  // Gives `labels` the number that they had in an earlier process.
  // AlreadyExists if they, or the number, have another partner; InvalidArgument
  // if the number is not in the range for such labels.
  absl::StatusOr<IdentityRef> Restore(Identity id, Labels labels);

  // The identity that has this number now; NotFound if it is free.
  absl::StatusOr<IdentityRef> Find(Identity id) const;

  // Every identity in use, by number; not the reserved ones.
  std::vector<IdentityRef> InUse() const;
  size_t size() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_IDENTITY_ALLOCATOR_H_
