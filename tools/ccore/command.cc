// SPDX-License-Identifier: Apache-2.0

#include "tools/ccore/command.h"

#include <algorithm>
#include <iostream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/policy/manifest.h"
#include "tools/ccore/verdict_output.h"

namespace ciliumcore::ccore {

void SetAction(CLI::App& command, std::function<int()> run) {
  command.callback([run = std::move(run)] {
    const int code = run();
    // CLI11's way out of a callback with an exit code.
    if (code != kOk) throw CLI::RuntimeError(code);
  });
}

int BadInput(const absl::Status& status) {
  std::cerr << "ccore: " << status.message() << "\n";
  return kBadInput;
}

void Note(const std::string& text) { std::cerr << "note: " << text << "\n"; }

void AddOutputOption(CLI::App& command, Output& output) {
  command
      .add_option_function<std::string>(
          "-o,--output",
          [&output](const std::string& name) {
            output = name == "json" ? Output::kJson : Output::kText;
          },
          "text (the default) or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->option_text("FORMAT");
}

void AddInstanceOptions(CLI::App& command, InspectOptions& instance) {
  command
      .add_option("--instance", instance.name,
                  "its name; \"default\" is the default")
      ->option_text("NAME");
  command
      .add_option("--bpffs", instance.bpffs,
                  "where instances are pinned; /sys/fs/bpf is the default")
      ->option_text("PATH");
  command
      .add_option("--netns", instance.netns,
                  "the namespace of its interfaces, if it is not this one")
      ->option_text("PATH");
}

void AddManifestOptions(CLI::App& command, ManifestArguments& arguments,
                        bool is_required) {
  command
      .add_option("-f,--filename", arguments.paths,
                  "files or directories of manifests; - is standard input")
      ->required(is_required)
      ->option_text("PATH...");
  command
      .add_option("--pod-cidr", arguments.pod_cidrs,
                  "gives pods without an address one from this CIDR")
      ->option_text("CIDR...");
}

absl::StatusOr<CompiledCluster> LoadCluster(
    const ManifestArguments& arguments,
    const std::function<void(Cluster&)>& prepare) {
  absl::StatusOr<std::vector<ManifestSource>> sources =
      ReadManifestFiles(arguments.paths);
  if (!sources.ok()) return sources.status();
  return CompileManifests(*sources, arguments.pod_cidrs, prepare);
}

absl::StatusOr<CompiledCluster> CompileManifests(
    const std::vector<ManifestSource>& sources,
    const std::vector<std::string>& pod_cidrs,
    const std::function<void(Cluster&)>& prepare) {
  CompileClusterOptions options;
  for (const std::string& text : pod_cidrs) {
    absl::StatusOr<IpPrefix> cidr = IpPrefix::Parse(text);
    if (!cidr.ok()) return Annotate(cidr.status(), "--pod-cidr");
    options.pod_cidrs.push_back(*cidr);
  }
  absl::StatusOr<Cluster> cluster = LoadManifests(sources);
  if (!cluster.ok()) return cluster.status();
  if (prepare) prepare(*cluster);
  absl::StatusOr<CompiledCluster> compiled =
      CompileCluster(*std::move(cluster), options);
  if (!compiled.ok()) return compiled.status();

  for (const std::string& object : compiled->cluster.ignored) {
    const std::string kind = object.substr(0, object.find(' '));
    if (absl::StrContains(kind, "Policy")) {
      Note(absl::StrCat("not taken into account: ", object));
    }
  }
  const size_t unaddressed = PodsWithoutAddress(compiled->cluster).size();
  const std::vector<PolicyRef> blind = PoliciesWithIpBlock(compiled->cluster);
  if (unaddressed != 0 && !blind.empty()) {
    Note(absl::StrCat(unaddressed, unaddressed == 1 ? " pod has" : " pods have",
                      " no address, so no ipBlock covers ",
                      unaddressed == 1 ? "it" : "them",
                      "; that could matter to ", NamesOf(blind),
                      " (--pod-cidr assigns addresses)"));
  }
  if (const size_t of_nodes = PodsOfNodes(compiled->cluster).size();
      of_nodes != 0 && !compiled->policy.tables.empty()) {
    Note(absl::StrCat(
        of_nodes, of_nodes == 1 ? " pod" : " pods",
        " in the host's network with the address of a node: taken for a node "
        "that no pod runs on, so that policies decide; a pod's own node is "
        "always allowed"));
  }
  const std::vector<PolicyRef> named = PoliciesWithNames(compiled->cluster);
  if (!named.empty()) {
    Note(absl::StrCat(
        "what domain names stand for is not known, so rules for them match "
        "nobody; that could matter to ",
        NamesOf(named)));
  }
  const std::vector<RuleRef> proxied = RulesForProxies(compiled->policy);
  if (!proxied.empty()) {
    Note(absl::StrCat(
        "there is no proxy, so what these rules leave to one is denied: ",
        NamesOf(proxied)));
  }
  return compiled;
}

std::string TextTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const std::vector<std::string>& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text.append(widths[i] + 2 - row[i].size(), ' ');
    }
    text += '\n';
  }
  return text;
}

}  // namespace ciliumcore::ccore
