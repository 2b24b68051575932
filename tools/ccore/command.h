// SPDX-License-Identifier: Apache-2.0

// What every command shares: how it ends, how it prints, where its manifests
// come from.

#ifndef CILIUMCORE_TOOLS_CCORE_COMMAND_H_
#define CILIUMCORE_TOOLS_CCORE_COMMAND_H_

#include <functional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ciliumcore/datapath/inspect.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "ciliumcore/policy/manifest.h"

namespace ciliumcore::ccore {

// How a process ends.
inline constexpr int kOk = 0;
inline constexpr int kCheckFailed = 1;  // the answer is no
inline constexpr int kBadInput = 2;     // no answer; standard error says why

// Makes `run` what `command` does; its result ends the process.
void SetAction(CLI::App& command, std::function<int()> run);

// Says `status` on standard error. Returns kBadInput.
int BadInput(const absl::Status& status);

// Says something beside the result, on standard error.
void Note(const std::string& text);

enum class Output { kText, kJson };

// "-o text" or "-o json".
void AddOutputOption(CLI::App& command, Output& output);

// The commands that read a pinned instance.
void AddInstanceOptions(CLI::App& command, InspectOptions& instance);

// The commands that ask questions of manifests.
struct ManifestArguments {
  std::vector<std::string> paths;
  std::vector<std::string> pod_cidrs;
};
// Without `is_required` there may be none.
void AddManifestOptions(CLI::App& command, ManifestArguments& arguments,
                        bool is_required = true);

// Reads and compiles them; `prepare` may change what was read before that.
// Notes what the answer does not take into account.
absl::StatusOr<CompiledCluster> LoadCluster(
    const ManifestArguments& arguments,
    const std::function<void(Cluster&)>& prepare = {});
// The same of texts.
absl::StatusOr<CompiledCluster> CompileManifests(
    const std::vector<ManifestSource>& sources,
    const std::vector<std::string>& pod_cidrs,
    const std::function<void(Cluster&)>& prepare = {});

// Columns of text, two spaces apart, each as wide as its widest cell.
std::string TextTable(const std::vector<std::vector<std::string>>& rows);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_COMMAND_H_
