// SPDX-License-Identifier: Apache-2.0

// An instance that another process writes, against manifests.

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/datapath/verify.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/net/netlink.h"
#include "ciliumcore/net/netns.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/journal_codec_internal.h"
#include "lib/datapath/kernel_status_internal.h"
#include "lib/datapath/verify_internal.h"

namespace ciliumcore {
namespace internal {
namespace {

constexpr int kTries = 10;
constexpr absl::Duration kPause = absl::Milliseconds(5);

// An endpoint as the journal knows it.
struct Judging {
  uint32_t slot = 0;
  std::string interface;
  std::optional<uint32_t> pod;  // of the manifests
};

absl::StatusOr<std::vector<Judging>> JudgingOf(
    const Journal::Records& records) {
  std::vector<Judging> found;
  for (const auto& [key, value] : records) {
    if (key.first != JournalKind::kEndpoint) continue;
    const auto slot = DecodeKey(key.second);
    const auto endpoint = DecodeEndpoint(value);
    if (!slot.has_value() || !endpoint.has_value()) {
      return absl::DataLossError(
          "map cc_journal: a record of an endpoint cannot be read");
    }
    found.push_back({*slot, endpoint->interface, std::nullopt});
  }
  return found;
}

// Which pod is at which interface: the one that has the endpoint's own address,
// and whose address leads to the endpoint. Where the maps contradict
// themselves, one of the two is right.
class PodFinder {
 public:
  PodFinder(const Cluster& cluster, const InstanceView& view) : view_(view) {
    for (uint32_t i = 0; i < cluster.pods.size(); ++i) {
      if (cluster.pods[i].host_network) continue;
      for (const IpAddress& address : cluster.pods[i].addresses)
        pods_[address] = i;
    }
    view.ForEachAddress([&](uint32_t, uint32_t place) {
      if (place >= view.places.size()) return;
      const auto pod = pods_.find(abi::FromAddr(view.places[place].addr));
      if (pod != pods_.end())
        led_to_[view.ValueOf(place).where].insert(pod->second);
    });
  }

  void Assign(std::vector<Judging>& all) {
    AssignBy(all, [&](uint32_t slot) {
      std::set<uint32_t> both;
      const std::set<uint32_t> own = OwnersOf(slot);
      std::set_intersection(own.begin(), own.end(), led_to_[slot].begin(),
                            led_to_[slot].end(),
                            std::inserter(both, both.end()));
      return both;
    });
    AssignBy(all, [&](uint32_t slot) { return led_to_[slot]; });
    AssignBy(all, [&](uint32_t slot) { return OwnersOf(slot); });
  }

 private:
  template <typename Candidates>
  void AssignBy(std::vector<Judging>& all, Candidates candidates) {
    for (Judging& judging : all) {
      if (judging.pod.has_value()) continue;
      for (const uint32_t pod : candidates(judging.slot)) {
        if (!assigned_.insert(pod).second) continue;
        judging.pod = pod;
        break;
      }
    }
  }

  std::set<uint32_t> OwnersOf(uint32_t slot) const {
    std::set<uint32_t> owners;
    if (slot >= view_.endpoints.size()) return owners;
    const cc_endpoint& endpoint = view_.endpoints[slot];
    for (const cc_addr& own : {endpoint.v4, endpoint.v6}) {
      const auto pod = pods_.find(abi::FromAddr(own));
      if (pod != pods_.end()) owners.insert(pod->second);
    }
    return owners;
  }

  const InstanceView& view_;
  std::map<IpAddress, uint32_t> pods_;
  std::map<uint32_t, std::set<uint32_t>> led_to_;  // by slot
  std::set<uint32_t> assigned_;
};

// Interfaces with programs, by name, as far as links tell.
std::map<std::string, uint32_t> LinkedInterfaces(const InstanceView& view) {
  std::map<std::string, uint32_t> interfaces;
  const std::string directory = view.directory() + "/links";
  for (const std::string& name : NamesIn(directory)) {
    if (!absl::StartsWith(name, "from:")) continue;
    const auto link = FindLink(absl::StrCat(directory, "/", name));
    if (link.ok() && !link->is_stale)
      interfaces[link->interface] = link->ifindex;
  }
  return interfaces;
}

// What the manifests say of an instance.
class ClusterIntent {
 public:
  ClusterIntent(const Cluster& cluster, const Journal::Records& records)
      : cluster_(cluster), records_(records) {}

  absl::StatusOr<Intent> Make(const std::vector<Judging>& judging) {
    CC_ASSIGN_OR_RETURN(held_, RecoverIdentities(records_, allocator_));
    Intent intent;
    std::set<uint32_t> local;
    for (const Judging& one : judging) {
      if (!one.pod.has_value()) continue;
      const Pod& pod = cluster_.pods[*one.pod];
      local.insert(*one.pod);
      EndpointOptions endpoint;
      endpoint.interface = one.interface;
      endpoint.addresses = pod.addresses;
      endpoint.identity = IdentityOf(pod);
      endpoint.ports = pod.ports;
      endpoint.name = pod.ToString();
      intent.endpoints.Edit()[one.interface] = std::move(endpoint);
    }
    for (uint32_t i = 0; i < cluster_.pods.size(); ++i) {
      const Pod& pod = cluster_.pods[i];
      if (pod.host_network || pod.addresses.empty() || local.contains(i))
        continue;
      RemoteOptions remote;
      remote.addresses = pod.addresses;
      remote.identity = IdentityOf(pod);
      remote.ports = pod.ports;
      remote.name = pod.ToString();
      intent.remotes.Set(pod.addresses.front(), std::move(remote));
    }
    intent.policies = Shared(PoliciesOf(cluster_));
    intent.context = Shared(PolicyContextOf(cluster_));
    for (const auto& [name, ns] : cluster_.namespaces)
      intent.namespaces.push_back(ns);
    return intent;
  }

