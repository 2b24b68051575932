// SPDX-License-Identifier: Apache-2.0

// ccore lab demo: a tour in one command.

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "tools/ccore/command.h"
#include "tools/ccore/lab.h"
#include "tools/ccore/lab/kept.h"
#include "tools/ccore/lab_commands.h"

namespace ciliumcore::ccore {
namespace {

struct DemoArguments {
  ManifestArguments manifests;
  std::string name = "demo";
  std::string bpffs = "/sys/fs/bpf";
  std::string source, destination, port, policy;
};

constexpr int kProbeMs = 700;
// To each service.
constexpr uint32_t kConnects = 100;
// That the process's end must not end.
constexpr size_t kConnections = 10;
// Discard: no pod of a demo should serve it.
constexpr PortProtocol kDenied = {.protocol = Protocol::kTcp, .port = 9};

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

// Takes those of that name out of `policies`, of whatever dialect; says which.
std::vector<std::string> Remove(const std::string& name, Policies& policies) {
  std::vector<std::string> removed;
  const auto remove = [&](std::string found) {
    const bool is_it = absl::EndsWith(found, " " + name);
    if (is_it) removed.push_back(std::move(found));
    return is_it;
  };
  std::erase_if(policies.policies, [&](const NetworkPolicy& policy) {
    return remove(
        PolicyRef{"NetworkPolicy", policy.ns, policy.name}.ToString());
  });
  std::erase_if(policies.cilium_policies, [&](const CiliumPolicy& policy) {
    return remove(policy.ToString());
  });
  std::erase_if(policies.cluster_policies, [&](const ClusterPolicy& policy) {
    return remove(policy.ToString());
  });
  return removed;
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
  const Policies policies = PoliciesOf(lab.cluster().cluster);
  Policies fewer = policies;
  const std::vector<std::string> removed = Remove(arguments.policy, fewer);
  if (removed.empty()) {
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
  std::cout << "\n"
            << absl::StrJoin(removed, ", ") << " is removed (generation "
            << lab.datapath().generation() << ").\n";
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

// A port of a pod that some addresses outside reach and others do not.
struct OutsideTarget {
  const LabHost* pod = nullptr;
  PortProtocol port;
};

bool MayReach(const RunningLab& lab, const IpAddress& source,
              const IpAddress& destination, PortProtocol port) {
  const CompiledPolicy& policy = lab.cluster().policy;
  return policy
      .DecidePair(policy.PartyOf(source), policy.PartyOf(destination),
                  port.protocol, port.port)
      .allowed();
}

std::optional<OutsideTarget> FindOutsideTarget(
    const RunningLab& lab, const std::vector<IpAddress>& outside) {
  for (const LabHost& host : lab.lab().hosts()) {
    if (!host.pod.has_value() || host.addresses.empty()) continue;
    for (const NamedPort& port : lab.cluster().cluster.pods[*host.pod].ports) {
      if (port.port.protocol != Protocol::kTcp) continue;
      size_t allowed = 0;
      for (const IpAddress& address : outside) {
        allowed += MayReach(lab, address, host.addresses[0], port.port);
      }
      if (allowed != 0 && allowed != outside.size())
        return OutsideTarget{&host, port.port};
    }
  }
  return std::nullopt;
}

// The next flow from `address`.
std::optional<Flow> NextFlowFrom(RunningLab& lab, const IpAddress& address) {
  const absl::Time end = absl::Now() + absl::Seconds(3);
  while (absl::Now() < end) {
    auto flow = lab.datapath().flows().Next(absl::Milliseconds(300));
    if (flow.has_value() && flow->source.address == address) return flow;
  }
  return std::nullopt;
}

// Clients that are no pods: whoever they are, the network's rules hold. True if
// each is answered as the compiler says.
bool OutsideClients(RunningLab& lab) {
  std::vector<IpAddress> outside;
  int netns = -1;
  for (const LabHost& host : lab.lab().hosts()) {
    if (host.pod.has_value() || !host.addresses[0].is_v4()) continue;
    outside.push_back(host.addresses[0]);
    netns = host.netns;
  }
  const std::optional<OutsideTarget> target = FindOutsideTarget(lab, outside);
  if (!target.has_value()) {
    std::cout << "No pod is open to some of them and closed to others.\n";
    return true;
  }
  bool ok = true;
  const IpAddress& to = target->pod->addresses[0];
  for (const IpAddress& from : outside) {
    const bool is_connected =
        LabConnection::Open({netns, from}, {target->pod->netns, to},
                            target->port, kEchoMs)
            .ok();
    std::cout << from.ToString() << " -> " << target->pod->name << " "
              << target->port.ToString() << ": "
              << (is_connected ? "connected" : "no answer") << "\n";
    const std::optional<Flow> flow = NextFlowFrom(lab, from);
    std::cout << "  " << (flow.has_value() ? flow->ToString() : "no flow")
              << "\n";
    ok = ok && flow.has_value() &&
         is_connected == MayReach(lab, from, to, target->port);
  }
  return ok;
}

// All but the last section, by a process that does not come to clean up.
absl::StatusOr<bool> Tour(const DemoArguments& arguments) {
  absl::StatusOr<std::unique_ptr<RunningLab>> lab =
      KeepLab(arguments.manifests, arguments.name, arguments.bpffs);
  if (!lab.ok()) return lab.status();
  Headline("Pods as network namespaces, and who they are");
  PrintHosts(**lab);
  Headline("Who reaches whom: real connections, against what was compiled");
  absl::StatusOr<LabReport> report = ProbeLab(**lab, kConnects);
  if (!report.ok()) return report.status();
  bool ok = PrintReport(**lab, *report);
  Headline("Some flows, and the rules that decided");
  PrintFlows(**lab, 8);
  Headline("Clients outside, which are no pods");
  ok = OutsideClients(**lab) && ok;
  Headline("A policy changes under an open connection");
  absl::StatusOr<bool> changed = ChangeUnderConnection(**lab, arguments);
  if (!changed.ok()) return changed.status();
  std::cout << std::flush;
  // Never destroyed: the process is killed with it, as it is.
  lab->release();
  return ok && *changed;
}

// A process that gives the tour and then waits to be killed.
class TourProcess {
 public:
  explicit TourProcess(const DemoArguments& arguments) {
    std::cout << std::flush;
    if (pipe2(pipe_, O_CLOEXEC) != 0) return;
    pid_ = fork();
    if (pid_ != 0) {
      close(pipe_[1]);
      return;
    }
    const absl::StatusOr<bool> toured = Tour(arguments);
    char result = 'e';
    if (!toured.ok()) {
      BadInput(toured.status());
    } else {
      result = *toured ? 'y' : 'n';
    }
    if (write(pipe_[1], &result, 1) == 1 && result != 'e') {
      while (true) pause();
    }
    _exit(kBadInput);
  }
  ~TourProcess() { Kill(); }
  TourProcess(const TourProcess&) = delete;
  TourProcess& operator=(const TourProcess&) = delete;

  // Waits for the end of the tour: 'y', 'n', or 'e' if there was none.
  char Result() const {
    char result = 'e';
    return read(pipe_[0], &result, 1) == 1 ? result : 'e';
  }

  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  int pipe_[2] = {-1, -1};
  pid_t pid_ = -1;
};

size_t CountTalking(std::vector<LabConnection>& connections,
                    const std::string& line) {
  return std::count_if(
      connections.begin(), connections.end(),
      [&](LabConnection& one) { return one.Echo(line, kEchoMs); });
}

// Kills the process, sees that nobody misses it, and takes over.
absl::StatusOr<bool> KillUnderConnections(TourProcess& process,
                                          const DemoArguments& arguments) {
  absl::StatusOr<KeptPlaces> places = KeptPlaces::Of(arguments.name);
  if (!places.ok()) return places.status();
  absl::StatusOr<KeptState> state = places->Read();
  if (!state.ok()) return state.status();
  absl::StatusOr<PortProtocol> port = PortProtocol::Parse(arguments.port);
  if (!port.ok()) return port.status();
  absl::StatusOr<NetNs> netns =
      NetNs::Open(places->netns(KeptPlaces::RoleOf(arguments.source)));
  if (!netns.ok()) return netns.status();
  const LabEnd from = {netns->fd(),
                       state->pods[arguments.source].addresses.at(0)};
  const LabEnd to = {-1, state->pods[arguments.destination].addresses.at(0)};
  std::vector<LabConnection> connections;
  for (size_t i = 0; i < kConnections; ++i) {
    absl::StatusOr<LabConnection> connection =
        LabConnection::Open(from, to, *port, kEchoMs);
    if (!connection.ok()) return connection.status();
    connections.push_back(*std::move(connection));
  }
  const auto talk = [&](const std::string& line) {
    const size_t talking = CountTalking(connections, line);
    std::cout << "They talk: " << talking << " of " << connections.size()
              << "\n";
    return talking == connections.size();
  };
  std::cout << connections.size() << " connections are open between "
            << arguments.source << " and " << arguments.destination << ".\n";
  bool ok = talk("before");
  process.Kill();
  std::cout << "\nThe process is killed (SIGKILL). Nobody runs the datapath.\n";
  ok = talk("without") && ok;
  const bool is_open = LabConnection::Open(from, to, *port, kEchoMs).ok();
  const bool is_denied = !LabConnection::Open(from, to, kDenied, kProbeMs).ok();
  std::cout << "A new connection: " << (is_open ? "yes" : "no") << "; to "
            << kDenied.ToString()
            << ", which is denied: " << (is_denied ? "no" : "yes") << "\n";
  const absl::Time start = absl::Now();
  absl::StatusOr<std::unique_ptr<RunningLab>> lab =
      AttachLab({}, arguments.name);
  if (!lab.ok()) return lab.status();
  std::cout << "\nA new process takes over, in "
            << absl::ToInt64Milliseconds(absl::Now() - start)
            << " ms (generation " << (*lab)->datapath().generation() << ").\n";
  ok = talk("after") && ok && is_open && is_denied;
  Headline("All probes again, by the new process");
  absl::StatusOr<LabReport> report = ProbeLab(**lab, 0);
  if (!report.ok()) return report.status();
  return PrintCounts(**lab, *report) && ok;
}

int Demo(const DemoArguments& arguments) {
  const absl::Time start = absl::Now();
  absl::StatusOr<KeptPlaces> places = KeptPlaces::Of(arguments.name);
  if (!places.ok()) return BadInput(places.status());
  if (places->Read().ok()) {
    return BadInput(absl::AlreadyExistsError(absl::StrCat(
        "lab ", arguments.name, " stands: stop it (ccore lab stop --name ",
        arguments.name, ")")));
  }
  TourProcess process(arguments);
  const char toured = process.Result();
  absl::StatusOr<bool> survived = false;
  if (toured != 'e') {
    Headline("The process is killed under open connections");
    survived = KillUnderConnections(process, arguments);
  }
  process.Kill();
  const absl::Status stopped = places->Stop(arguments.bpffs);
  if (toured == 'e') return kBadInput;
  if (!survived.ok()) return BadInput(survived.status());
  if (!stopped.ok()) return BadInput(stopped);
  std::cout << "\nDone in " << absl::ToInt64Seconds(absl::Now() - start)
            << " s; nothing of it is left.\n";
  return toured == 'y' && *survived ? kOk : kCheckFailed;
}

}  // namespace

void AddLabDemo(CLI::App& lab) {
  CLI::App* demo = lab.add_subcommand(
      "demo",
      "Probes all pairs, tells flows, removes a policy under an open "
      "connection, and kills the process under others. Needs root.");
  auto arguments = std::make_shared<DemoArguments>();
  AddManifestOptions(*demo, arguments->manifests);
  AddLabNameOption(*demo, arguments->name);
  demo->add_option("--bpffs", arguments->bpffs,
                   "Where the datapath is pinned (/sys/fs/bpf).");
  demo->add_option("--src", arguments->source, "Pod that connects (ns/name).")
      ->required();
  demo->add_option("--dst", arguments->destination,
                   "Pod that listens (ns/name).")
      ->required();
  demo->add_option("--dport", arguments->port, "Port, as 8080/TCP.")
      ->required();
  demo->add_option("--without", arguments->policy,
                   "Policy that is removed for a while (ns/name; name, if it "
                   "is of the whole cluster).")
      ->required();
  SetAction(*demo, [arguments] { return Demo(*arguments); });
}

}  // namespace ciliumcore::ccore
