// SPDX-License-Identifier: Apache-2.0

// The flows that a question means: between pods or addresses, by name.

#ifndef CILIUMCORE_TOOLS_CCORE_POLICY_FLOWS_H_
#define CILIUMCORE_TOOLS_CCORE_POLICY_FLOWS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "ciliumcore/policy/named_end.h"
#include "nlohmann/json.hpp"
#include "tools/ccore/command.h"

namespace ciliumcore::ccore {

// One flow between a pair of pods or addresses.
struct Flow {
  NamedEnd source;
  NamedEnd destination;
  PairDecision decision;

  bool is_to_itself() const {
    return source.pod.has_value() && source.pod == destination.pod;
  }
};

// An argument as it was given, and what it is called.
struct NamedArgument {
  std::string text;
  std::string name;
};

struct PolicyFlowArguments {
  ManifestArguments manifests;
  Output output = Output::kText;
  NamedArgument source;
  NamedArgument destination;
  NamedArgument port;
};

// What a question is about.
struct AskedFlows {
  CompiledCluster cluster;
  PortProtocol port;
  std::vector<Flow> flows;  // those of other pods that fare alike are left out
};

// Loads the cluster and finds the flows that the arguments mean; at least one.
absl::StatusOr<AskedFlows> FindFlows(const PolicyFlowArguments& arguments);

// "shop/web-0 -> shop/db-0, 8080/TCP: denied".
std::string HeadlineOf(const Flow& flow, const PortProtocol& port);

// What every answer about a flow begins with, and how each end judges it.
nlohmann::ordered_json FlowJson(const Flow& flow, const PortProtocol& port);
void AddSides(const CompiledPolicy& policy, const Flow& flow,
              nlohmann::ordered_json& json);

// kOk if all of them are allowed, else kCheckFailed.
int ExitCodeOf(const std::vector<Flow>& flows);

// Notes that each of several flows stands for those like it.
void NoteIfDifferent(const std::vector<Flow>& flows);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_POLICY_FLOWS_H_
