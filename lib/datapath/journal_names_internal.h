// SPDX-License-Identifier: Apache-2.0

// Keeps in the journal what the numbers of peers, rule sets and identities
// mean, as far as they are in use.

#ifndef CILIUMCORE_LIB_DATAPATH_JOURNAL_NAMES_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_JOURNAL_NAMES_INTERNAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/policy/peer.h"
#include "ciliumcore/policy/rule_set.h"
#include "lib/datapath/desired_internal.h"
#include "lib/datapath/journal_internal.h"
#include "lib/datapath/pools_internal.h"

namespace ciliumcore::internal {

// What the journal says of peers and rule sets, for a planner to go on with.
struct RecoveredNames {
  std::vector<PeerRef> peers;
  std::vector<RuleSetRef> rule_sets;
};

// DataLoss if records cannot be read, or contradict each other.
absl::StatusOr<RecoveredNames> RecoverNames(const Journal::Records& records,
                                            PeerRegistry& peers,
                                            RuleSetTable& rule_sets);
absl::StatusOr<std::vector<IdentityRef>> RecoverIdentities(
    const Journal::Records& records, IdentityAllocator& allocator);

// Peers and rule sets that were recorded keep their numbers until the journal
// is full: so a number in it never means two things. Not thread-safe.
class JournalNames {
 public:
  // The journal says so already.
  void Hold(const Journal& journal, const RecoveredNames& names);

  // Records in `staging` what the journal does not say yet of the numbers that
  // `desired` uses, and which identities are in use no more.
  void Stage(const DesiredState& desired, Staging& staging);

  // For Journal::Append: whether a record is of use. Of peers and rule sets
  // only those that are in force or about to be.
  bool IsUsed(const Journal::Key& key) const;
  // The journal has forgotten them: their numbers may mean something else.
  void Forget(absl::Span<const Journal::Key> keys);

 private:
  template <typename Ref>
  using Known = absl::flat_hash_map<uint32_t, Ref>;

  // What has numbers in a state.
  struct Named {
    std::shared_ptr<const PeerMap> peer_map = std::make_shared<const PeerMap>();
    SharedMap<uint32_t, RuleSetRef> rule_sets;  // by id
    std::shared_ptr<const DesiredNodes> nodes;
  };

  void StageIdentities(const DesiredNodes& nodes, Staging& staging);
  template <typename Ref, typename Value>
  static void Note(JournalKind kind, uint32_t number, const Ref& ref,
                   const Value& value, Known<Ref>& known, Staging& staging);

  Known<PeerRef> peers_;
  Known<RuleSetRef> rule_sets_;
  // Identities that the journal holds before any is in force: labels as it
  // writes them.
  Known<std::string> recovered_;
  Named in_force_, next_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_JOURNAL_NAMES_INTERNAL_H_
