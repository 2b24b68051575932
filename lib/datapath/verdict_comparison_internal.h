// SPDX-License-Identifier: Apache-2.0

// What the policy says against what the programs would do. Pure.

#ifndef CILIUMCORE_LIB_DATAPATH_VERDICT_COMPARISON_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_VERDICT_COMPARISON_INTERNAL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ciliumcore/datapath/verify.h"
#include "lib/datapath/desired_internal.h"
#include "lib/datapath/live_verdicts_internal.h"
#include "lib/datapath/table_comparison_internal.h"

namespace ciliumcore::internal {

struct WantedVerdicts {
  DesiredState state;
  // Numbers that mean to the maps what they mean to the policy, ascending.
  std::vector<uint32_t> identities;
  // Interfaces with programs but without an endpoint: all is dropped there.
  std::map<uint32_t, std::string> idle_interfaces;

  // All interfaces with programs.
  std::vector<uint32_t> interfaces() const;
};

// What numbers mean to people.
struct VerdictNames {
  std::function<std::string(uint32_t peer)> peer;
  std::function<std::string(uint32_t rule_set)> rules;
};

// `live` was read for wanted.interfaces().
class VerdictComparison {
 public:
  // All outlive it.
  VerdictComparison(const WantedVerdicts& wanted, const LiveVerdicts& live,
                    const VerdictNames& names);

  // Endpoint by endpoint in the order of the state: its interface, its
  // addresses, ingress before egress; of these the lowest identity, any other
  // last, and of that the lowest port key. Then idle interfaces, then
  // addresses.
  VerifyReport Run();

 private:
  using Step = CounterExample::Step;

  // Endpoints, by index.
  std::optional<CounterExample> CompareInterface(uint32_t endpoint) const;
  std::optional<CounterExample> CompareSources(uint32_t endpoint) const;
  void CompareJudgements(uint32_t endpoint, VerifyReport& report);
  std::optional<CounterExample> CompareIdle() const;

  CounterExample VerdictExample(uint32_t endpoint, Direction direction,
                                const TableDifference& difference) const;
  // On the way to a cell; `live_peer` is whom the program asks for.
  void AddSteps(uint32_t endpoint, Direction direction,
                const TableDifference& difference,
                CounterExample& example) const;
  std::vector<Step> StepsTo(uint32_t ifindex) const;
  bool IsTableOfOthers(uint32_t endpoint, Direction direction) const;

  // Addresses: in address_comparison.cc.
  struct Place {
    uint32_t peer = 0;
    std::optional<uint32_t> endpoint;  // that the policy has there
  };
  static LivePlace PlaceOf(const LivePrefix* prefix);
  static Step StepOf(const LivePrefix* prefix);
  void CompareAddresses(VerifyReport& report);
  // Of an example, all but its addresses and steps.
  std::optional<CounterExample> ComparePlace(const IpAddress& address,
                                             const Place& wanted,
                                             const LivePlace& live);
  bool IsAlike(const Place& wanted, const LivePlace& live) const;
  bool IsWhereWanted(const IpAddress& address, const Place& wanted,
                     const LivePlace& live) const;
  std::optional<CounterExample> ComparePeers(uint32_t wanted, uint32_t live);
  void AddSteps(Step how, const LivePlace& live, CounterExample& example) const;
  // The number means the same on both sides, so it is compared already.
  bool IsShared(uint32_t peer) const;

  const DesiredEndpoint& EndpointAt(uint32_t endpoint) const {
    return wanted_.state.nodes->endpoints[endpoint];
  }
  std::optional<uint32_t> WantedTable(uint32_t endpoint,
                                      Direction direction) const;
  // Of who judges at the endpoint's interface.
  uint16_t LiveTableOf(uint32_t endpoint, Direction direction) const;
  std::string PeerText(uint32_t peer) const;
  std::string CellText(const CellOutcome& outcome, uint32_t rule_set) const;

  const WantedVerdicts& wanted_;
  const LiveVerdicts& live_;
  const VerdictNames& names_;
  TableComparison tables_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_VERDICT_COMPARISON_INTERNAL_H_
