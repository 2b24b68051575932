// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/counterparts_internal.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace ciliumcore {
namespace {

using Presence = PolicyDiff::Presence;

// Of one workload on one side: where to look for a counterpart.
class Candidates {
 public:
  Candidates(const std::vector<Pod>& pods, const std::vector<uint32_t>& members)
      : first_(members.empty() ? Counterparts::kNone : members.front()) {
    for (uint32_t pod : members) {
      by_name_.try_emplace(pods[pod].name, pod);
      by_labels_.try_emplace(pods[pod].labels, pod);
    }
  }

  bool HasName(const Pod& pod) const { return by_name_.contains(pod.name); }

  uint32_t Of(const Pod& pod) const {
    if (auto at = by_name_.find(pod.name); at != by_name_.end()) {
      return at->second;
    }
    auto at = by_labels_.find(pod.labels);
    return at != by_labels_.end() ? at->second : first_;
  }

 private:
  const uint32_t first_;
  absl::flat_hash_map<std::string, uint32_t> by_name_;
  absl::flat_hash_map<Labels, uint32_t> by_labels_;
};

WorkloadCounterparts MatchPods(const CompiledCluster& before,
                               const CompiledCluster& after,
                               const Workload* before_workload,
                               const Workload* after_workload,
                               std::vector<PolicyDiff::LonePod>& lone) {
  static const std::vector<uint32_t>* const kNobody =
      new std::vector<uint32_t>();
  const Workload& named =
      before_workload != nullptr ? *before_workload : *after_workload;
  const std::vector<uint32_t>& old_pods =
      before_workload != nullptr ? before_workload->pods : *kNobody;
  const std::vector<uint32_t>& new_pods =
      after_workload != nullptr ? after_workload->pods : *kNobody;

  WorkloadCounterparts matched;
  matched.workload = {named.ns, named.name, named.kind,
                      before_workload == nullptr  ? Presence::kAfter
                      : after_workload == nullptr ? Presence::kBefore
                                                  : Presence::kBoth};
  const Candidates old_candidates(before.cluster.pods, old_pods);
  const Candidates new_candidates(after.cluster.pods, new_pods);
  for (uint32_t pod : old_pods) {
    const Pod& old_pod = before.cluster.pods[pod];
    matched.pods.push_back({pod, new_candidates.Of(old_pod)});
    if (!new_candidates.HasName(old_pod)) {
      lone.push_back({old_pod.ToString(), Presence::kBefore});
    }
  }
  for (uint32_t pod : new_pods) {
    const Pod& new_pod = after.cluster.pods[pod];
    if (old_candidates.HasName(new_pod)) continue;
    matched.pods.push_back({old_candidates.Of(new_pod), pod});
    lone.push_back({new_pod.ToString(), Presence::kAfter});
  }
  return matched;
}

// The place in `others` of what stands for `addresses[index]` there.
uint32_t CounterpartOf(const std::vector<IpAddress>& addresses, uint32_t index,
                       const std::vector<IpAddress>& others) {
  if (others.empty() || addresses.empty()) return 0;
  const IpAddress& address = addresses[index];
  const auto same = std::find(others.begin(), others.end(), address);
  if (same != others.end()) return static_cast<uint32_t>(same - others.begin());
  // The next of the family, by turns; the last if there are too few.
  uint32_t skip = static_cast<uint32_t>(
      std::count_if(addresses.begin(), addresses.begin() + index,
                    [&address](const IpAddress& earlier) {
                      return earlier.is_v4() == address.is_v4();
                    }));
  uint32_t found = Counterparts::kNone;
  for (uint32_t i = 0; i < others.size(); ++i) {
    if (others[i].is_v4() != address.is_v4()) continue;
    found = i;
    if (skip-- == 0) break;
  }
  return found;
}

}  // namespace

std::vector<WorkloadCounterparts> MatchWorkloads(
    const CompiledCluster& before, const CompiledCluster& after,
    std::vector<PolicyDiff::LonePod>& lone) {
  std::vector<WorkloadCounterparts> matched;
  const auto name = [](const Workload& workload) {
    return std::tie(workload.ns, workload.name, workload.kind);
  };
  auto old_at = before.workloads.begin();
  auto new_at = after.workloads.begin();
  while (old_at != before.workloads.end() || new_at != after.workloads.end()) {
    const Workload* old_workload =
        old_at != before.workloads.end() ? &*old_at : nullptr;
    const Workload* new_workload =
        new_at != after.workloads.end() ? &*new_at : nullptr;
    if (old_workload != nullptr && new_workload != nullptr) {
      if (name(*old_workload) < name(*new_workload)) {
        new_workload = nullptr;
      } else if (name(*new_workload) < name(*old_workload)) {
        old_workload = nullptr;
      }
    }
    matched.push_back(
        MatchPods(before, after, old_workload, new_workload, lone));
    if (old_workload != nullptr) ++old_at;
    if (new_workload != nullptr) ++new_at;
  }
  return matched;
}

std::vector<Counterparts> MatchAddresses(const std::vector<IpAddress>& before,
                                         const std::vector<IpAddress>& after) {
  std::vector<Counterparts> ways;
  for (uint32_t i = 0; i < std::max<size_t>(before.size(), 1); ++i) {
    ways.push_back({i, CounterpartOf(before, i, after)});
  }
  for (uint32_t i = 0; i < std::max<size_t>(after.size(), 1); ++i) {
    ways.push_back({CounterpartOf(after, i, before), i});
  }
  std::sort(ways.begin(), ways.end());
  ways.erase(std::unique(ways.begin(), ways.end()), ways.end());
  return ways;
}

}  // namespace ciliumcore
