// SPDX-License-Identifier: Apache-2.0

// From workloads to pods: who owns whom, and which replicas there are.

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/policy/manifest_objects_internal.h"

namespace ciliumcore::internal {
namespace {

// Longer chains of owners do not exist, and circles must end.
constexpr int kMostOwners = 8;

constexpr absl::string_view kTemplateHashLabel = "pod-template-hash";

class Owners {
 public:
  explicit Owners(const std::vector<PodSource>& sources) {
    for (const PodSource& source : sources) {
      if (!source.is_pod()) workloads_.emplace(source.object, &source);
    }
    for (const PodSource& source : sources) {
      if (!source.is_pod()) continue;
      for (const ObjectName& owner : ChainOf(source)) with_pods_.insert(owner);
    }
  }

  // The owners of `source`, the nearest first.
  std::vector<ObjectName> ChainOf(const PodSource& source) const {
    std::vector<ObjectName> chain;
    std::optional<ObjectName> next = source.controller;
    while (next.has_value() && chain.size() < kMostOwners) {
      chain.push_back(*next);
      const auto found = workloads_.find(*next);
      next = found != workloads_.end() ? found->second->controller
                                       : DeploymentOf(*next, source.pod.labels);
    }
    return chain;
  }

  // Whether pods of `workload` are to be made up: neither are there any among
  // the objects, nor does a workload that is there have it as a part.
  bool IsToExpand(const PodSource& workload) const {
    if (with_pods_.contains(workload.object)) return false;
    return !workload.controller.has_value() ||
           !workloads_.contains(*workload.controller);
  }

 private:
  // The owner of a ReplicaSet that is not among the objects, if that owner is:
  // a Deployment names its ReplicaSets by the hash that it labels their pods
  // with.
  std::optional<ObjectName> DeploymentOf(const ObjectName& owner,
                                         const Labels& pod_labels) const {
    const std::string* hash = pod_labels.Get(kTemplateHashLabel);
    if (owner.kind != "ReplicaSet" || hash == nullptr || hash->empty()) {
      return std::nullopt;
    }
    absl::string_view name = owner.name;
    if (!absl::ConsumeSuffix(&name, absl::StrCat("-", *hash)) || name.empty()) {
      return std::nullopt;
    }
    const ObjectName deployment = {"Deployment", owner.ns, std::string(name)};
    if (!workloads_.contains(deployment)) return std::nullopt;
    return deployment;
  }

  std::map<ObjectName, const PodSource*> workloads_;
  std::set<ObjectName> with_pods_;  // owners of pods among the objects
};

}  // namespace

std::vector<Pod> ExpandPods(const std::vector<PodSource>& sources,
                            size_t max_replicas) {
  const Owners owners(sources);
  std::set<std::pair<std::string, std::string>> taken;
  for (const PodSource& source : sources) {
    if (source.is_pod()) taken.emplace(source.pod.ns, source.pod.name);
  }
  std::vector<Pod> pods;
  for (const PodSource& source : sources) {
    Pod pod = source.pod;
    const std::vector<ObjectName> chain = owners.ChainOf(source);
    const ObjectName& owner = chain.empty() ? source.object : chain.back();
    pod.owner_kind = owner.kind;
    pod.owner_name = owner.name;
    if (source.is_pod()) {
      if (!source.is_finished) pods.push_back(std::move(pod));
      continue;
    }
    if (!owners.IsToExpand(source)) continue;
    const auto replicas = std::min<uint64_t>(source.replicas, max_replicas);
    for (uint64_t i = 0; i < replicas; ++i) {
      pod.name = absl::StrCat(source.object.name, "-", i);
      // Workloads of two kinds may have one name.
      if (!taken.emplace(pod.ns, pod.name).second) {
        pod.name =
            absl::StrCat(source.object.name, "-",
                         absl::AsciiStrToLower(source.object.kind), "-", i);
        if (!taken.emplace(pod.ns, pod.name).second) continue;
      }
      pods.push_back(pod);
    }
  }
  return pods;
}

}  // namespace ciliumcore::internal
