// SPDX-License-Identifier: Apache-2.0

// Names for flows from manifests, where the process that knows them is another.

#ifndef CILIUMCORE_TOOLS_CCORE_MANIFEST_NAMES_H_
#define CILIUMCORE_TOOLS_CCORE_MANIFEST_NAMES_H_

#include <map>
#include <memory>
#include <string>

#include "ciliumcore/flow/flow.h"
#include "ciliumcore/policy/compiled_cluster.h"

namespace ciliumcore::ccore {

// Knows pods by their addresses, and identities and rule sets by number only.
class ManifestNames : public FlowDirectory {
 public:
  // Without a cluster, nobody has a name.
  ManifestNames() = default;
  explicit ManifestNames(const CompiledCluster& cluster);

  std::shared_ptr<const Party> FindParty(
      uint32_t peer, const IpAddress& address) const override;
  std::shared_ptr<const std::string> Explain(uint32_t rule_set) const override;
  std::shared_ptr<const std::string> FindService(
      const IpAddress& address, PortProtocol port) const override;

 private:
  struct Known {
    std::string pod;
    std::shared_ptr<const Labels> labels;
  };
  std::map<IpAddress, Known> pods_;
};

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_MANIFEST_NAMES_H_
