// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/datapath/verify.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/datapath_state_internal.h"
#include "lib/datapath/verify_internal.h"

namespace ciliumcore {
namespace internal {

std::vector<uint32_t> PeersOf(const DesiredState& state) {
  std::set<uint32_t> peers = {CC_IDENTITY_WORLD};
  for (const auto& [number, peer] : state.peer_map->peers) peers.insert(number);
  for (const TableRef& table : state.tables) {
    for (const auto& [peer, cls] : table->classes) peers.insert(peer);
  }
  return {peers.begin(), peers.end()};
}

absl::StatusOr<VerifyReport> VerifyMaps(const LiveMaps& maps,
                                        const WantedVerdicts& wanted,
                                        const Planner& planner) {
  CC_ASSIGN_OR_RETURN(const LiveVerdicts live,
                      ReadLiveVerdicts(maps, wanted.interfaces()));
  const VerdictNames names = {
      .peer =
          [&planner](uint32_t peer) {
            return planner.FindParty(peer, IpAddress())->name;
          },
      .rules =
          [&planner](uint32_t rule_set) {
            const FlowNames::Text text = planner.Explain(rule_set);
            if (text != nullptr) return *text;
            return rule_set == 0
                       ? std::string("no rules")
                       : absl::StrCat("rule set ", rule_set, ", which is none");
          }};
  return VerdictComparison(wanted, live, names).Run();
}

absl::StatusOr<VerifyReport> DatapathState::Verify() const {
  const std::lock_guard lock(mutex_);
  std::optional<DesiredState> in_force = planner_.InForce(*surroundings_);
  if (!in_force.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("instance ", options_.name,
                     ": this process has committed nothing to verify"));
  }
  WantedVerdicts wanted = {
      .state = *std::move(in_force), .identities = {}, .idle_interfaces = {}};
  wanted.identities = PeersOf(wanted.state);
  for (const auto& [interface, attachment] : attachments_)
    wanted.idle_interfaces[attachment->ifindex()] = interface;
  for (const DesiredEndpoint& endpoint : wanted.state.nodes->endpoints)
    wanted.idle_interfaces.erase(endpoint.ifindex);
  return VerifyMaps(LiveMaps::Of(publisher_.maps()), wanted, planner_);
}

}  // namespace internal

absl::string_view CounterExampleKindName(CounterExample::Kind kind) {
  switch (kind) {
    case CounterExample::Kind::kInterface:
      return "interface";
    case CounterExample::Kind::kSource:
      return "source";
    case CounterExample::Kind::kVerdict:
      return "verdict";
    case CounterExample::Kind::kAddress:
      return "address";
  }
  return "";
}

std::string CounterExample::ToString() const {
  std::string text;
  if (!addresses.empty()) absl::StrAppend(&text, "addresses ", addresses);
  if (!endpoint.empty()) {
    absl::StrAppend(&text, text.empty() ? "" : ": ", "endpoint ", endpoint);
  }
  if (!peer.empty()) {
    absl::StrAppend(&text, ", ", DirectionName(direction), ", identity ", peer,
                    ", ", PortsToString({ports}));
  }
  absl::StrAppend(&text, "\n  the policy: ", wanted, "\n  the maps:   ", live,
                  "\n");
  for (size_t i = 0; i < steps.size(); ++i) {
    absl::StrAppend(&text, i == wrong_step ? "  ! " : "    ", steps[i].map,
                    ", ", steps[i].entry, ": ", steps[i].says, "\n");
  }
  return text;
}

std::string VerifyReport::ToString() const {
  std::string text = absl::StrCat("generation ", generation, ": ");
  if (is_equal()) {
    absl::StrAppend(&text, "the maps judge as the policy does\n  ", endpoints,
                    " endpoints, both directions, ", identities,
                    " identities, all protocols and ports: ", rows,
                    " pairs of rows compared\n  ", addresses, " addresses and ",
                    ranges, " ranges: all others\n");
  } else {
    absl::StrAppend(&text, "the maps do not judge as the policy does\n",
                    counter_example->ToString());
  }
  if (other_rules.has_value()) {
    absl::StrAppend(&text, "the verdict is right, by other rules\n",
                    other_rules->ToString());
  }
  return text;
}

}  // namespace ciliumcore
