// SPDX-License-Identifier: Apache-2.0

// A cluster in a box: a node, a namespace for each of its pods, and a world.

#ifndef CILIUMCORE_TOOLS_CCORE_LAB_TOPOLOGY_H_
#define CILIUMCORE_TOOLS_CCORE_LAB_TOPOLOGY_H_

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/net/netlink.h"
#include "ciliumcore/net/netns.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "ciliumcore/policy/matrix.h"
#include "tools/ccore/lab/kept.h"

namespace ciliumcore::ccore {

// A lab that is to stay: its places, and what of it is there.
struct LabKeeping {
  KeptPlaces places;
  KeptState state;
  UniqueFd lock = {};
};

// Who can be an end of a probe.
struct LabHost {
  std::string name;                  // "shop/web-0" or the range it stands for
  std::optional<uint32_t> pod;       // index in Cluster::pods; none: outside
  std::vector<IpAddress> addresses;  // at most one of each family
  int netns = -1;                    // of the lab; lives as long
  std::string interface;             // on the node; empty without one

  // In the places of a lab that is kept: whose namespace it is in.
  std::string Role() const {
    if (!pod.has_value()) return "world";
    return interface.empty() ? "node" : KeptPlaces::RoleOf(name);
  }
};

// Owns the namespaces. Pods in the host's network live on the node itself.
class Lab {
 public:
  // Makes everything but the datapath. `ranges`: the address ranges outside
  // that policies tell apart; the world has an address of each.
  // What `keeping` has of it is taken as it is; what is gone from the cluster
  // is removed, and its state updated.
  static absl::StatusOr<Lab> Create(const CompiledCluster& cluster,
                                    const std::vector<AddressRange>& ranges,
                                    LabKeeping* keeping = nullptr);

  const NetNs& node() const { return node_; }
  const std::vector<LabHost>& hosts() const { return hosts_; }

 private:
  Lab(NetNs node, Netlink links, LabKeeping* keeping)
      : node_(std::move(node)), links_(std::move(links)), keeping_(keeping) {}

  absl::Status RemoveGonePods(const std::vector<Pod>& pods);
  std::string FreeInterface(uint32_t index) const;
  absl::Status AddPod(uint32_t index, const Pod& pod);
  // False if it is not there, or is another one.
  absl::StatusOr<bool> FindPod(uint32_t index, const Pod& pod);
  absl::Status AddHostPod(uint32_t index, const Pod& pod);
  absl::Status AddWorld(const std::vector<AddressRange>& ranges);

  NetNs node_;
  Netlink links_;  // of the node
  std::vector<NetNs> others_;
  std::vector<LabHost> hosts_;
  LabKeeping* keeping_;  // of whoever creates, while it does
};

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_LAB_TOPOLOGY_H_
