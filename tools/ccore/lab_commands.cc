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

using Json = nlohmann::ordered_json;

// As large as a grid may be to fit a terminal.
constexpr size_t kGridHosts = 16;

struct RunArguments {
  ManifestArguments manifests;
  Output output = Output::kText;
  bool probe = false;
  bool plant_fault = false;
  double seconds = 0;  // 0: until interrupted
  FlowArguments flows;
  bool show_flows = false;  // also those of the probes
  bool show_drops = false;
};

std::string Addresses(const LabHost& host) {
  return absl::StrJoin(host.addresses, " ",
                       [](std::string* out, const IpAddress& address) {
                         out->append(address.ToString());
                       });
}

// "app=web,tier=front".
std::string LabelsText(const Labels& labels) {
  return absl::StrJoin(labels, ",", [](std::string* out, const Label& label) {
    absl::StrAppend(out, label.key, "=", label.value);
  });
}

// What became of the probes between two hosts.
struct PairResult {
  size_t reached = 0, total = 0, disagree = 0;

  // "all", ".", "2/6", with a mark if the compiler says otherwise.
  std::string Text() const {
    std::string text = reached == total ? "all"
                       : reached == 0   ? "."
                                        : absl::StrCat(reached, "/", total);
    return disagree == 0 ? text : text + "!";
  }
};

using PairResults = std::map<std::pair<size_t, size_t>, PairResult>;

PairResults ByPair(const std::vector<LabProbe>& probes) {
  PairResults pairs;
  for (const LabProbe& probe : probes) {
    if (!probe.destination.has_value()) continue;
    PairResult& pair = pairs[{probe.source, *probe.destination}];
    ++pair.total;
    pair.reached += probe.probe.reached;
    pair.disagree += !probe.agrees();
  }
  return pairs;
}

void PrintMatrix(const RunningLab& lab, const PairResults& pairs) {
  const std::vector<LabHost>& hosts = lab.lab().hosts();
  std::vector<std::vector<std::string>> rows;
  if (hosts.size() <= kGridHosts) {
    rows.push_back({"FROM \\ TO"});
    for (size_t i = 0; i < hosts.size(); ++i) {
      rows[0].push_back(absl::StrCat(i + 1));
    }
    for (size_t from = 0; from < hosts.size(); ++from) {
      rows.push_back({absl::StrCat(from + 1, " ", hosts[from].name)});
      for (size_t to = 0; to < hosts.size(); ++to) {
        auto found = pairs.find({from, to});
        rows.back().push_back(found == pairs.end() ? "" : found->second.Text());
      }
    }
  } else {
    rows.push_back({"FROM", "TO", "REACHED"});
    for (const auto& [ends, pair] : pairs) {
      if (pair.reached == 0 && pair.disagree == 0) continue;
      rows.push_back(
          {hosts[ends.first].name, hosts[ends.second].name, pair.Text()});
    }
  }
  std::cout << TextTable(rows) << "\n";
}

std::string DestinationOf(const RunningLab& lab, const LabProbe& probe) {
  return probe.destination.has_value()
             ? lab.lab().hosts()[*probe.destination].name
             : absl::StrCat("service ", lab.services()[*probe.service].name);
}

// From how many pods each service is reached.
void PrintServices(const RunningLab& lab, const std::vector<LabProbe>& probes) {
  if (lab.services().empty()) return;
  std::vector<std::vector<std::string>> rows = {
      {"SERVICE", "FRONTEND", "BACKENDS", "REACHED BY"}};
  std::vector<PairResult> results(lab.services().size());
  for (const LabProbe& probe : probes) {
    if (!probe.service.has_value()) continue;
    PairResult& result = results[*probe.service];
    ++result.total;
    result.reached += probe.probe.reached;
    result.disagree += !probe.agrees();
  }
  for (size_t i = 0; i < results.size(); ++i) {
    const ServiceOptions& service = lab.services()[i];
    rows.push_back({service.name, service.frontend.ToString(),
                    absl::StrCat(service.backends.size()), results[i].Text()});
  }
  std::cout << TextTable(rows) << "\n";
}

std::string Describe(const RunningLab& lab, const LabProbe& probe) {
  const auto& hosts = lab.lab().hosts();
  return absl::StrCat(hosts[probe.source].name, " (",
                      probe.probe.source.address.ToString(), ") -> ",
                      DestinationOf(lab, probe), " (",
                      probe.probe.destination.address.ToString(), ") ",
                      probe.probe.port.ToString(), ": the packets say ",
                      probe.probe.reached ? "allowed" : "denied",
                      ", the compiler ", probe.expected ? "allowed" : "denied");
}

Json ToJson(const RunningLab& lab, const std::vector<LabProbe>& probes) {
  const auto& hosts = lab.lab().hosts();
  Json out;
  out["hosts"] = Json::array();
  for (const LabHost& host : hosts) {
    Json entry = {{"name", host.name}};
    if (host.pod.has_value()) {
      entry["identity"] =
          static_cast<uint32_t>(lab.identities()[*host.pod].id());
    }
    for (const IpAddress& address : host.addresses) {
      entry["addresses"].push_back(address.ToString());
    }
    out["hosts"].push_back(std::move(entry));
  }
  size_t agree = 0;
  out["probes"] = Json::array();
  for (const LabProbe& probe : probes) {
    agree += probe.agrees();
    out["probes"].push_back(
        {{"src", hosts[probe.source].name},
         {"srcAddress", probe.probe.source.address.ToString()},
         {"dst", DestinationOf(lab, probe)},
         {"dstAddress", probe.probe.destination.address.ToString()},
         {"port", probe.probe.port.ToString()},
         {"reached", probe.probe.reached},
         {"expected", probe.expected}});
  }
  out["agree"] = agree;
  out["disagree"] = probes.size() - agree;
  return out;
}

