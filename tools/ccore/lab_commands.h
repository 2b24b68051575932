// SPDX-License-Identifier: Apache-2.0

// What the verbs of `ccore lab` share.

#ifndef CILIUMCORE_TOOLS_CCORE_LAB_COMMANDS_H_
#define CILIUMCORE_TOOLS_CCORE_LAB_COMMANDS_H_

#include <memory>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "tools/ccore/command.h"
#include "tools/ccore/lab.h"

namespace ciliumcore::ccore {

// A lab of the manifests. Pods without addresses get some: in a box everybody
// has one, and ipBlocks cover pods.
absl::StatusOr<std::unique_ptr<RunningLab>> StartLab(
    ManifestArguments arguments);

// A table of pods, identities and addresses.
void PrintHosts(const RunningLab& lab);

// The matrix, what disagrees, and a line that counts. True if all agree.
bool PrintProbes(const RunningLab& lab, const std::vector<LabProbe>& probes);

void AddLabDemo(CLI::App& lab);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_LAB_COMMANDS_H_
