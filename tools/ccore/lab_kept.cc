// SPDX-License-Identifier: Apache-2.0

// Labs that stay when their process ends.

#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/net/cgroup.h"
#include "tools/ccore/command.h"
#include "tools/ccore/lab.h"
#include "tools/ccore/lab/kept.h"
#include "tools/ccore/lab/names.h"
#include "tools/ccore/lab_commands.h"

namespace ciliumcore::ccore {
namespace {

struct ExecArguments {
  std::string name = "lab", pod;
  std::vector<std::string> command;
};

struct StopArguments {
  std::string name = "lab", bpffs = "/sys/fs/bpf";
};

// What was assigned before is so again, whatever else changed.
void KeepAddresses(const KeptState& state, Cluster& cluster) {
  for (Pod& pod : cluster.pods) {
    const auto kept = state.pods.find(absl::StrCat(pod.ns, "/", pod.name));
    if (pod.addresses.empty() && !pod.host_network && kept != state.pods.end())
      pod.addresses = kept->second.addresses;
  }
  for (Service& service : cluster.services) {
    const auto kept =
        state.services.find(absl::StrCat(service.ns, "/", service.name));
    if (service.cluster_ips.empty() && !service.is_headless &&
        kept != state.services.end())
      service.cluster_ips = kept->second;
  }
}

absl::StatusOr<std::unique_ptr<RunningLab>> Start(LabKeeping keeping) {
  const KeptState& state = keeping.state;
  absl::StatusOr<CompiledCluster> cluster =
      CompileManifests(state.manifests, state.pod_cidrs, [&](Cluster& read) {
        KeepAddresses(state, read);
        PutHostPodsOnOneNode(read);
      });
  if (!cluster.ok()) return cluster.status();
  absl::StatusOr<std::unique_ptr<RunningLab>> lab =
      RunningLab::Start(*std::move(cluster), std::move(keeping));
  if (absl::IsPermissionDenied(lab.status()))
    return Annotate(lab.status(), "a lab needs root");
  if (!lab.ok()) return lab.status();
  for (const std::string& note : (*lab)->notes()) Note(note);
  return lab;
}

// Becomes the command; returns only if that fails.
absl::Status Become(const ExecArguments& arguments) {
  absl::StatusOr<KeptPlaces> places = KeptPlaces::Of(arguments.name);
  if (!places.ok()) return places.status();
  absl::StatusOr<KeptState> state = places->Read();
  if (!state.ok()) return state.status();
  const bool is_outside = arguments.pod == "world";
  if (!is_outside && !state->pods.contains(arguments.pod)) {
    return absl::NotFoundError(
        absl::StrCat("no pod ", arguments.pod, " in lab ", arguments.name));
  }
  absl::StatusOr<NetNs> netns =
      NetNs::Open(places->netns(KeptPlaces::RoleOf(arguments.pod)));
  if (!netns.ok()) return netns.status();
  absl::StatusOr<Cgroup> cgroup = absl::UnavailableError("the world has none");
  if (!is_outside) {  // only the cluster knows its services
    cgroup = Cgroup::Keep(places->cgroup());
    const absl::Status entered =
        cgroup.ok() ? cgroup->Enter() : cgroup.status();
    if (!entered.ok()) Note(absl::StrCat("no services: ", entered.message()));
    const std::string ns = arguments.pod.substr(0, arguments.pod.find('/'));
    absl::StatusOr<std::string> hosts =
        places->ReadFile(absl::StrCat("hosts.", ns));
    if (!hosts.ok()) return hosts.status();
    if (absl::Status used = UseHosts(*hosts); !used.ok()) return used;
  }
  if (absl::Status entered = netns->Enter(); !entered.ok()) return entered;
  std::vector<char*> words;
  for (const std::string& word : arguments.command)
    words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  return absl::ErrnoToStatus(errno, arguments.command[0]);
}

int Stop(const StopArguments& arguments) {
  absl::StatusOr<KeptPlaces> places = KeptPlaces::Of(arguments.name);
  if (!places.ok()) return BadInput(places.status());
  const absl::StatusOr<KeptState> state = places->Read();
  const absl::Status stopped =
      places->Stop(state.ok() ? state->bpffs : arguments.bpffs);
  return stopped.ok() ? kOk : BadInput(stopped);
}

int Pods(const std::string& name) {
  absl::StatusOr<KeptPlaces> places = KeptPlaces::Of(name);
  if (!places.ok()) return BadInput(places.status());
  const absl::Status served = RunListeners(*places);
  return served.ok() ? kOk : BadInput(served);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunningLab>> KeepLab(ManifestArguments arguments,
                                                    const std::string& name,
                                                    const std::string& bpffs) {
  GivePodsAddresses(arguments);
  absl::StatusOr<std::vector<ManifestSource>> sources =
      ReadManifestFiles(arguments.paths);
  if (!sources.ok()) return sources.status();
  absl::StatusOr<KeptPlaces> places = KeptPlaces::Of(name);
  if (!places.ok()) return places.status();
  const absl::Status there = places->Read().status();
  if (!absl::IsNotFound(there)) {
    return there.ok() ? absl::AlreadyExistsError(absl::StrCat(
                            "lab ", name, " stands: attach to it or stop it"))
                      : there;
  }
  absl::StatusOr<UniqueFd> lock = places->Lock();
  if (!lock.ok()) return lock.status();
  LabKeeping keeping = {.places = *places,
                        .state = {.bpffs = bpffs,
                                  .revision = 0,
                                  .manifests = *std::move(sources),
                                  .pod_cidrs = arguments.pod_cidrs,
                                  .pods = {},
                                  .services = {},
                                  .listeners = {}},
                        .lock = *std::move(lock)};
  absl::StatusOr<std::unique_ptr<RunningLab>> lab = Start(std::move(keeping));
  if (!lab.ok()) places->Stop(bpffs).IgnoreError();
  return lab;
}

absl::StatusOr<std::unique_ptr<RunningLab>> AttachLab(
    const ManifestArguments& arguments, const std::string& name) {
  absl::StatusOr<KeptPlaces> places = KeptPlaces::Of(name);
  if (!places.ok()) return places.status();
  absl::StatusOr<KeptState> state = places->Read();
  if (!state.ok()) return state.status();
  absl::StatusOr<UniqueFd> lock = places->Lock();
  if (!lock.ok()) return lock.status();
  if (!arguments.paths.empty()) {
    absl::StatusOr<std::vector<ManifestSource>> sources =
        ReadManifestFiles(arguments.paths);
    if (!sources.ok()) return sources.status();
    state->manifests = *std::move(sources);
  }
  if (!arguments.pod_cidrs.empty()) state->pod_cidrs = arguments.pod_cidrs;
  return Start({.places = *places,
                .state = *std::move(state),
                .lock = *std::move(lock)});
}

void AddLabNameOption(CLI::App& command, std::string& name) {
  command.add_option("--name", name, "Of a lab that is kept (lab).");
}

void AddLabKept(CLI::App& lab) {
  CLI::App* exec = lab.add_subcommand(
      "exec",
      "Runs a command in a pod of a lab that was kept, or in \"world\": with "
      "its network and, in pods, the names of services.");
  auto execution = std::make_shared<ExecArguments>();
  AddLabNameOption(*exec, execution->name);
  exec->add_option("pod", execution->pod, "namespace/name, or world")
      ->required();
  exec->add_option("command", execution->command, "behind --")->required();
  SetAction(*exec, [execution] { return BadInput(Become(*execution)); });

  CLI::App* stop = lab.add_subcommand(
      "stop", "Ends a lab that was kept: its processes, and all it left.");
  auto stopped = std::make_shared<StopArguments>();
  AddLabNameOption(*stop, stopped->name);
  stop->add_option("--bpffs", stopped->bpffs,
                   "Where it was pinned, if it did not come to say so.");
  SetAction(*stop, [stopped] { return Stop(*stopped); });

  // The pods' process of such a lab; not for people.
  CLI::App* pods = lab.add_subcommand("pods")->group("");
  auto name = std::make_shared<std::string>();
  AddLabNameOption(*pods, *name);
  SetAction(*pods, [name] { return Pods(*name); });
}

}  // namespace ciliumcore::ccore
