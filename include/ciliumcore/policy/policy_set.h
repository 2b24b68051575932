// SPDX-License-Identifier: Apache-2.0

// Policies of every dialect together, as a value that keeps their names apart.

#ifndef CILIUMCORE_POLICY_POLICY_SET_H_
#define CILIUMCORE_POLICY_POLICY_SET_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/policy/policy_input.h"

namespace ciliumcore {

// Policies of each kind in the order of their namespaces and names, no two of
// one kind and name, and the CIDR groups that they refer to. A value;
// thread-compatible.
class PolicySet {
 public:
  PolicySet() = default;

  // The policies of a YAML or JSON text: of Kubernetes, of the whole cluster and
  // of Cilium. Its other objects are checked and left out. InvalidArgument lists
  // what is wrong, as manifest.h says; a policy of another kind (Calico's, ...)
  // is wrong too, lest anybody takes it for enforced.
  static absl::StatusOr<PolicySet> FromManifest(absl::string_view text);

  // Adds a policy. AlreadyExists if there is one of its kind and name. O(size).
  absl::Status Add(NetworkPolicy policy);
  absl::Status Add(CiliumPolicy policy);
  absl::Status Add(ClusterPolicy policy);
  absl::Status Add(CidrGroup group);

  // Adds all of `other`, or none: AlreadyExists if a name is in both.
  absl::Status Merge(const PolicySet& other);

  const Policies& policies() const { return policies_; }

  friend bool operator==(const PolicySet&, const PolicySet&) = default;

 private:
  Policies policies_;  // each kind ascending by name
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_POLICY_SET_H_
