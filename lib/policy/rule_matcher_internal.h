// SPDX-License-Identifier: Apache-2.0

// What one rule matches, of all peers there are: found once, used by every
// subject that the rule's policy selects, and kept while peers come and go.

#ifndef CILIUMCORE_LIB_POLICY_RULE_MATCHER_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_RULE_MATCHER_INTERNAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ciliumcore/policy/network_policy.h"
#include "lib/policy/table_builder_internal.h"
#include "lib/policy/term_index_internal.h"
#include "lib/policy/universe_internal.h"

namespace ciliumcore {

struct MatchedRule {
  // Peers for which the ports mean the same numbers.
  struct Variant {
    std::vector<PortKeyRange> ranges;  // all of the rule, not empty
    std::vector<uint32_t> peers;       // ascending
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

  // `number` is the rule's; no two rules have the same.
  MatchedRule Match(const LoweredRule& rule, Direction direction,
                    uint32_t number);
  // The rule of that number has gone.
  void Forget(const LoweredRule& rule, uint32_t number);

  // The groups of endpoints among the pods, ascending; the same object for
  // equal terms.
  std::shared_ptr<const std::vector<uint32_t>> SubjectsOf(const PodTerm& pods);

  // A peer has come or goes, no node; the universe says of what group and
  // cover. Returns the rules, by number and ascending, that match it: Add or
  // Remove brings each of them there.
  std::vector<uint32_t> Came(uint32_t peer);
  std::vector<uint32_t> Goes(uint32_t peer, const PeerVariety& variety);
  void Add(uint32_t peer, Direction direction, MatchedRule& matched) const;
  static void Remove(uint32_t peer, MatchedRule& matched);

 private:
  std::vector<uint32_t> FindPeers(const PeerTerm& term);
  // What the names of an egress rule mean at a peer; empty if nothing more than
  // its numbers.
  std::vector<PortKeyRange> RangesAt(uint32_t peer,
                                     const MatchedRule& matched) const;

  const Universe& universe_;
  NamespaceIndex namespaces_;
  TermIndex terms_;
  absl::flat_hash_map<std::string, std::shared_ptr<const std::vector<uint32_t>>>
      subjects_of_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_RULE_MATCHER_INTERNAL_H_