int Probe(RunningLab& lab, const RunArguments& arguments) {
  absl::StatusOr<std::vector<LabProbe>> probes = lab.ProbeAll();
  if (!probes.ok()) return BadInput(probes.status());
  if (arguments.output == Output::kText) {
    return PrintProbes(lab, *probes) ? kOk : kCheckFailed;
  }
  const Json json = ToJson(lab, *probes);
  std::cout << json.dump(2) << "\n";
  return json["disagree"] == 0 ? kOk : kCheckFailed;
}

// Until interrupted, or for so many seconds. Tells flows as they come.
void StayUp(RunningLab& lab, const RunArguments& arguments, DropTable& drops) {
  const absl::Time end = arguments.seconds > 0
                             ? absl::Now() + absl::Seconds(arguments.seconds)
                             : absl::InfiniteFuture();
  std::cout << "The lab is up; interrupt to remove it.\n" << std::flush;
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

int Run(RunArguments& arguments) {
  if (absl::Status read = arguments.flows.Read(); !read.ok())
    return BadInput(read);
  absl::StatusOr<std::unique_ptr<RunningLab>> lab =
      StartLab(arguments.manifests);
  if (!lab.ok()) return BadInput(lab.status());
  if (arguments.output == Output::kText) PrintHosts(**lab);
  if (arguments.plant_fault) {
    absl::StatusOr<std::string> fault = (*lab)->PlantFault();
    if (!fault.ok()) return BadInput(fault.status());
    Note(absl::StrCat("fault planted: ", *fault));
  }
  DropTable drops;
  int result = kOk;
  if (arguments.probe) {
    result = Probe(**lab, arguments);
    ReadFlows(**lab, arguments, drops);
  } else {
    StayUp(**lab, arguments, drops);
  }
  if (arguments.show_drops) std::cout << drops.ToString();
  const FlowReader& flows = (*lab)->datapath().flows();
  NoteLosses(flows.lost(), flows.undecodable());
  return result;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunningLab>> StartLab(
    ManifestArguments arguments) {
  if (arguments.pod_cidrs.empty()) {
    arguments.pod_cidrs = {"10.244.0.0/16", "fd00:10:244::/64"};
  }
  absl::StatusOr<CompiledCluster> cluster = LoadCluster(arguments);
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

void PrintHosts(const RunningLab& lab) {
  std::vector<std::vector<std::string>> rows = {
      {"HOST", "IDENTITY", "ADDRESSES", "LABELS"}};
  for (const LabHost& host : lab.lab().hosts()) {
    std::string identity = "world", labels;
    if (host.pod.has_value()) {
      identity = IdentityName(lab.identities()[*host.pod].id());
      labels = LabelsText(lab.cluster().cluster.pods[*host.pod].labels);
    }
    rows.push_back({host.name, identity, Addresses(host), labels});
  }
  std::cout << TextTable(rows) << "\n";
}

bool PrintProbes(const RunningLab& lab, const std::vector<LabProbe>& probes) {
  PrintMatrix(lab, ByPair(probes));
  PrintServices(lab, probes);
  size_t disagree = 0;
  for (const LabProbe& probe : probes) {
    if (probe.agrees()) continue;
    ++disagree;
    std::cout << "disagree: " << Describe(lab, probe) << "\n";
  }
  std::cout << "probes: " << probes.size()
            << ", agree: " << probes.size() - disagree
            << ", disagree: " << disagree << "\n";
  return disagree == 0;
}

void AddLabCommands(CLI::App& app) {
  CLI::App* lab = app.add_subcommand(
      "lab", "A cluster in a box: real namespaces, real packets.");
  lab->require_subcommand(1);
  CLI::App* run = lab->add_subcommand(
      "run",
      "Brings the manifests' pods up as network namespaces and enforces their "
      "policies. Needs root; removes everything at the end.");
  auto arguments = std::make_shared<RunArguments>();
  AddManifestOptions(*run, arguments->manifests);
  AddOutputOption(*run, arguments->output);
  run->add_flag("--probe", arguments->probe,
                "Probe all pairs and compare with the compiler; exit 1 if they "
                "disagree.");
  run->add_flag("--plant-fault", arguments->plant_fault,
                "Turn one live verdict around, which --probe must find.");
  run->add_option(
      "--for", arguments->seconds,
      "Without --probe: seconds to stay up, instead of until interrupted.");
  run->add_flag(
      "--flows", arguments->show_flows,
      "With --probe: print the flows, too. Without, they always are.");
  run->add_flag("--drops", arguments->show_drops,
                "At the end: drops by reason and rules, and what to look at.");
  AddFlowOptions(*run, arguments->flows);
  SetAction(*run, [arguments] { return Run(*arguments); });
  AddLabDemo(*lab);
}

}  // namespace ciliumcore::ccore
