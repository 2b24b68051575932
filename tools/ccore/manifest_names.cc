// SPDX-License-Identifier: Apache-2.0
#include "tools/ccore/manifest_names.h"

#include "absl/strings/str_cat.h"

namespace ciliumcore::ccore {

ManifestNames::ManifestNames(const CompiledCluster& cluster) {
  for (const Pod& pod : cluster.cluster.pods) {
    const auto labels = std::make_shared<const Labels>(
        PodIdentityLabels(pod.labels, cluster.cluster.namespaces.at(pod.ns)));
    for (const IpAddress& address : pod.addresses) {
      pods_[address] = {.pod = absl::StrCat(pod.ns, "/", pod.name),
                        .labels = labels};
    }
  }
}

std::shared_ptr<const FlowDirectory::Party> ManifestNames::FindParty(
    uint32_t peer, const IpAddress& address) const {
  Party party = {.identity = static_cast<Identity>(peer),
                 .name = IdentityName(static_cast<Identity>(peer)),
                 .pod = "",
                 .labels = nullptr};
  if (const auto known = pods_.find(address); known != pods_.end()) {
    party.pod = known->second.pod;
    party.labels = known->second.labels;
  }
  return std::make_shared<const Party>(std::move(party));
}

std::shared_ptr<const std::string> ManifestNames::Explain(
    uint32_t rule_set) const {
  return std::make_shared<const std::string>(
      absl::StrCat("rule set ", rule_set));
}

std::shared_ptr<const std::string> ManifestNames::FindService(
    const IpAddress&, PortProtocol) const {
  return nullptr;
}

}  // namespace ciliumcore::ccore
