// SPDX-License-Identifier: Apache-2.0

// The services of a running lab: who reaches them, by which names, and how they
// spread.

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ciliumcore/service/cluster_services.h"
#include "tools/ccore/lab.h"
#include "tools/ccore/lab/names.h"

namespace ciliumcore::ccore {
namespace {

constexpr int kConnectMs = 3000;

}  // namespace

// Whoever runs the lab is in a cgroup of the lab, for as long as it runs.
absl::Status RunningLab::PrepareServices() {
  const auto cidr = [](const char* text) { return *IpPrefix::Parse(text); };
  absl::StatusOr<ClusterServices> services = ServicesOf(
      cluster_.cluster,
      {.service_cidrs = {cidr("10.96.0.0/12"), cidr("fd00:10:96::/112")}});
  if (!services.ok()) return services.status();
  services_ = std::move(services->services);
  notes_.insert(notes_.end(), services->notes.begin(), services->notes.end());
  if (services_.empty() && !is_kept()) return absl::OkStatus();
  absl::StatusOr<Cgroup> cgroup = is_kept()
                                      ? Cgroup::Keep(keeping_->places.cgroup())
                                      : Cgroup::Create("ciliumcore-lab");
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

bool RunningLab::HasListener(const IpAddress& address) const {
  const std::vector<LabHost>& hosts = lab_->hosts();
  return std::any_of(hosts.begin(), hosts.end(), [&](const LabHost& host) {
    return std::find(host.addresses.begin(), host.addresses.end(), address) !=
           host.addresses.end();
  });
}

// May a pod reach the service? Nothing if that depends on the backend it gets.
std::optional<bool> RunningLab::ExpectedOf(
    const LabHost& source, const IpAddress& address,
    const ServiceOptions& service) const {
  std::optional<bool> expected;
  for (const Backend& backend : service.backends) {
    // Nobody of ours may answer there.
    if (!HasListener(backend.address)) return std::nullopt;
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

absl::StatusOr<std::vector<ServiceSpread>> RunningLab::Spread(
    uint32_t connects) {
  std::vector<ServiceSpread> spreads;
  if (connects == 0) return spreads;
  std::vector<LabProbe> plan;
  PlanServiceProbes(plan);
  std::map<size_t, std::vector<const LabProbe*>> clients;
  for (const LabProbe& probe : plan) {
    if (probe.expected) clients[*probe.service].push_back(&probe);
  }
  std::vector<std::pair<size_t, Probe>> probes;
  for (const auto& [service, from] : clients) {
    for (uint32_t i = 0; i < connects; ++i) {
      probes.emplace_back(spreads.size(), from[i % from.size()]->probe);
      probes.back().second.ask = true;
    }
    spreads.push_back({.service = service, .connects = connects});
  }
  std::vector<Probe*> all;
  for (auto& [unused, probe] : probes) all.push_back(&probe);
  if (absl::Status run = RunProbes(all, kConnectMs); !run.ok()) return run;
  // So many datagrams at once may be more than a socket holds.
  std::erase_if(all, [](Probe* probe) { return probe->reached; });
  if (absl::Status run = RunProbes(all, kConnectMs); !run.ok()) return run;
  for (const auto& [spread, probe] : probes) {
    if (probe.answer.has_value()) ++spreads[spread].answers[*probe.answer];
  }
  return spreads;
}

absl::StatusOr<NameCheck> RunningLab::CheckNames() const {
  const Cluster& cluster = cluster_.cluster;
  std::set<std::string> of_pods;
  for (const Pod& pod : cluster.pods) {
    if (!pod.host_network) of_pods.insert(pod.ns);
  }
  // What anybody knows; who does not know a name must not find it.
  std::set<std::string> all;
  for (const auto& [ns, unused] : cluster.namespaces) {
    for (const auto& [name, addresses] : NamesFor(cluster, services_, ns))
      all.insert(name);
  }
  NameCheck check;
  if (all.empty()) return check;
  for (const std::string& ns : of_pods) {
    const Names wanted = NamesFor(cluster, services_, ns);
    absl::StatusOr<Names> found = Resolve(HostsText(wanted), all);
    if (!found.ok()) return found.status();
    for (const auto& [name, addresses] : *found) {
      const auto known = wanted.find(name);
      ++check.names;
      if (addresses !=
          (known == wanted.end() ? std::set<IpAddress>() : known->second)) {
        check.wrong.push_back(absl::StrCat(name, " in namespace ", ns));
      }
    }
  }
  return check;
}

}  // namespace ciliumcore::ccore
