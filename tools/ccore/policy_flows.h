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

// An end as it was asked for, and what the argument is called.
struct EndArgument {
  std::string text;
  std::string name;
};

// The flows to `port`; those of other pods that fare alike are left out.
absl::StatusOr<std::vector<Flow>> FindFlows(const CompiledCluster& cluster,
                                            const EndArgument& source,
                                            const EndArgument& destination,
                                            const PortProtocol& port);

// Notes that each of several flows stands for those like it.
void NoteIfDifferent(const std::vector<Flow>& flows);

nlohmann::ordered_json EndJson(const NamedEnd& end);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_POLICY_FLOWS_H_
