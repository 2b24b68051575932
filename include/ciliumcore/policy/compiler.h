// SPDX-License-Identifier: Apache-2.0

// Compiles policies of every dialect to verdict tables.
//
// Each dialect has the semantics that its own documentation gives it. What
// those leave open is settled so: an ipBlock of a NetworkPolicy covers any
// address inside it, pods included, and a CIDR of any other dialect only what
// is outside the cluster; a pod's own node always reaches it and is reached by
// it; a pod in the host's network has the host's identity and is selected by no
// policy; an egress rule's port name means what each destination pod calls so,
// and no port of an address outside the cluster.

#ifndef CILIUMCORE_POLICY_COMPILER_H_
#define CILIUMCORE_POLICY_COMPILER_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/base/shared_map.h"
#include "ciliumcore/identity/label.h"
#include "ciliumcore/identity/reserved.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/policy/name_cache.h"
#include "ciliumcore/policy/network_policy.h"
#include "ciliumcore/policy/peer.h"
#include "ciliumcore/policy/policy_input.h"
#include "ciliumcore/policy/rule_set.h"
#include "ciliumcore/policy/verdict_table.h"

namespace ciliumcore {

inline constexpr uint32_t kNoTable = 0xffffffff;
inline constexpr uint32_t kNoEndpoint = 0xffffffff;

// What was compiled for one endpoint.
struct CompiledEndpoint {
  uint32_t ingress = kNoTable;  // index of a table; none in the host's network
  uint32_t egress = kNoTable;

  friend bool operator==(const CompiledEndpoint&,
                         const CompiledEndpoint&) = default;
};

// Who has one address: a pod, a node, or whoever else policies tell from the
// rest of its prefix.
struct AddressPeer {
  uint32_t peer = 0;                // its number
  uint32_t endpoint = kNoEndpoint;  // index of the pod's endpoint

  friend auto operator<=>(const AddressPeer&, const AddressPeer&) = default;
};

// The peer number of every other address in a prefix. One of IPv6 holds no IPv4
// address, ::/0 neither.
struct PrefixPeer {
  static constexpr uint32_t kNoParent = 0xffffffff;

  IpPrefix prefix;
  uint32_t peer = 0;
  uint32_t parent = kNoParent;  // index of the next shorter prefix around it

  friend bool operator==(const PrefixPeer&, const PrefixPeer&) = default;
};

// One end of a flow.
struct Party {
  uint32_t endpoint = kNoEndpoint;  // the subject it is, if it is one
  uint32_t peer = static_cast<uint32_t>(Identity::kWorld);
};

// What everybody's number is. Immutable, and shared by compilations to which
// the same ends of flows matter.
struct PeerMap {
  // By endpoint: one number per address in the input's order, or the one it has
  // without an address.
  std::vector<absl::InlinedVector<uint32_t, 2>> of_endpoint;
  SharedMap<IpAddress, AddressPeer> addresses;
  // Ascending; a prefix comes before those inside it. An address that is in
  // neither list is world (2).
  std::vector<PrefixPeer> prefixes;
  SharedMap<uint32_t, PeerRef> peers;  // by number
};

// Both judgements of a flow. A side that is no subject allows, with rule set 0.
struct PairDecision {
  Cell egress;
  Cell ingress;

  const Cell& of(Direction direction) const {
    return direction == Direction::kIngress ? ingress : egress;
  }

  // What a side redirects is not: nobody here judges what a proxy should.
  bool allowed() const {
    return egress.verdict == Verdict::kAllow &&
           ingress.verdict == Verdict::kAllow;
  }

  bool denied() const {
    return egress.verdict == Verdict::kDeny ||
           ingress.verdict == Verdict::kDeny;
  }

  // Neither: a proxy would have to say.
  bool needs_proxy() const { return !allowed() && !denied(); }

  friend auto operator<=>(const PairDecision&, const PairDecision&) = default;
};

// A value; thread-compatible. While it or a copy lives, its numbers keep their
// meaning.
struct CompiledPolicy {
  // No two are equal. One that is the same in the next compilation is the same
  // object, as a rule.
  std::vector<TableRef> tables;
  std::vector<CompiledEndpoint> endpoints;  // as in the input
  std::shared_ptr<const PeerMap> peer_map = std::make_shared<const PeerMap>();
  SharedMap<uint32_t, RuleSetRef> rule_sets;  // by id; those of the cells

  // The number of any address. O(log addresses).
  uint32_t PeerOf(const IpAddress& address) const;
  // The number it has if it is no pod's and no node's.
  uint32_t OutsidePeerOf(const IpAddress& address) const;

  // The end of a flow that an address or an endpoint (one of its numbers) is.
  Party PartyOf(const IpAddress& address) const;
  Party PartyOf(uint32_t endpoint, size_t address_index = 0) const;

  // Judges a flow between `endpoint` and `peer` to `port` (the destination's).
  Cell Decide(uint32_t endpoint, Direction direction, uint32_t peer,
              Protocol protocol, uint16_t port) const;
  PairDecision DecidePair(const Party& source, const Party& destination,
                          Protocol protocol, uint16_t port) const;

  // What explains a cell of this policy; null for id 0 or another's.
  const RuleSet* FindRuleSet(uint32_t id) const;
};

// Compiles. Equal input and registries give equal output. The registries only
// learn numbers, which live as long as the result.
//
// Unimplemented if a policy of Cilium selects nodes themselves (nodeSelector).
// InvalidArgument if two policies of one kind have one name, if rules want
// different proxies for one flow, an identity has two sets of
// labels or namespaces, an address belongs to two of endpoints, remotes, nodes
// and API servers, an endpoint that is not in the host's network has no
// identity, that of something else than a pod, or one above those that are
// identities (kFirstCidrPeer), an endpoint or remote has the identity kHealth
// or kIngress beside addresses of the context, or a remote has no address;
// ResourceExhausted if numbers run out.
//
// Cost: near linear in the size of the output and in matches of selectors.
absl::StatusOr<CompiledPolicy> Compile(const PolicyInput& input,
                                       PeerRegistry& peers,
                                       RuleSetTable& rule_sets);

// Compiles one input after another; the results are Compile's, but for the
// numbers of rule sets, which depend on what was before. Where only policies
// and remotes change, what is the same is kept: rules are matched for the
// policies that changed, and tables are built for the endpoints that these
// select, unless an ipBlock or a port name of an egress rule comes or goes; a
// remote is written into the tables of the rules that match it.
//
// Thread-compatible.
class PolicyCompiler {
 public:
  // Both must outlive the compiler.
  PolicyCompiler(PeerRegistry* peers, RuleSetTable* rule_sets);
  PolicyCompiler(PolicyCompiler&&) noexcept;
  ~PolicyCompiler();

  // As Compile.
  absl::StatusOr<CompiledPolicy> Compile(PolicyInput input);
  // As Compile of the last input with other policies, whether or not it
  // compiled. FailedPrecondition if there is none. Cost: comparing the
  // policies, one step for each endpoint, and what changed.
  absl::StatusOr<CompiledPolicy> Recompile(const Policies& policies);
  // As Compile of the last input with other remotes, and other addresses of
  // names: those that come are there already, or those that go are not, without
  // an error. FailedPrecondition if the last input did not compile. NotFound if
  // a remote that goes is not there; after an error there is no last input.
  // Cost: one step for each endpoint and for each table, and what changed.
  absl::StatusOr<CompiledPolicy> Recompile(const RemoteChange& remotes,
                                           const NameChanges& names = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_COMPILER_H_
