// SPDX-License-Identifier: Apache-2.0

// ccore flows, ccore drops: what a pinned instance tells.

#include <algorithm>
#include <csignal>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "ciliumcore/datapath/flow_tail.h"
#include "tools/ccore/command.h"
#include "tools/ccore/flow_output.h"
#include "tools/ccore/manifest_names.h"
#include "tools/ccore/nouns.h"

namespace ciliumcore::ccore {
namespace {

struct TailArguments {
  std::string instance = "default";
  std::string bpffs = "/sys/fs/bpf";
  std::vector<std::string> terms;
  ManifestArguments manifests;
  FlowArguments flows;
  bool follow = false;
  double seconds = 0;
};

volatile std::sig_atomic_t interrupted = 0;

// The instance's own names, and from manifests those of pods.
class TailNames : public FlowDirectory {
 public:
  TailNames(const FlowDirectory* instance, ManifestNames manifests)
      : instance_(instance), manifests_(std::move(manifests)) {}

  std::shared_ptr<const Party> FindParty(
      uint32_t peer, const IpAddress& address) const override {
    auto known = manifests_.FindParty(peer, address);
    return known->pod.empty() ? instance_->FindParty(peer, address) : known;
  }
  std::shared_ptr<const std::string> Explain(uint32_t rule_set) const override {
    return instance_->Explain(rule_set);
  }
  std::shared_ptr<const std::string> FindService(
      const IpAddress& address, PortProtocol port) const override {
    return instance_->FindService(address, port);
  }

 private:
  const FlowDirectory* const instance_;
  const ManifestNames manifests_;
};

absl::StatusOr<ManifestNames> NamesOf(const ManifestArguments& manifests) {
  if (manifests.paths.empty()) return ManifestNames();
  absl::StatusOr<CompiledCluster> cluster = LoadCluster(manifests);
  if (!cluster.ok()) return cluster.status();
  return ManifestNames(*cluster);
}

// What the ring holds, and what comes while the command lasts.
template <typename Visit>
int ReadTail(TailArguments& arguments, Visit visit) {
  if (!arguments.terms.empty())
    arguments.flows.filters.push_back(absl::StrJoin(arguments.terms, " "));
  if (absl::Status read = arguments.flows.Read(); !read.ok())
    return BadInput(read);
  absl::StatusOr<ManifestNames> manifests = NamesOf(arguments.manifests);
  if (!manifests.ok()) return BadInput(manifests.status());
  absl::StatusOr<FlowTail> tail =
      FlowTail::Open(arguments.instance, arguments.bpffs);
  if (!tail.ok()) return BadInput(tail.status());
  const TailNames names(&tail->directory(), *std::move(manifests));
  std::signal(SIGINT, [](int) { interrupted = 1; });
  const absl::Time end = arguments.follow
                             ? absl::InfiniteFuture()
                             : absl::Now() + absl::Seconds(arguments.seconds);
  Flow flow;
  do {
    const absl::Duration wait =
        std::min(absl::Milliseconds(200), end - absl::Now());
    tail->Consume(std::max(wait, absl::ZeroDuration()),
                  [&](const FlowEvent& event) {
                    ResolveFlow(event, names, flow);
                    if (MatchesAny(arguments.flows.wanted, flow)) visit(flow);
                  });
  } while (absl::Now() < end && interrupted == 0);
  NoteLosses(tail->lost(), tail->undecodable());
  return kOk;
}

int Flows(TailArguments& arguments) {
  return ReadTail(arguments,
                  [&](const Flow& flow) { PrintFlow(arguments.flows, flow); });
}

int Drops(TailArguments& arguments) {
  DropTable drops;
  const int result =
      ReadTail(arguments, [&](const Flow& flow) { drops.Add(flow); });
  if (result == kOk) std::cout << drops.ToString();
  return result;
}

std::shared_ptr<TailArguments> AddTail(CLI::App& command) {
  auto arguments = std::make_shared<TailArguments>();
  command.add_option("terms", arguments->terms,
                     "Which: pod=shop/web-0 verdict=dropped dport=443");
  command.add_option("--instance", arguments->instance,
                     "The pinned instance; by default \"default\".");
  command.add_option("--bpffs", arguments->bpffs, "Where it is pinned.");
  command.add_flag("--follow", arguments->follow, "Go on until interrupted.");
  command.add_option("--for", arguments->seconds,
                     "Seconds to go on; by default what is there is read.");
  // For the names of pods by their addresses.
  AddManifestOptions(command, arguments->manifests, /*is_required=*/false);
  AddFlowOptions(command, arguments->flows);
  return arguments;
}

}  // namespace

void AddFlowCommands(CLI::App& app) {
  CLI::App* flows = app.add_subcommand(
      "flows",
      "Reads the events of a pinned instance. Whoever else reads them misses "
      "what this command reads.");
  auto flow_arguments = AddTail(*flows);
  SetAction(*flows, [flow_arguments] { return Flows(*flow_arguments); });
  CLI::App* drops = app.add_subcommand(
      "drops",
      "Reads them likewise, and groups drops by reason and rules, with what to "
      "look at.");
  auto drop_arguments = AddTail(*drops);
  SetAction(*drops, [drop_arguments] { return Drops(*drop_arguments); });
}

}  // namespace ciliumcore::ccore
