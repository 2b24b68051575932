// SPDX-License-Identifier: Apache-2.0

// What the numbers and addresses of events mean, kept from one event to the
// next.

#ifndef CILIUMCORE_LIB_DATAPATH_FLOW_NAMES_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_FLOW_NAMES_INTERNAL_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/flow/flow.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/rule_set.h"
#include "lib/datapath/intent_internal.h"

namespace ciliumcore::internal {

// "shop/app=web,tier=front": of the labels of Kubernetes, those of the pod.
std::string ShortName(const Labels& labels);

// Thread-safe. Looks at the intent when it is first asked after a change.
class FlowNames {
 public:
  using Party = FlowDirectory::Party;
  using Text = std::shared_ptr<const std::string>;
  // The policy in force, and some before it.
  using Policies = std::deque<std::shared_ptr<const CompiledPolicy>>;

  // The intent has changed.
  void Forget();

  // See FlowDirectory. `intent` is the one since Forget.
  std::shared_ptr<const Party> FindParty(uint32_t peer,
                                         const IpAddress& address,
                                         const Intent& intent,
                                         const Policies& policies);
  Text FindService(const IpAddress& address, PortProtocol port,
                   const Intent& intent);
  Text Explain(uint32_t rule_set, const RuleSetTable& rule_sets);

 private:
  // An endpoint of the intent, or a remote address.
  struct Known {
    Identity identity = Identity::kUnknown;
    std::string pod;
  };
  struct Described {
    std::string name;
    std::shared_ptr<const Labels> labels;
  };

  // O(endpoints, and what changed since the last look).
  void Look(const Intent& intent);
  void LookAtServices(const Intent& intent);
  void Note(const IdentityRef& identity, const std::string& pod,
            const std::vector<IpAddress>& addresses);
  Party PartyOf(uint32_t peer, const Policies& policies) const;

  std::mutex mutex_;
  bool has_looked_ = false;  // since Forget
  // What the next three are of: its endpoints, remotes and services. Identities
  // that have gone stay, for late events, until their number is another's.
  Intent looked_;
  absl::flat_hash_map<IpAddress, Known> addresses_;
  absl::flat_hash_map<Identity, Described> identities_;
  absl::flat_hash_map<std::pair<IpAddress, PortProtocol>, Text> services_;
  // By peer, and by the address if it is a known one's, else ::.
  absl::flat_hash_map<std::pair<uint32_t, IpAddress>,
                      std::shared_ptr<const Party>>
      parties_;

  // The number of a rule set that is explained keeps its meaning.
  struct Explained {
    RuleSetRef rule_set;
    Text text;
  };
  absl::flat_hash_map<uint32_t, Explained> texts_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_FLOW_NAMES_INTERNAL_H_
