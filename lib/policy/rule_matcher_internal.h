// SPDX-License-Identifier: Apache-2.0

// What one rule matches, of all peers there are: found once, used by every
// subject that the rule's policy selects.

#ifndef CILIUMCORE_LIB_POLICY_RULE_MATCHER_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_RULE_MATCHER_INTERNAL_H_

#include <cstdint>
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

  MatchedRule Match(const NetworkPolicyRule& rule, const std::string& ns,
                    Direction direction);

 private:
  // Peers that one item of `from` or `to` matches; cached until the next call.
  const std::vector<uint32_t>& PeersOf(const PeerRule& peer,
                                       const std::string& ns);

  // The namespaces that a selector matches; cached.
  const std::vector<std::string>& Namespaces(const LabelSelector& selector);

  const Universe& universe_;
  std::vector<Namespace> namespaces_;  // those given and those of endpoints
  absl::flat_hash_map<std::string, std::vector<std::string>> matched_;
  absl::flat_hash_map<std::string, std::vector<uint32_t>> peers_of_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_RULE_MATCHER_INTERNAL_H_
