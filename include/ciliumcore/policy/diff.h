// SPDX-License-Identifier: Apache-2.0

// What a change of policy opens and closes: two compilations compared, pair by
// pair and port interval by port interval.

#ifndef CILIUMCORE_POLICY_DIFF_H_
#define CILIUMCORE_POLICY_DIFF_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "ciliumcore/policy/compiler.h"
#include "ciliumcore/policy/matrix.h"
#include "ciliumcore/policy/rule_set.h"
#include "ciliumcore/policy/verdict_table.h"

namespace ciliumcore {

// A value; thread-compatible.
struct PolicyDiff {
  // On which side something is.
  enum class Presence : uint8_t { kBoth, kBefore, kAfter };

  // What is left to a proxy counts as allowed: it may let it pass.
  enum class Kind : uint8_t {
    kOpens,   // allowed after, and before denied or not there
    kCloses,  // allowed before, and after denied or not there
    // Allowed on both sides, but decided otherwise: by other rules, or by a
    // proxy (Verdict::kRedirect) on one side only or another one.
    kOtherRules,
  };

  struct ComparedWorkload {
    std::string ns;
    std::string name;
    std::string kind;
    Presence presence = Presence::kBoth;

    // "shop/web[Deployment]".
    std::string ToString() const;
  };

  // A pod whose name its workload has on one side only.
  struct LonePod {
    std::string name;  // "shop/web-2"
    Presence presence = Presence::kAfter;

    friend bool operator==(const LonePod&, const LonePod&) = default;
  };

  // Ports that fare alike, of one pair of peers.
  struct Change {
    uint32_t source = 0;  // number of a peer
    uint32_t destination = 0;
    Kind kind = Kind::kOpens;
    uint32_t ports = 0;  // index in `port_sets`
    // Who decides; the rule sets are numbers of this diff (FindRuleSet). None:
    // the pair is not there on that side.
    std::optional<PairDecision> before;
    std::optional<PairDecision> after;
    // How many pairs of the two peers' pods this holds for, and how many there
    // are. A pod counts once for each of its addresses, but with a range
    // outside once.
    uint64_t pairs = 0;
    uint64_t of_pairs = 0;
    // A pair that it holds for: pods by name, or an address.
    std::string source_example;
    std::string destination_example;
  };

  // A policy of `after` by which pods may reach what a domain name stands for
  // where they could not before, or by a proxy only.
  struct NameOpening {
    PolicyRef policy;
    // As a policy of either side has it: "api.example.com", "*.example.com".
    // Empty: names were not compared, for if they stand for one address, rules
    // want two proxies for one flow.
    std::string name = {};
    std::string source_example = {};  // a pod that it holds for, by name

    // "CiliumNetworkPolicy shop/out: what api.example.com stands for, such as
    // for shop/web-0".
    std::string ToString() const;

    friend bool operator==(const NameOpening&, const NameOpening&) = default;
  };

  // Of a range outside every address counts. The largest number stands for
  // more.
  struct Total {
    uint64_t pairs = 0;  // with any change of the kind
    uint64_t ports = 0;  // summed over pairs, protocols and ports
  };

  // Peers are numbered through: first the workloads of either side, then the
  // ranges.
  std::vector<ComparedWorkload> workloads;  // ascending by ns, name, kind
  // The addresses of both families, cut where some table of either side tells
  // them apart: IPv4 ascending, then IPv6.
  std::vector<AddressRange> ranges;
  std::vector<LonePod> lone_pods;  // in the order of the workloads

  // By source, destination, kind.
  std::vector<Change> changes;
  // Of any protocol, ascending, disjoint, maximal; no two sets are equal.
  std::vector<std::vector<PortKeyRange>> port_sets;
  std::vector<RuleSet> rule_sets;  // the one numbered 1 first
  Total opened;
  Total closed;
  // Beside `changes`, where names stand for nobody; by policy, then name.
  std::vector<NameOpening> opened_by_names;

  // "shop/web[Deployment]" or "10.0.0.0-10.255.255.255".
  std::string PeerName(uint32_t peer) const;
  // Ranges are on both sides.
  Presence PresenceOf(uint32_t peer) const;
  // What explains a cell of `changes`; null for 0: nobody judged.
  const RuleSet* FindRuleSet(uint32_t id) const;
};

// "opens", "closes" or "other rules".
absl::string_view ChangeName(PolicyDiff::Kind kind);

// Whether the flow is judged by a proxy on one side only, or by another one.
bool ChangesProxy(const PolicyDiff::Change& change);
// Whether something passes that the proxy of before may have stopped.
bool LeavesProxy(const PolicyDiff::Change& change);

// Compares every pair of pods, those of one workload among each other too, and
// of pods with addresses outside, on every port of every protocol. Nothing is
// sampled, and nothing but rules' names and verdicts is compared: two ways to
// write one policy differ in nothing but kOtherRules. What a proxy is told to
// let pass is not compared.
//
// - A pod's counterpart on the other side is the pod of its name in its
//   workload; else one whose name is not there either, of the same labels and
//   addresses, else of the same labels, else any; each of one only. Where a
//   workload has more pods on one side, those that are left are compared with
//   the first of their labels, else with the first. So it matters neither how
//   many replicas there are nor how they are called. A pod without counterpart
//   is allowed nothing where it is not: what a new workload is allowed opens.
// - A pod's address is compared with the same one, else with the pod's next of
//   the same family, else with its first, else with the pod as it is without
//   address.
// - Addresses outside are those of no pod, in ranges that no prefix of either
//   side cuts and in which neither knows an address, such as a node's, by
//   itself.
// - What domain names stand for is not known. What they open is told by policy,
//   for any address that they may have.
//
// Cost: linear in the two sides' tables, and in pairs of what the tables tell
// apart: pods of a workload with equal tables that every table takes for one
// peer are one. A pair whose cells are the same on both sides costs a few
// loads; each combination of rows that differs is compared once. If policies
// name domains, all of it twice, and a compilation of either side.
PolicyDiff Diff(const CompiledCluster& before, const CompiledCluster& after);

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_DIFF_H_
