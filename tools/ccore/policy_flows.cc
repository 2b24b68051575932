// SPDX-License-Identifier: Apache-2.0

#include "tools/ccore/policy_flows.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "tools/ccore/command.h"

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

}  // namespace

absl::StatusOr<std::vector<Flow>> FindFlows(const CompiledCluster& cluster,
                                            const EndArgument& source,
                                            const EndArgument& destination,
                                            const PortProtocol& port) {
  auto sources = FindNamedEnds(cluster, source.text);
  if (!sources.ok()) return Annotate(sources.status(), source.name);
  auto destinations = FindNamedEnds(cluster, destination.text);
  if (!destinations.ok()) {
    return Annotate(destinations.status(), destination.name);
  }
  if (IsOutside(*sources) && IsOutside(*destinations)) {
    return absl::InvalidArgumentError(
        absl::StrCat("neither ", source.name, " nor ", destination.name,
                     " is a pod of these manifests"));
  }
  const absl::StatusOr<uint16_t> policy_port = PolicyPortOf(port);
  if (!policy_port.ok()) return policy_port.status();
  std::vector<Flow> flows =
      Trace(cluster.policy, *sources, *destinations,
            {.protocol = port.protocol, .port = *policy_port});
  if (flows.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(source.name, " and ", destination.name,
                     " have no address family in common"));
  }
  return flows;
}

void NoteIfDifferent(const std::vector<Flow>& flows) {
  if (flows.size() < 2) return;
  Note(
      absl::StrCat("the pods or their addresses fare differently; each of the ",
                   flows.size(), " flows stands for those like it"));
}

nlohmann::ordered_json EndJson(const NamedEnd& end) {
  nlohmann::ordered_json json;
  if (end.pod.has_value()) json["pod"] = end.name;
  if (end.address.has_value()) json["address"] = end.address->ToString();
  return json;
}

}  // namespace ciliumcore::ccore
