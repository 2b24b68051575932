// SPDX-License-Identifier: Apache-2.0

// What the verbs of `ccore lab` share.

#ifndef CILIUMCORE_TOOLS_CCORE_LAB_COMMANDS_H_
#define CILIUMCORE_TOOLS_CCORE_LAB_COMMANDS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "tools/ccore/command.h"
#include "tools/ccore/lab.h"

namespace ciliumcore::ccore {

// Pods without addresses get some: in a box everybody has one, and ipBlocks
// cover pods.
void GivePodsAddresses(ManifestArguments& arguments);

// A lab of the manifests.
absl::StatusOr<std::unique_ptr<RunningLab>> StartLab(
    ManifestArguments arguments);

// A table of pods, identities and addresses.
void PrintHosts(const RunningLab& lab);

// What became of probing.
struct LabReport {
  std::vector<LabProbe> probes;
  std::vector<ServiceSpread> spreads;
  NameCheck names;
};
// `connects`: to each service.
absl::StatusOr<LabReport> ProbeLab(RunningLab& lab, uint32_t connects);

// The matrix, the services, what disagrees, and a line that counts. True if all
// agree.
bool PrintReport(const RunningLab& lab, const LabReport& report);
// The part that is not tables.
bool PrintCounts(const RunningLab& lab, const LabReport& report);
bool PrintReportAsJson(const RunningLab& lab, const LabReport& report);

// A lab that stays. AlreadyExists if there is one of that name; what does not
// come up is removed.
absl::StatusOr<std::unique_ptr<RunningLab>> KeepLab(ManifestArguments arguments,
                                                    const std::string& name,
                                                    const std::string& bpffs);
// Takes over a lab that stays; without manifests, with those it has. Pods and
// services keep the addresses that they were given. NotFound;
// FailedPrecondition while another process runs it.
absl::StatusOr<std::unique_ptr<RunningLab>> AttachLab(
    const ManifestArguments& arguments, const std::string& name);

void AddLabNameOption(CLI::App& command, std::string& name);
// The other verbs of labs that stay: exec, stop.
void AddLabKept(CLI::App& lab);
void AddLabDemo(CLI::App& lab);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_LAB_COMMANDS_H_
