// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/counterparts_internal.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace ciliumcore {
namespace {

using Presence = PolicyDiff::Presence;

// Finds counterparts for members of two sides, each known by its place there.
class Pairing {
 public:
  Pairing(size_t before, size_t after)
      : after_of_(before, Counterparts::kNone),
        before_of_(after, Counterparts::kNone) {}

  // Whether there is somebody without counterpart on both sides.
  bool can_pair() const {
    return pairs_ < std::min(after_of_.size(), before_of_.size());
  }
  uint32_t after_of(uint32_t before) const { return after_of_[before]; }
  uint32_t before_of(uint32_t after) const { return before_of_[after]; }

  // Makes those of equal keys each other's counterpart, one by one in order.
  template <typename Key>
  void PairBy(const std::vector<Key>& before, const std::vector<Key>& after) {
    absl::flat_hash_map<Key, std::vector<uint32_t>> free;  // the first is last
    for (uint32_t i = static_cast<uint32_t>(after.size()); i-- > 0;) {
      if (before_of_[i] == Counterparts::kNone) free[after[i]].push_back(i);
    }
    for (uint32_t i = 0; i < before.size(); ++i) {
      if (after_of_[i] != Counterparts::kNone) continue;
      const auto at = free.find(before[i]);
      if (at == free.end() || at->second.empty()) continue;
      after_of_[i] = at->second.back();
      before_of_[after_of_[i]] = i;
      at->second.pop_back();
      ++pairs_;
    }
  }

  // Those that are left get the first of their key, which somebody has already.
  // Nothing can be paired by that key any more.
  template <typename Key>
  void ShareBy(const std::vector<Key>& before, const std::vector<Key>& after) {
    Share(before, after, after_of_);
    Share(after, before, before_of_);
  }

  // All of before, in order, and then those of after that are nobody's.
  std::vector<Counterparts> Result() const {
    std::vector<Counterparts> result;
    for (uint32_t i = 0; i < after_of_.size(); ++i) {
      result.push_back({i, after_of_[i]});
    }
    for (uint32_t i = 0; i < before_of_.size(); ++i) {
      const uint32_t before = before_of_[i];
      if (before == Counterparts::kNone || after_of_[before] != i) {
        result.push_back({before, i});
      }
    }
    return result;
  }

 private:
  template <typename Key>
  static void Share(const std::vector<Key>& keys,
                    const std::vector<Key>& others,
                    std::vector<uint32_t>& counterparts) {
    absl::flat_hash_map<Key, uint32_t> first;
    for (uint32_t i = 0; i < others.size(); ++i) {
      first.try_emplace(others[i], i);
    }
    for (uint32_t i = 0; i < keys.size(); ++i) {
      if (counterparts[i] != Counterparts::kNone) continue;
      const auto at = first.find(keys[i]);
      if (at != first.end()) counterparts[i] = at->second;
    }
  }

  std::vector<uint32_t> after_of_;   // by place before
  std::vector<uint32_t> before_of_;  // by place after
  size_t pairs_ = 0;
};

// What `key_of` says of each.
template <typename Member, typename KeyOf>
auto KeysOf(const std::vector<Member>& members, const KeyOf& key_of) {
  std::vector<decltype(key_of(members.front()))> keys;
  for (const Member& member : members) keys.push_back(key_of(member));
  return keys;
}

std::vector<const Pod*> PodsOf(const CompiledCluster& side,
                               const Workload* workload) {
  std::vector<const Pod*> pods;
  if (workload == nullptr) return pods;
  for (uint32_t pod : workload->pods) {
    pods.push_back(&side.cluster.pods[pod]);
  }
  return pods;
}

WorkloadCounterparts MatchPods(const CompiledCluster& before,
                               const CompiledCluster& after,
                               const Workload* before_workload,
                               const Workload* after_workload,
                               std::vector<PolicyDiff::LonePod>& lone) {
  const Workload& named =
      before_workload != nullptr ? *before_workload : *after_workload;
  WorkloadCounterparts matched;
  matched.workload = {named.ns, named.name, named.kind,
                      before_workload == nullptr  ? Presence::kAfter
                      : after_workload == nullptr ? Presence::kBefore
                                                  : Presence::kBoth};
  const std::vector<const Pod*> old_pods = PodsOf(before, before_workload);
  const std::vector<const Pod*> new_pods = PodsOf(after, after_workload);
  Pairing pairing(old_pods.size(), new_pods.size());
  const auto pair_by = [&](const auto& key_of) {
    if (!pairing.can_pair()) return;
    pairing.PairBy(KeysOf(old_pods, key_of), KeysOf(new_pods, key_of));
  };
  const auto labels = [](const Pod* pod) { return pod->labels; };
  const auto nothing = [](const Pod*) { return 0; };
  pair_by([](const Pod* pod) { return absl::string_view(pod->name); });
  for (uint32_t i = 0; i < old_pods.size(); ++i) {
    if (pairing.after_of(i) != Counterparts::kNone) continue;
    lone.push_back({old_pods[i]->ToString(), Presence::kBefore});
  }
  for (uint32_t i = 0; i < new_pods.size(); ++i) {
    if (pairing.before_of(i) != Counterparts::kNone) continue;
    lone.push_back({new_pods[i]->ToString(), Presence::kAfter});
  }
  pair_by(
      [](const Pod* pod) { return std::pair(pod->labels, pod->addresses); });
  pair_by(labels);
  pair_by(nothing);
  pairing.ShareBy(KeysOf(old_pods, labels), KeysOf(new_pods, labels));
  pairing.ShareBy(KeysOf(old_pods, nothing), KeysOf(new_pods, nothing));

  for (Counterparts pod : pairing.Result()) {
    if (pod.before != Counterparts::kNone) {
      pod.before = before_workload->pods[pod.before];
    }
    if (pod.after != Counterparts::kNone) {
      pod.after = after_workload->pods[pod.after];
    }
    matched.pods.push_back(pod);
  }
  return matched;
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
  if (before.empty() || after.empty()) {
    std::vector<Counterparts> ways;
    const size_t count = std::max({before.size(), after.size(), size_t{1}});
    for (uint32_t i = 0; i < count; ++i) {
      ways.push_back({before.empty() ? 0 : i, after.empty() ? 0 : i});
    }
    return ways;
  }
  Pairing pairing(before.size(), after.size());
  const auto family = [](const IpAddress& address) { return address.is_v4(); };
  pairing.PairBy(before, after);
  pairing.PairBy(KeysOf(before, family), KeysOf(after, family));
  pairing.ShareBy(KeysOf(before, family), KeysOf(after, family));
  return pairing.Result();
}

}  // namespace ciliumcore