 private:
  IdentityRef IdentityOf(const Pod& pod) {
    const auto ns = cluster_.namespaces.find(pod.ns);
    return allocator_.Allocate(PodIdentityLabels(
        pod.labels,
        ns == cluster_.namespaces.end() ? MakeNamespace(pod.ns) : ns->second));
  }

  const Cluster& cluster_;
  const Journal::Records& records_;
  IdentityAllocator allocator_;
  std::vector<IdentityRef> held_;
};

// Of the numbers of a state, those that mean the same to the instance: what its
// journal says, and reserved ones.
std::vector<uint32_t> SharedNumbers(const Journal::Records& records,
                                    const DesiredState& state) {
  std::vector<uint32_t> shared = PeersOf(state);
  std::erase_if(shared, [&](uint32_t peer) {
    const std::string key = EncodeKey(peer);
    return peer >= kFirstClusterIdentity &&
           !records.contains({JournalKind::kPeer, key}) &&
           !records.contains({JournalKind::kIdentity, key});
  });
  return shared;
}

absl::StatusOr<VerifyReport> VerifyOnce(const InspectOptions& options,
                                        const Cluster& cluster) {
  CC_ASSIGN_OR_RETURN(InstanceView view, InstanceView::Open(options));
  CC_RETURN_IF_ERROR(view.Find("cc_journal").status());
  CC_ASSIGN_OR_RETURN(const Journal::Records records,
                      Journal::RecordsAt(view.journal, view.epoch()));
  CC_ASSIGN_OR_RETURN(std::vector<Judging> judging, JudgingOf(records));
  PodFinder(cluster, view).Assign(judging);

  ClusterIntent manifests(cluster, records);
  CC_ASSIGN_OR_RETURN(const Intent told, manifests.Make(judging));
  Planner planner;
  CC_ASSIGN_OR_RETURN(const RecoveredNames names, planner.Recover(records));
  CC_ASSIGN_OR_RETURN(Intent intent, planner.Edited({[&](Intent& edited) {
    edited = told;
    return absl::OkStatus();
  }}));
  CC_ASSIGN_OR_RETURN(const NetNs netns, options.netns.empty()
                                             ? NetNs::Current()
                                             : NetNs::Open(options.netns));
  CC_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open(netns));
  auto surroundings = std::make_shared<Surroundings>();
  CC_ASSIGN_OR_RETURN(const auto addresses, netlink.Addresses());
  for (const InterfaceAddress& own : addresses)
    surroundings->host_addresses.push_back(own.address);
  KeepOnlyTheHosts(intent, surroundings->host_addresses);

  std::map<std::string, uint32_t> linked = LinkedInterfaces(view);
  WantedVerdicts wanted;
  for (const Judging& one : judging) {
    uint32_t ifindex = 0;
    if (const auto link = linked.find(one.interface); link != linked.end()) {
      ifindex = link->second;
    } else if (const auto found = netlink.FindLink(one.interface); found.ok()) {
      ifindex = found->ifindex;
    } else if (one.slot < view.endpoints.size()) {
      ifindex = view.endpoints[one.slot].ifindex;  // it is gone
    }
    linked.erase(one.interface);
    if (one.pod.has_value()) {
      surroundings->links[one.interface].ifindex = ifindex;
    } else {
      wanted.idle_interfaces[ifindex] = one.interface;
    }
  }
  for (const auto& [interface, ifindex] : linked)
    wanted.idle_interfaces[ifindex] = interface;

  CC_ASSIGN_OR_RETURN(Planner::Plan plan,
                      planner.Compiled(std::move(intent), surroundings));
  wanted.state = plan.desired;
  wanted.identities = SharedNumbers(records, wanted.state);
  planner.Published(std::move(plan));  // so that it knows names
  CC_ASSIGN_OR_RETURN(const LiveMaps maps, LiveMaps::Of(view));
  CC_ASSIGN_OR_RETURN(VerifyReport report, VerifyMaps(maps, wanted, planner));
  if (report.generation == view.epoch()) return report;
  return absl::UnavailableError(
      absl::StrCat("instance ", options.name, ": generation ", view.epoch(),
                   " ended while it was read, ", report.generation, " began"));
}

}  // namespace
}  // namespace internal

// What a writer prepares is nobody's yet, but some of it can be seen: a
// difference is believed when it is found again. A journal that is written over
// may look damaged.
absl::StatusOr<VerifyReport> VerifyInstance(const InspectOptions& instance,
                                            const Cluster& cluster) {
  absl::StatusOr<VerifyReport> report = internal::VerifyOnce(instance, cluster);
  for (int i = 1; i < internal::kTries; ++i) {
    const bool is_sure = report.ok() ? report->is_equal()
                                     : !absl::IsUnavailable(report.status()) &&
                                           !absl::IsDataLoss(report.status());
    if (is_sure) return report;
    absl::SleepFor(internal::kPause);
    absl::StatusOr<VerifyReport> again =
        internal::VerifyOnce(instance, cluster);
    const bool is_found_again =
        report.ok() && again.ok() &&
        report->counter_example == again->counter_example;
    report = std::move(again);
    if (is_found_again) return report;
  }
  if (!report.ok() || report->is_equal()) return report;
  return absl::UnavailableError(
      absl::StrCat("instance ", instance.name,
                   ": its maps differed in another place each "
                   "time that they were read: somebody is writing them"));
}

}  // namespace ciliumcore
