// SPDX-License-Identifier: Apache-2.0

// What one rule matches, of all peers there are: found once, used by every
// subject that the rule's policy selects.

#ifndef CILIUMCORE_LIB_POLICY_RULE_MATCHER_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_RULE_MATCHER_INTERNAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ciliumcore/policy/network_policy.h"
#include "lib/policy/table_builder_internal.h"
#include "lib/policy/universe_internal.h"

namespace ciliumcore {

struct MatchedRule {
  // Peers for which the ports mean the same numbers.
  struct Variant {
    std::vector<PortKeyRange> ranges;  // all of the rule, not empty
    std::vector<uint32_t> peers;
  };

  std::vector<PortKeyRange> ranges;  // of the ports given by number
  PortNames names;                   // of the others
  bool every_peer = false;
  std::vector<uint32_t> peers;  // unless every_peer; ascending
  // Of an egress rule with names: they hold beside `ranges` and `peers`.
  std::vector<Variant> variants;
};

// The ranges of `rule` where the names mean `ports`; sorted and disjoint.
std::vector<PortKeyRange> WithNamedPorts(const MatchedRule& rule,
                                         const std::vector<NamedPort>& ports);

// Thread-compatible.
class RuleMatcher {
 public:
  // Both must outlive the matcher.
  RuleMatcher(const Universe& universe,
              const std::vector<Namespace>& namespaces);

  MatchedRule Match(const LoweredRule& rule, Direction direction);

  // The groups of the pods, ascending; the same object for equal terms.
  std::shared_ptr<const std::vector<uint32_t>> GroupsOf(const PodTerm& pods);

 private:
  // Cached; valid until the next call.
  const std::vector<uint32_t>& PeersOf(const PeerTerm& term);
  std::vector<uint32_t> FindPeers(const PeerTerm& term);
  const std::vector<std::string>& Namespaces(const NamespaceTerm& term);

  const Universe& universe_;
  // Those given and those of endpoints; their labels as Kubernetes has them,
  // and as identities have them.
  std::vector<Namespace> namespaces_;
  std::vector<Labels> identity_labels_;
  absl::flat_hash_map<std::string, std::vector<std::string>> matched_;
  absl::flat_hash_map<std::string, std::vector<uint32_t>> peers_of_;
  absl::flat_hash_map<std::string, std::shared_ptr<const std::vector<uint32_t>>>
      groups_of_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_RULE_MATCHER_INTERNAL_H_
