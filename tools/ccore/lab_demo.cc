// SPDX-License-Identifier: Apache-2.0

// ccore lab demo: a tour in one command.

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/ccore/command.h"
#include "tools/ccore/lab.h"
#include "tools/ccore/lab_commands.h"

namespace ciliumcore::ccore {
namespace {

struct DemoArguments {
  ManifestArguments manifests;
  std::string source, destination, port, policy;
};

constexpr int kEchoMs = 1500;
// TCP sends again by itself, at growing intervals.
constexpr int kRecoverMs = 15000;

void Headline(const std::string& text) {
  std::cout << "\n== " << text << "\n\n" << std::flush;
}

absl::StatusOr<const LabHost*> FindHost(const RunningLab& lab,
                                        const std::string& name) {
  for (const LabHost& host : lab.lab().hosts()) {
    if (host.name == name && !host.addresses.empty()) return &host;
  }
  return absl::NotFoundError(absl::StrCat("no pod ", name, " in the lab"));
}

// Some flows that differ in who, what and why.
void PrintFlows(RunningLab& lab, size_t count) {
  std::set<std::string> told;
  while (auto flow = lab.datapath().flows().Next(absl::Milliseconds(200))) {
    const std::string kind =
        absl::StrCat(static_cast<int>(flow->verdict), flow->egress.why, "|",
                     flow->ingress.why);
    if (told.size() >= count || !told.insert(kind).second) continue;
    std::cout << flow->ToString() << "\n";
  }
}

// The next flow that was dropped from or to `address`.
std::optional<Flow> NextDrop(RunningLab& lab, const IpAddress& address) {
  while (auto flow = lab.datapath().flows().Next(absl::Seconds(2))) {
    if (flow->verdict == Flow::Verdict::kDropped &&
        (flow->source.address == address ||
         flow->destination.address == address)) {
      return flow;
    }
  }
  return std::nullopt;
}

std::vector<NetworkPolicy> Without(std::vector<NetworkPolicy> policies,
                                   const std::string& name) {
  std::erase_if(policies, [&](const NetworkPolicy& policy) {
    return absl::StrCat(policy.ns, "/", policy.name) == name;
  });
  return policies;
}

// An open connection while its rule goes and comes back. Says what happens;
// true if that is what should.
absl::StatusOr<bool> ChangeUnderConnection(RunningLab& lab,
                                           const DemoArguments& arguments) {
  absl::StatusOr<PortProtocol> port = PortProtocol::Parse(arguments.port);
  if (!port.ok()) return port.status();
  absl::StatusOr<const LabHost*> source = FindHost(lab, arguments.source);
  if (!source.ok()) return source.status();
  absl::StatusOr<const LabHost*> destination =
      FindHost(lab, arguments.destination);
  if (!destination.ok()) return destination.status();
  const std::vector<NetworkPolicy> policies = lab.cluster().cluster.policies;
  const std::vector<NetworkPolicy> fewer = Without(policies, arguments.policy);
  if (fewer.size() == policies.size()) {
    return absl::NotFoundError(absl::StrCat("no policy ", arguments.policy));
  }
  const LabEnd from = {(*source)->netns, (*source)->addresses.front()};
  const LabEnd to = {(*destination)->netns, (*destination)->addresses.front()};
  absl::StatusOr<LabConnection> connection =
      LabConnection::Open(from, to, *port, kEchoMs);
  if (!connection.ok()) return connection.status();
  const bool before = connection->Echo("before", kEchoMs);
  std::cout << arguments.source << " and " << arguments.destination
            << " talk over an open connection: " << (before ? "yes" : "no")
            << "\n";
  if (absl::Status set = lab.SetPolicies(fewer); !set.ok()) return set;
  std::cout << "\nNetworkPolicy " << arguments.policy
            << " is removed (generation " << lab.datapath().generation()
            << ").\n";
  const bool during = connection->Echo("during", kEchoMs);
  std::cout << "They talk: " << (during ? "yes" : "no") << "\n";
  const std::optional<Flow> drop = NextDrop(lab, from.address);
  std::cout << (drop.has_value() ? drop->ToString() : "no flow says why")
            << "\n";
  if (absl::Status set = lab.SetPolicies(policies); !set.ok()) return set;
  std::cout << "\nIt is restored (generation " << lab.datapath().generation()
            << ").\n";
  const bool after = connection->Echo("after", kRecoverMs);
  std::cout << "They talk, over the same connection: " << (after ? "yes" : "no")
            << "\n";
  return before && !during && drop.has_value() && after;
}

int Demo(DemoArguments arguments) {
  const absl::Time start = absl::Now();
  absl::StatusOr<std::unique_ptr<RunningLab>> lab =
      StartLab(arguments.manifests);
  if (!lab.ok()) return BadInput(lab.status());
  Headline("Pods as network namespaces, and who they are");
  PrintHosts(**lab);
  Headline("Who reaches whom: real connections, against what was compiled");
  absl::StatusOr<std::vector<LabProbe>> probes = (*lab)->ProbeAll();
  if (!probes.ok()) return BadInput(probes.status());
  bool ok = PrintProbes(**lab, *probes);
  Headline("Some flows, and the rules that decided");
  PrintFlows(**lab, 8);
  Headline("A policy changes under an open connection");
  absl::StatusOr<bool> changed = ChangeUnderConnection(**lab, arguments);
  if (!changed.ok()) return BadInput(changed.status());
  ok = ok && *changed;
  std::cout << "\nDone in " << absl::ToInt64Seconds(absl::Now() - start)
            << " s; nothing of it is left.\n";
  return ok ? kOk : kCheckFailed;
}

}  // namespace

void AddLabDemo(CLI::App& lab) {
  CLI::App* demo = lab.add_subcommand(
      "demo",
      "Probes all pairs, tells flows, and removes a policy under an open "
      "connection. Needs root.");
  auto arguments = std::make_shared<DemoArguments>();
  AddManifestOptions(*demo, arguments->manifests);
  demo->add_option("--src", arguments->source, "Pod that connects (ns/name).")
      ->required();
  demo->add_option("--dst", arguments->destination,
                   "Pod that listens (ns/name).")
      ->required();
  demo->add_option("--dport", arguments->port, "Port, as 8080/TCP.")
      ->required();
  demo->add_option("--without", arguments->policy,
                   "NetworkPolicy that is removed for a while (ns/name).")
      ->required();
  SetAction(*demo, [arguments] { return Demo(*arguments); });
}

}  // namespace ciliumcore::ccore
