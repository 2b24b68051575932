// SPDX-License-Identifier: Apache-2.0
#include "tools/ccore/lab.h"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/service/cluster_services.h"

namespace ciliumcore::ccore {
namespace {

// What a probe may take. Everything is on this machine, but it may be busy.
constexpr int kProbeMs = 700;
constexpr int kSecondTryMs = 3000;

// A port number that no container has.
uint16_t UnnamedPort(const Cluster& cluster) {
  std::set<uint16_t> named;
  for (const Pod& pod : cluster.pods) {
    for (const NamedPort& port : pod.ports) named.insert(port.port.port);
  }
  uint16_t port = 9;  // discard
  while (named.contains(port)) ++port;
  return port;
}

// Ports that egress rules speak of: what the world listens on.
std::set<PortProtocol> EgressPorts(const Cluster& cluster) {
  std::set<PortProtocol> ports;
  for (const NetworkPolicy& policy : cluster.policies) {
    for (const NetworkPolicyRule& rule : policy.egress) {
      for (const PortRule& port : rule.ports) {
        if (!port.port.has_value()) continue;
        ports.insert({.protocol = port.protocol, .port = *port.port});
        if (port.end_port.has_value()) {
          ports.insert({.protocol = port.protocol, .port = *port.end_port});
        }
      }
    }
  }
  return ports;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunningLab>> RunningLab::Start(
    CompiledCluster cluster) {
  std::unique_ptr<RunningLab> lab(new RunningLab(std::move(cluster)));
  absl::StatusOr<Lab> topology =
      Lab::Create(lab->cluster_, lab->matrix_.ranges);
  if (!topology.ok()) return topology.status();
  lab->lab_.emplace(*std::move(topology));
  lab->NoteUnprobed();
  if (absl::Status prepared = lab->PrepareServices(); !prepared.ok())
    return prepared;
  if (absl::Status started = lab->StartDatapath(); !started.ok())
    return started;
  if (absl::Status started = lab->StartListeners(); !started.ok())
    return started;
  return lab;
}

void RunningLab::NoteUnprobed() {
  std::set<IpAddress> probed;
  for (const LabHost& host : lab_->hosts()) {
    probed.insert(host.addresses.begin(), host.addresses.end());
    if (host.addresses.empty()) {
      notes_.push_back(
          absl::StrCat(host.name, " has no address: it is not probed"));
    }
  }
  for (const AddressRange& range : matrix_.ranges) {
    // Of a range that is a pod's alone, the pod is probed.
    auto first = probed.lower_bound(range.first);
    if (first == probed.end() || *first > range.last) {
      notes_.push_back(absl::StrCat(
          range.ToString(),
          " has no address that a host can have: it is not probed"));
    }
  }
}

// Whoever runs the lab is in a cgroup of the lab, for as long as it runs.
absl::Status RunningLab::PrepareServices() {
  const auto cidr = [](const char* text) { return *IpPrefix::Parse(text); };
  absl::StatusOr<ClusterServices> services = ServicesOf(
      cluster_.cluster,
      {.service_cidrs = {cidr("10.96.0.0/12"), cidr("fd00:10:96::/112")}});
  if (!services.ok()) return services.status();
  services_ = std::move(services->services);
  notes_.insert(notes_.end(), services->notes.begin(), services->notes.end());
  if (services_.empty()) return absl::OkStatus();
  absl::StatusOr<Cgroup> cgroup = Cgroup::Create("ciliumcore-lab");
  absl::Status entered = cgroup.status();
  if (cgroup.ok()) {
    cgroup_.emplace(*std::move(cgroup));
    entered = cgroup_->Enter();
  }
  if (entered.ok()) return entered;
  // Where cgroups cannot be made, the rest can be tried.
  notes_.push_back(absl::StrCat("services are left out: ", entered.message()));
  services_.clear();
  cgroup_.reset();
  return absl::OkStatus();
}

absl::Status RunningLab::StartDatapath() {
  absl::StatusOr<Datapath> datapath = Datapath::Open(
      {.name = absl::StrCat("lab-", getpid()),
       .lifetime = Lifetime::kProcess,
       .netns = lab_->node().path(),
       .cgroup = cgroup_.has_value() ? cgroup_->path() : "",
       .capacity = {
           .connections = 65536, .addresses = 65536, .prefixes = 16384}});
  if (!datapath.ok()) return datapath.status();
  datapath_.emplace(*std::move(datapath));
  const Cluster& cluster = cluster_.cluster;
  for (const Pod& pod : cluster.pods) {
    identities_.push_back(
        pod.host_network ? allocator_.Allocate(*Labels::Parse("reserved:host"))
                         : allocator_.Allocate(PodIdentityLabels(
                               pod.labels, cluster.namespaces.at(pod.ns))));
  }
  Transaction change = datapath_->Begin();
  for (const LabHost& host : lab_->hosts()) {
    if (host.interface.empty()) continue;
    EndpointOptions endpoint;
    endpoint.interface = host.interface;
    endpoint.addresses = host.addresses;
    endpoint.identity = identities_[*host.pod];
    endpoint.ports = cluster.pods[*host.pod].ports;
    endpoint.name = host.name;
    change.AttachEndpoint(std::move(endpoint));
  }
  change.SetPolicies(cluster.policies);
  change.SetServices(services_);
  return change.Commit();
}

absl::Status RunningLab::SetPolicies(std::vector<NetworkPolicy> policies) {
  Transaction change = datapath_->Begin();
  change.SetPolicies(std::move(policies));
  return change.Commit();
}

std::vector<PortProtocol> RunningLab::PortsOf(const LabHost& host) const {
  const uint16_t unnamed = UnnamedPort(cluster_.cluster);
  std::set<PortProtocol> ports = {
      {.protocol = Protocol::kTcp, .port = unnamed},
      {.protocol = Protocol::kUdp, .port = unnamed}};
  if (host.pod.has_value()) {
    for (const NamedPort& port : cluster_.cluster.pods[*host.pod].ports) {
      ports.insert(port.port);
    }
  } else {
    ports.merge(EgressPorts(cluster_.cluster));
  }
  return {ports.begin(), ports.end()};
}

absl::Status RunningLab::StartListeners() {
  listeners_ = std::make_unique<Listeners>();
  std::set<std::pair<IpAddress, PortProtocol>> done;  // the node's pods share
  for (const LabHost& host : lab_->hosts()) {
    for (const IpAddress& address : host.addresses) {
      for (const PortProtocol& port : PortsOf(host)) {
        if (!done.emplace(address, port).second) continue;
        absl::Status added =
            listeners_->Add({.netns = host.netns, .address = address}, port);
        if (absl::IsUnimplemented(added)) {
          unavailable_.insert(port.protocol);
        } else if (!added.ok()) {
          return Annotate(added, host.name);
        }
      }
    }
  }
  for (Protocol protocol : unavailable_) {
    notes_.push_back(absl::StrCat("this kernel has no ", ProtocolName(protocol),
                                  ": its ports are not probed"));
  }
  return absl::OkStatus();
}

std::vector<LabProbe> RunningLab::PlanProbes() const {
  const std::vector<LabHost>& hosts = lab_->hosts();
  std::vector<LabProbe> probes;
  for (size_t from = 0; from < hosts.size(); ++from) {
    for (size_t to = 0; to < hosts.size(); ++to) {
      // Nobody of ours is between two of one namespace.
      if (hosts[from].netns == hosts[to].netns) continue;
      for (const IpAddress& source : hosts[from].addresses) {
        for (const IpAddress& destination : hosts[to].addresses) {
          if (source.is_v4() != destination.is_v4()) continue;
          for (const PortProtocol& port : PortsOf(hosts[to])) {
            if (unavailable_.contains(port.protocol)) continue;
            LabProbe probe;
            probe.source = from;
            probe.destination = to;
            probe.probe.source = {.netns = hosts[from].netns,
                                  .address = source};
            probe.probe.destination = {.netns = hosts[to].netns,
                                       .address = destination};
            probe.probe.port = port;
            probe.expected =
                cluster_.policy
                    .DecidePair(cluster_.policy.PartyOf(source),
                                cluster_.policy.PartyOf(destination),
                                port.protocol, port.port)
                    .allowed();
            probes.push_back(probe);
          }
        }
      }
    }
  }
  PlanServiceProbes(probes);
  return probes;
}

// May a pod reach the service? Nothing if that depends on the backend it gets.
std::optional<bool> RunningLab::ExpectedOf(
    const LabHost& source, const IpAddress& address,
    const ServiceOptions& service) const {
  std::optional<bool> expected;
  for (const Backend& backend : service.backends) {
    // To itself a pod speaks without the node.
    const auto& own = source.addresses;
    const bool is_own =
        std::find(own.begin(), own.end(), backend.address) != own.end();
    const bool allowed =
        is_own || cluster_.policy
                      .DecidePair(cluster_.policy.PartyOf(address),
                                  cluster_.policy.PartyOf(backend.address),
                                  service.frontend.port.protocol, backend.port)
                      .allowed();
    if (expected.value_or(allowed) != allowed) return std::nullopt;
    expected = allowed;
  }
  return expected.value_or(false);
}

void RunningLab::PlanServiceProbes(std::vector<LabProbe>& probes) const {
  const std::vector<LabHost>& hosts = lab_->hosts();
  for (size_t from = 0; from < hosts.size(); ++from) {
    // Only the cluster knows its services.
    if (hosts[from].interface.empty()) continue;
    for (const IpAddress& source : hosts[from].addresses) {
      for (size_t i = 0; i < services_.size(); ++i) {
        const Frontend& frontend = services_[i].frontend;
        if (frontend.address.is_v4() != source.is_v4()) continue;
        const std::optional<bool> expected =
            ExpectedOf(hosts[from], source, services_[i]);
        if (!expected.has_value()) continue;
        LabProbe probe;
        probe.source = from;
        probe.service = i;
        probe.probe.source = {.netns = hosts[from].netns, .address = source};
        probe.probe.destination = {.netns = hosts[from].netns,
                                   .address = frontend.address};
        probe.probe.port = frontend.port;
        probe.expected = *expected;
        probes.push_back(probe);
      }
    }
  }
}

absl::StatusOr<std::string> RunningLab::PlantFault() {
  for (const LabProbe& probe : PlanProbes()) {
    if (!probe.destination.has_value()) continue;
    const LabHost& destination = lab_->hosts()[*probe.destination];
    if (destination.interface.empty() || !probe.expected) continue;
    absl::StatusOr<Verdict> was = datapath_->PlantFault(
        probe.probe.source.address, probe.probe.destination.address,
        probe.probe.port);
    if (!was.ok()) return was.status();
    return absl::StrCat(destination.name, " denies ",
                        lab_->hosts()[probe.source].name, " ",
                        probe.probe.port.ToString());
  }
  return absl::NotFoundError("no probe is allowed: nothing to turn around");
}

absl::StatusOr<std::vector<LabProbe>> RunningLab::ProbeAll() {
  std::vector<LabProbe> probes = PlanProbes();
  std::vector<Probe*> all;
  for (LabProbe& probe : probes) all.push_back(&probe.probe);
  if (absl::Status run = RunProbes(all, kProbeMs); !run.ok()) return run;
  // A busy machine may be slow to answer; it does not let through what is
  // denied.
  std::vector<Probe*> again;
  for (LabProbe& probe : probes) {
    if (probe.expected && !probe.probe.reached) again.push_back(&probe.probe);
  }
  if (absl::Status run = RunProbes(again, kSecondTryMs); !run.ok()) return run;
  return probes;
}

}  // namespace ciliumcore::ccore
