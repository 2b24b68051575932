// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/cilium_policy.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace ciliumcore {

absl::string_view CiliumEntityName(CiliumEntity entity) {
  switch (entity) {
    case CiliumEntity::kAll:
      return "all";
    case CiliumEntity::kWorld:
      return "world";
    case CiliumEntity::kWorldIpv4:
      return "world-ipv4";
    case CiliumEntity::kWorldIpv6:
      return "world-ipv6";
    case CiliumEntity::kCluster:
      return "cluster";
    case CiliumEntity::kHost:
      return "host";
    case CiliumEntity::kRemoteNode:
      return "remote-node";
    case CiliumEntity::kKubeApiServer:
      return "kube-apiserver";
    case CiliumEntity::kIngress:
      return "ingress";
    case CiliumEntity::kInit:
      return "init";
    case CiliumEntity::kHealth:
      return "health";
    case CiliumEntity::kUnmanaged:
      return "unmanaged";
    case CiliumEntity::kNone:
      return "none";
  }
  return "?";
}

absl::string_view CiliumPolicy::kind() const {
  return is_clusterwide() ? "CiliumClusterwideNetworkPolicy"
                          : "CiliumNetworkPolicy";
}

std::string CiliumPolicy::ToString() const {
  return absl::StrCat(kind(), " ", ns, ns.empty() ? "" : "/", name);
}

}  // namespace ciliumcore
