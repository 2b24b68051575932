// SPDX-License-Identifier: Apache-2.0

#include "tools/ccore/policy_flows.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "tools/ccore/verdict_output.h"

namespace ciliumcore::ccore {
namespace {

// What happens on the way; flows of other pods that fare alike are left out.
std::vector<Flow> Trace(const CompiledPolicy& policy,
                        const std::vector<NamedEnd>& sources,
                        const std::vector<NamedEnd>& destinations,
                        const PortProtocol& port) {
  std::vector<Flow> flows;
  std::optional<Flow> to_itself;
  for (const NamedEnd& source : sources) {
    for (const NamedEnd& destination : destinations) {
      if (!MayMeet(source, destination)) continue;
      Flow flow = {source, destination, {}};
      if (flow.is_to_itself()) {
        flow.decision.egress.verdict = Verdict::kAllow;
        flow.decision.ingress.verdict = Verdict::kAllow;
        to_itself = std::move(flow);
        continue;
      }
      flow.decision = policy.DecidePair(source.party, destination.party,
                                        port.protocol, port.port);
      const auto alike = [&flow](const Flow& other) {
        return other.decision == flow.decision;
      };
      if (std::none_of(flows.begin(), flows.end(), alike)) {
        flows.push_back(std::move(flow));
      }
    }
  }
  if (flows.empty() && to_itself.has_value()) flows.push_back(*to_itself);
  return flows;
}

bool IsOutside(const std::vector<NamedEnd>& ends) {
  return std::none_of(ends.begin(), ends.end(),
                      [](const NamedEnd& end) { return end.pod.has_value(); });
}

nlohmann::ordered_json EndJson(const NamedEnd& end) {
  nlohmann::ordered_json json;
  if (end.pod.has_value()) json["pod"] = end.name;
  if (end.address.has_value()) json["address"] = end.address->ToString();
  return json;
}

}  // namespace

absl::StatusOr<AskedFlows> FindFlows(const PolicyFlowArguments& arguments) {
  const auto& [source, destination, port] =
      std::tie(arguments.source, arguments.destination, arguments.port);
  AskedFlows asked;
  absl::StatusOr<PortProtocol> parsed = PortProtocol::Parse(port.text);
  if (!parsed.ok()) return Annotate(parsed.status(), port.name);
  asked.port = *parsed;
  absl::StatusOr<CompiledCluster> cluster = LoadCluster(arguments.manifests);
  if (!cluster.ok()) return cluster.status();
  asked.cluster = *std::move(cluster);
  auto sources = FindNamedEnds(asked.cluster, source.text);
  if (!sources.ok()) return Annotate(sources.status(), source.name);
  auto destinations = FindNamedEnds(asked.cluster, destination.text);
  if (!destinations.ok()) {
    return Annotate(destinations.status(), destination.name);
  }
  if (IsOutside(*sources) && IsOutside(*destinations)) {
    return absl::InvalidArgumentError(
        absl::StrCat("neither ", source.name, " nor ", destination.name,
                     " is a pod of these manifests"));
  }
  const absl::StatusOr<uint16_t> policy_port = PolicyPortOf(asked.port);
  if (!policy_port.ok()) return policy_port.status();
  asked.flows = Trace(asked.cluster.policy, *sources, *destinations,
                      {.protocol = asked.port.protocol, .port = *policy_port});
  if (asked.flows.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(source.name, " and ", destination.name,
                     " have no address family in common"));
  }
  return asked;
}

std::string HeadlineOf(const Flow& flow, const PortProtocol& port) {
  return absl::StrCat(flow.source.ToString(), " -> ",
                      flow.destination.ToString(), ", ", port.ToString(), ": ",
                      flow.decision.allowed()       ? "allowed"
                      : flow.decision.needs_proxy() ? "denied, for want of a "
                                                      "proxy"
                                                    : "denied");
}

nlohmann::ordered_json FlowJson(const Flow& flow, const PortProtocol& port) {
  return {{"source", EndJson(flow.source)},
          {"destination", EndJson(flow.destination)},
          {"protocol", ProtocolName(port.protocol)},
          {"port", port.port},
          {"allowed", flow.decision.allowed()}};
}

void AddSides(const CompiledPolicy& policy, const Flow& flow,
              nlohmann::ordered_json& json) {
  if (flow.is_to_itself()) return;
  for (Direction direction : {Direction::kEgress, Direction::kIngress}) {
    const Cell& cell = flow.decision.of(direction);
    json[std::string(DirectionName(direction))] =
        CellJson(cell, policy.FindRuleSet(cell.rule_set));
  }
}

int ExitCodeOf(const std::vector<Flow>& flows) {
  const bool all_allowed =
      std::all_of(flows.begin(), flows.end(),
                  [](const Flow& flow) { return flow.decision.allowed(); });
  return all_allowed ? kOk : kCheckFailed;
}

void NoteIfDifferent(const std::vector<Flow>& flows) {
  if (flows.size() < 2) return;
  Note(
      absl::StrCat("the pods or their addresses fare differently; each of the ",
                   flows.size(), " flows stands for those like it"));
}

}  // namespace ciliumcore::ccore
