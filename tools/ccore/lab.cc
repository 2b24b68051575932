// SPDX-License-Identifier: Apache-2.0
#include "tools/ccore/lab.h"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "tools/ccore/lab/names.h"

namespace ciliumcore::ccore {
namespace {

// What a probe may take. Everything is on this machine, but it may be busy.
constexpr int kProbeMs = 700;
constexpr int kSecondTryMs = 3000;

}  // namespace

void PutHostPodsOnOneNode(Cluster& cluster) {
  std::set<IpAddress> own;
  for (const Pod& pod : cluster.pods) {
    if (pod.host_network) {
      own.insert(pod.addresses.begin(), pod.addresses.end());
    }
  }
  for (auto& [name, node] : cluster.nodes) {
    std::erase_if(node.addresses, [&](const IpAddress& address) {
      return own.contains(address);
    });
  }
}

absl::StatusOr<std::unique_ptr<RunningLab>> RunningLab::Start(
    CompiledCluster cluster, std::optional<LabKeeping> keeping) {
  std::unique_ptr<RunningLab> lab(
      new RunningLab(std::move(cluster), std::move(keeping)));
  absl::StatusOr<Lab> topology =
      Lab::Create(lab->cluster_, lab->matrix_.ranges, lab->Keeping());
  if (!topology.ok()) return topology.status();
  lab->lab_.emplace(*std::move(topology));
  lab->NoteUnprobed();
  if (absl::Status prepared = lab->PrepareServices(); !prepared.ok())
    return prepared;
  if (absl::Status started = lab->StartDatapath(); !started.ok())
    return started;
  if (absl::Status started =
          lab->is_kept() ? lab->KeepListeners() : lab->StartListeners();
      !started.ok())
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

absl::Status RunningLab::StartDatapath() {
  absl::StatusOr<Datapath> datapath = Datapath::Open(
      {.name = is_kept() ? keeping_->places.instance()
                         : absl::StrCat("lab-", getpid()),
       .lifetime = is_kept() ? Lifetime::kPinned : Lifetime::kProcess,
       .bpffs = is_kept() ? keeping_->state.bpffs : "",
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
  change.SetPolicies(PoliciesOf(cluster));
  change.SetPolicyContext(PolicyContextOf(cluster));
  change.SetServices(services_);
  return change.Commit();
}

absl::Status RunningLab::SetPolicies(Policies policies) {
  Transaction change = datapath_->Begin();
  change.SetPolicies(std::move(policies));
  return change.Commit();
}

// Each once: the node's pods share addresses.
std::vector<std::pair<const LabHost*, LabListener>> RunningLab::AllListeners()
    const {
  std::vector<std::pair<const LabHost*, LabListener>> listeners;
  std::set<LabListener> done;
  for (const LabHost& host : lab_->hosts()) {
    for (const IpAddress& address : host.addresses) {
      for (const PortProtocol& port : PortsOf(host)) {
        if (done.emplace(address, port).second)
          listeners.push_back({&host, {address, port}});
      }
    }
  }
  return listeners;
}

absl::Status RunningLab::StartListeners() {
  listeners_ = std::make_unique<Listeners>();
  for (const auto& [host, listener] : AllListeners()) {
    const auto& [address, port] = listener;
    absl::Status added =
        listeners_->Add({.netns = host->netns, .address = address}, port);
    if (absl::IsUnimplemented(added)) {
      unavailable_.insert(port.protocol);
    } else if (!added.ok()) {
      return Annotate(added, host->name);
    }
  }
  for (Protocol protocol : unavailable_) {
    notes_.push_back(absl::StrCat("this kernel has no ", ProtocolName(protocol),
                                  ": its ports are not probed"));
  }
  return absl::OkStatus();
}

// In a process that stays, which reads the state.
absl::Status RunningLab::KeepListeners() {
  KeptState& state = keeping_->state;
  const KeptPlaces& places = keeping_->places;
  ++state.revision;
  state.listeners.clear();
  for (const auto& [host, listener] : AllListeners()) {
    const auto& [address, port] = listener;
    if (port.protocol == Protocol::kSctp) {
      unavailable_.insert(port.protocol);
    } else {
      state.listeners.push_back({host->Role(), address, port});
    }
  }
  state.services.clear();
  for (const ServiceOptions& service : services_) {
    std::vector<IpAddress>& addresses =
        state.services[service.name.substr(0, service.name.find(':'))];
    const IpAddress& address = service.frontend.address;
    if (std::find(addresses.begin(), addresses.end(), address) ==
        addresses.end())
      addresses.push_back(address);
  }
  for (const auto& [ns, unused] : cluster_.cluster.namespaces) {
    absl::Status written =
        places.WriteFile(absl::StrCat("hosts.", ns),
                         HostsText(NamesFor(cluster_.cluster, services_, ns)));
    if (!written.ok()) return written;
  }
  if (absl::Status written = places.Write(state); !written.ok()) return written;
  return places.ServeListeners(state);
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
            const PairDecision decision = cluster_.policy.DecidePair(
                cluster_.policy.PartyOf(source),
                cluster_.policy.PartyOf(destination), port.protocol, port.port);
            probe.expected = decision.allowed();
            probe.needs_proxy = decision.needs_proxy();
            probes.push_back(probe);
          }
        }
      }
    }
  }
  PlanServiceProbes(probes);
  return probes;
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
