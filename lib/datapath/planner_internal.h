// SPDX-License-Identifier: Apache-2.0

// From what is wanted to what the maps should say, and back: what the numbers
// in events mean.

#ifndef CILIUMCORE_LIB_DATAPATH_PLANNER_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_PLANNER_INTERNAL_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/datapath/plan.h"
#include "ciliumcore/flow/flow.h"
#include "ciliumcore/policy/compiler.h"
#include "lib/datapath/address_owners_internal.h"
#include "lib/datapath/desired_internal.h"
#include "lib/datapath/flow_names_internal.h"
#include "lib/datapath/intent_internal.h"
#include "lib/datapath/journal_names_internal.h"

namespace ciliumcore::internal {

// An edit of an intent.
using Edit = std::function<absl::Status(Intent&)>;

// Who does the edits of a Transaction.
class Committer {
 public:
  virtual ~Committer() = default;
  virtual absl::StatusOr<uint32_t> Commit(const std::vector<Edit>& edits) = 0;
  virtual absl::StatusOr<ChangePlan> Plan(const std::vector<Edit>& edits) = 0;
};

struct TransactionState {
  std::shared_ptr<Committer> target;
  std::vector<Edit> edits;
};

// Holds the intent in force and its numbers. Makes no system calls. Not
// thread-safe.
class Planner {
 public:
  // An intent, compiled.
  struct Plan {
    Intent intent;
    std::shared_ptr<const CompiledPolicy> compiled;
    DesiredState desired;
  };

  // Goes on with the numbers of an earlier process, which mean what they meant
  // while the result lives. As RecoverNames.
  absl::StatusOr<RecoveredNames> Recover(const Journal::Records& journal) {
    return RecoverNames(journal, peers_, rule_sets_);
  }

  // The intent in force, edited; checked.
  absl::StatusOr<Intent> Edited(const std::vector<Edit>& edits) const;

  absl::StatusOr<Plan> Compiled(
      Intent intent, std::shared_ptr<const Surroundings> surroundings);

  // `plan` has been published.
  void Published(Plan plan);

  const Intent& intent() const { return intent_; }
  // What the maps should say now; nothing before anything was published.
  // `surroundings`: those it was published with.
  std::optional<DesiredState> InForce(const Surroundings& surroundings) const;
  std::shared_ptr<const CompiledPolicy> policy() const;

  // See FlowDirectory.
  std::shared_ptr<const FlowDirectory::Party> FindParty(
      uint32_t peer, const IpAddress& address) const;
  FlowNames::Text FindService(const IpAddress& address,
                              PortProtocol port) const;
  RuleSetRef FindRuleSet(uint32_t rule_set) const;
  FlowNames::Text Explain(uint32_t rule_set) const;

 private:
  // The same object as last time if it is of the same.
  absl::StatusOr<std::shared_ptr<const CompiledPolicy>> CompiledPolicyOf(
      const Intent& intent, const Surroundings& surroundings);
  PolicyInput InputOf(const Intent& intent, const Surroundings& surroundings);
  // What the compiler's last input has to change in remotes and names; none if
  // that changes namespaces as well.
  struct PeersChange {
    RemoteChange remotes;
    NameChanges names;
  };
  std::optional<PeersChange> ChangeOf(const Intent& intent) const;
  // The identity's labels say nothing else of its namespace than the last
  // input.
  bool IsListed(const IdentityRef& identity) const;
  // The same object as last time if it is of the same.
  std::shared_ptr<const DesiredNodes> NodesOf(
      const Intent& intent, std::shared_ptr<const Surroundings> surroundings,
      std::shared_ptr<const PeerMap> peers);

  PeerRegistry peers_;
  RuleSetTable rule_sets_;
  PolicyCompiler compiler_{&peers_, &rule_sets_};
  // What the compiler's last input is of, and what came of it; null if it did
  // not compile.
  std::optional<Intent> input_of_;
  std::vector<IpAddress> host_addresses_of_;
  // By name; none where the caller described it, whatever identities say.
  std::map<std::string, std::optional<Namespace>> namespaces_of_;
  bool namespaces_agree_ = true;  // with every identity's labels
  std::shared_ptr<const CompiledPolicy> compiled_;
  struct {
    Intent intent;  // its endpoints and remotes
    std::shared_ptr<const Surroundings> surroundings;
    std::shared_ptr<const PeerMap> peers;
    std::shared_ptr<const DesiredNodes> nodes;  // of these
  } last_;
  Intent intent_;
  AddressOwners owners_;  // of intent_
  // The policy in force, and some before it: late events speak of their peers.
  FlowNames::Policies policies_;
  mutable FlowNames names_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_PLANNER_INTERNAL_H_
