// SPDX-License-Identifier: Apache-2.0

// The policies of all dialects, lowered; each is kept while it stays as it is.

#ifndef CILIUMCORE_LIB_POLICY_LOWERED_POLICIES_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_LOWERED_POLICIES_INTERNAL_H_

#include <memory>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "lib/policy/lowered_policy_internal.h"

namespace ciliumcore {

// Thread-compatible.
class LoweredPolicies {
 public:
  // Forgets all: what policies refer to has changed. They must live until
  // the next Reset.
  void Reset(const std::vector<PolicyService>& services);

  // Brings `all` to `policies`. InvalidArgument if two have one name; as Lower;
  // then nothing changes.
  absl::Status Update(const Policies& policies);

  // By kind and name.
  absl::Span<const LoweredRef> all() const { return all_; }

 private:
  template <typename Policy>
  struct Entry {
    std::shared_ptr<const Policy> policy;
    absl::InlinedVector<LoweredRef, 1> lowered;
  };
  // Ascending by name.
  template <typename Policy>
  using Entries = std::vector<Entry<Policy>>;

  template <typename Policy>
  static absl::StatusOr<Entries<Policy>> Updated(
      const std::vector<Policy>& policies, const Entries<Policy>& known,
      const PolicyReferences& references);

  std::vector<CidrGroup> cidr_groups_;
  const std::vector<PolicyService>* services_ = nullptr;
  Entries<NetworkPolicy> network_;
  Entries<CiliumPolicy> cilium_;
  Entries<ClusterPolicy> cluster_;
  std::vector<LoweredRef> all_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_LOWERED_POLICIES_INTERNAL_H_
