// SPDX-License-Identifier: Apache-2.0

// ccore lab: a cluster in a box.

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "ciliumcore/base/status.h"
#include "nlohmann/json.hpp"
#include "tools/ccore/command.h"
#include "tools/ccore/flow_output.h"
#include "tools/ccore/lab.h"
#include "tools/ccore/lab_commands.h"
#include "tools/ccore/nouns.h"

namespace ciliumcore::ccore {
namespace {

struct RunArguments {
  ManifestArguments manifests;
  Output output = Output::kText;
  bool probe = false;
  uint32_t connects = 100;  // to each service
  bool plant_fault = false;
  bool keep = false;
  std::string name = "lab";
  std::string bpffs = "/sys/fs/bpf";
  double seconds = 0;  // 0: until interrupted
  FlowArguments flows;
  bool show_flows = false;  // also those of the probes
  bool show_drops = false;
};

int Probe(RunningLab& lab, const RunArguments& arguments) {
  absl::StatusOr<LabReport> report = ProbeLab(lab, arguments.connects);
  if (!report.ok()) return BadInput(report.status());
  const bool agrees = arguments.output == Output::kText
                          ? PrintReport(lab, *report)
                          : PrintReportAsJson(lab, *report);
  return agrees ? kOk : kCheckFailed;
}

// Until interrupted, or for so many seconds. Tells flows as they come.
void StayUp(RunningLab& lab, const RunArguments& arguments, DropTable& drops) {
  const absl::Time end = arguments.seconds > 0
                             ? absl::Now() + absl::Seconds(arguments.seconds)
                             : absl::InfiniteFuture();
  std::cout << "The lab is up; interrupt to "
            << (lab.is_kept() ? "leave" : "remove") << " it.\n"
            << std::flush;
  while (absl::Now() < end) {
    const absl::Duration wait =
        std::min(absl::Milliseconds(500), end - absl::Now());
    if (auto flow = lab.datapath().flows().Next(wait)) {
      PrintFlow(arguments.flows, *flow);
      if (MatchesAny(arguments.flows.wanted, *flow)) drops.Add(*flow);
    }
  }
}

// What the probes, which have ended, left to read.
void ReadFlows(RunningLab& lab, const RunArguments& arguments,
               DropTable& drops) {
  while (auto flow = lab.datapath().flows().Next(absl::ZeroDuration())) {
    if (arguments.show_flows) PrintFlow(arguments.flows, *flow);
    if (MatchesAny(arguments.flows.wanted, *flow)) drops.Add(*flow);
  }
}

// What to do with a lab that is there. `stays_up`: also without a probe.
int Use(RunningLab& lab, const RunArguments& arguments, bool stays_up) {
  if (arguments.output == Output::kText) PrintHosts(lab);
  if (arguments.plant_fault) {
    absl::StatusOr<std::string> fault = lab.PlantFault();
    if (!fault.ok()) return BadInput(fault.status());
    Note(absl::StrCat("fault planted: ", *fault));
  }
  DropTable drops;
  int result = kOk;
  if (arguments.probe) {
    result = Probe(lab, arguments);
    ReadFlows(lab, arguments, drops);
  }
  if (result != kBadInput && stays_up) StayUp(lab, arguments, drops);
  if (arguments.show_drops) std::cout << drops.ToString();
  const FlowReader& flows = lab.datapath().flows();
  NoteLosses(flows.lost(), flows.undecodable());
  return result;
}

int Run(RunArguments& arguments) {
  if (absl::Status read = arguments.flows.Read(); !read.ok())
    return BadInput(read);
  absl::StatusOr<std::unique_ptr<RunningLab>> lab =
      arguments.keep
          ? KeepLab(arguments.manifests, arguments.name, arguments.bpffs)
          : StartLab(arguments.manifests);
  if (!lab.ok()) return BadInput(lab.status());
  const int used =
      Use(**lab, arguments,
          arguments.keep ? arguments.seconds > 0 : !arguments.probe);
  if (arguments.keep) {
    Note(absl::StrCat("lab ", arguments.name, " stays; go on with ccore lab ",
                      "attach, exec POD -- COMMAND, or stop (each with --name ",
                      arguments.name, ")"));
  }
  return used;
}

int Attach(RunArguments& arguments) {
  if (absl::Status read = arguments.flows.Read(); !read.ok())
    return BadInput(read);
  absl::StatusOr<std::unique_ptr<RunningLab>> lab =
      AttachLab(arguments.manifests, arguments.name);
  if (!lab.ok()) return BadInput(lab.status());
  return Use(**lab, arguments, !arguments.probe || arguments.seconds > 0);
}

void AddProbeOptions(CLI::App& command, RunArguments& arguments) {
  AddOutputOption(command, arguments.output);
  command.add_flag("--probe", arguments.probe,
                   "Probe all pairs, services and names, and compare with the "
                   "compiler; exit 1 if they disagree.");
  command.add_option("--connects", arguments.connects,
                     "With --probe: connections to each service, to see how it "
                     "spreads (100).");
  command.add_option("--for", arguments.seconds,
                     "Seconds to stay up and tell flows, instead of until "
                     "interrupted.");
  command.add_flag(
      "--flows", arguments.show_flows,
      "With --probe: print the flows, too. Without, they always are.");
  command.add_flag(
      "--drops", arguments.show_drops,
      "At the end: drops by reason and rules, and what to look at.");
  AddFlowOptions(command, arguments.flows);
}

}  // namespace

void GivePodsAddresses(ManifestArguments& arguments) {
  if (!arguments.pod_cidrs.empty()) return;
  arguments.pod_cidrs = {"10.244.0.0/16", "fd00:10:244::/64"};
}

absl::StatusOr<std::unique_ptr<RunningLab>> StartLab(
    ManifestArguments arguments) {
  GivePodsAddresses(arguments);
  absl::StatusOr<CompiledCluster> cluster =
      LoadCluster(arguments, PutHostPodsOnOneNode);
  if (!cluster.ok()) return cluster.status();
  absl::StatusOr<std::unique_ptr<RunningLab>> lab =
      RunningLab::Start(*std::move(cluster));
  if (absl::IsPermissionDenied(lab.status())) {
    return Annotate(lab.status(), "a lab needs root");
  }
  if (!lab.ok()) return lab.status();
  for (const std::string& note : (*lab)->notes()) Note(note);
  return lab;
}

void AddLabCommands(CLI::App& app) {
  CLI::App* lab = app.add_subcommand(
      "lab", "A cluster in a box: real namespaces, real packets.");
  lab->require_subcommand(1);
  CLI::App* run = lab->add_subcommand(
      "run",
      "Brings the manifests' pods up as network namespaces and enforces their "
      "policies. Needs root; removes everything at the end, unless --keep.");
  auto arguments = std::make_shared<RunArguments>();
  AddManifestOptions(*run, arguments->manifests);
  AddProbeOptions(*run, *arguments);
  run->add_flag("--plant-fault", arguments->plant_fault,
                "Turn one live verdict around, which --probe must find.");
  run->add_flag("--keep", arguments->keep,
                "Leave pods, namespaces and datapath standing at the end.");
  AddLabNameOption(*run, arguments->name);
  run->add_option("--bpffs", arguments->bpffs,
                  "With --keep: where the datapath is pinned (/sys/fs/bpf).");
  SetAction(*run, [arguments] { return Run(*arguments); });
  CLI::App* attach = lab->add_subcommand(
      "attach",
      "Takes over a lab that was kept, with its manifests or with others.");
  auto attached = std::make_shared<RunArguments>();
  AddManifestOptions(*attach, attached->manifests, /*is_required=*/false);
  AddProbeOptions(*attach, *attached);
  AddLabNameOption(*attach, attached->name);
  SetAction(*attach, [attached] { return Attach(*attached); });
  AddLabKept(*lab);
  AddLabDemo(*lab);
}

}  // namespace ciliumcore::ccore
