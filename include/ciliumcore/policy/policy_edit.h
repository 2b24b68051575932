// SPDX-License-Identifier: Apache-2.0

// Small changes of a cluster's policies and labels, as values: what a remedy is
// made of.

#ifndef CILIUMCORE_POLICY_POLICY_EDIT_H_
#define CILIUMCORE_POLICY_POLICY_EDIT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/policy/network_policy.h"
#include "ciliumcore/policy/rule_set.h"

namespace ciliumcore {

// Adds one thing; nothing is taken away. A value.
struct PolicyEdit {
  // In the order in which changes that are otherwise equal are preferred.
  enum class Kind : uint8_t {
    kAddPort,            // to a rule that has ports
    kAddPeer,            // to a rule that has peers
    kAddPodLabel,        // to every pod of a workload
    kAddNamespaceLabel,  // to a namespace
    kAddRule,            // behind the others of a policy's section
  };

  Kind kind = Kind::kAddPort;

  // The rule that gets a port or a peer, or that is added: its index is how
  // many there are.
  RuleRef rule = {};
  // One port, one peer, or the rule.
  NetworkPolicyRule added = {};

  // Of kAddPodLabel, the workload; of kAddNamespaceLabel, `ns` is its name.
  std::string ns = {};
  std::string owner_kind = {};
  std::string owner_name = {};
  std::string key = {};
  std::string value = {};

  // Of kAddPodLabel: whether the pod gets the label.
  bool IsOfWorkload(const Pod& pod) const {
    return pod.ns == ns && pod.owner_kind == owner_kind &&
           pod.owner_name == owner_name;
  }

  // How many conditions somebody must write: 2 of a rule (whom, on which port),
  // else 1.
  size_t conditions() const { return kind == Kind::kAddRule ? 2 : 1; }

  // What is added as it stands in a manifest:
  // `{protocol: TCP, port: 5433}`, `{podSelector: {matchLabels: {"app":
  // "web"}}}` (in one line).
  std::string Yaml() const;
  // "add the port ... to NetworkPolicy shop/db ingress[0]".
  std::string ToString() const;

  friend bool operator==(const PolicyEdit&, const PolicyEdit&) = default;
};

// "add port", "add peer", "add pod label", "add namespace label", "add rule".
absl::string_view EditName(PolicyEdit::Kind kind);

// `cluster` with the edits, one after another. NotFound if a policy, rule,
// workload or namespace is not there; AlreadyExists if a label's key is there
// with another value; FailedPrecondition if a rule without ports (or peers),
// which allows all of them, would get one and so allow less; InvalidArgument if
// `added` is not what the kind says, or a rule's index is not the next.
absl::StatusOr<Cluster> Apply(Cluster cluster,
                              const std::vector<PolicyEdit>& edits);

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_POLICY_EDIT_H_
