// SPDX-License-Identifier: Apache-2.0

// Whom the rules of Cilium's policies mean, to be read against
// https://docs.cilium.io/en/stable/security/policy/language/

#include <algorithm>
#include <string>
#include <vector>

#include "tests/oracle/oracle_dialects.h"
#include "tests/oracle/oracle_matching.h"

namespace ciliumcore::testing {
namespace {

// What the keys of a selector are about.
struct Keys {
  explicit Keys(const LabelSelector& selector) {
    for (const auto& [key, value] : selector.match_labels) Add(key);
    for (const auto& term : selector.match_expressions) Add(term.key);
  }

  void Add(const std::string& written) {
    const SelectorKey key(written);
    if (key.source == "reserved") reserved = true;
    if (!key.source.empty() && key.source != "k8s") return;
    if (key.key == "io.kubernetes.pod.namespace") namespaces = true;
    if (key.key.starts_with("io.cilium.k8s.namespace.labels.")) {
      labels_of_namespaces = true;
    }
  }

  bool reserved = false;
  bool namespaces = false;
  bool labels_of_namespaces = false;
};

// "CiliumNetworkPolicies only affect the namespace they are in": a selector
// that does not say otherwise means pods of the policy's own; one of a
// clusterwide policy, pods of any.
bool IsEndpoint(const Census& census, const FlowEnd& end,
                const LabelSelector& selector, const std::string& ns) {
  const Keys keys(selector);
  const PolicyEndpoint* pod = census.PodAt(end);
  if (!keys.reserved && !keys.namespaces) {
    if (ns.empty()) {
      if (pod == nullptr) return false;
    } else if (!keys.labels_of_namespaces) {
      if (pod == nullptr || pod->ns != ns) return false;
    }
  }
  return Selects(selector, census.CiliumLabelsOf(end));
}

bool IsEntity(const Census& census, const FlowEnd& end, CiliumEntity entity) {
  const PolicyEndpoint* pod = census.PodAt(end);
  const auto is_pod_with = [&](Identity identity) {
    return pod != nullptr && pod->identity == identity;
  };
  switch (entity) {
    case CiliumEntity::kAll:
      return true;
    case CiliumEntity::kWorld:
      return census.IsOutside(end);
    case CiliumEntity::kWorldIpv4:
      return census.IsOutside(end) && end.address->is_v4();
    case CiliumEntity::kWorldIpv6:
      return census.IsOutside(end) && !end.address->is_v4();
    case CiliumEntity::kCluster:
      return !census.IsOutside(end);
    case CiliumEntity::kHost:
      return census.IsHost(end);
    case CiliumEntity::kRemoteNode:
      return census.IsRemoteNode(end);
    case CiliumEntity::kKubeApiServer:
      return census.IsApiServer(end);
    case CiliumEntity::kIngress:
      return is_pod_with(Identity::kIngress);
    case CiliumEntity::kInit:
      return is_pod_with(Identity::kInit);
    case CiliumEntity::kHealth:
      return is_pod_with(Identity::kHealth);
    case CiliumEntity::kUnmanaged:
      return is_pod_with(Identity::kUnmanaged);
    case CiliumEntity::kNone:
      return false;
  }
  return false;
}

// "CIDR rules do not apply to traffic where both sides of the connection are
// either managed by Cilium or use an IP address belonging to a node in the
// cluster."
bool IsInCidrs(const Census& census, const FlowEnd& end,
               const CiliumCidrRule& rule) {
  if (!census.IsOutside(end) || IsInsideAny(end.address, rule.except)) {
    return false;
  }
  if (rule.cidr.has_value()) return IsInside(*end.address, *rule.cidr);
  for (const CidrGroup& group : census.input().cidr_groups) {
    const bool is_meant = rule.group_selector.has_value()
                              ? Selects(*rule.group_selector, group.labels)
                              : group.name == rule.group;
    if (is_meant && IsInsideAny(end.address, group.cidrs)) return true;
  }
  return false;
}

// The pods behind a service; the addresses, if it selects no pods.
bool IsBehind(const Census& census, const FlowEnd& end,
              const PolicyService& service) {
  if (service.selector.has_value()) {
    const PolicyEndpoint* pod = census.PodAt(end);
    return pod != nullptr && pod->ns == service.ns &&
           Selects(*service.selector, pod->labels);
  }
  return census.IsOutside(end) &&
         std::count(service.addresses.begin(), service.addresses.end(),
                    *end.address) > 0;
}

bool IsBehind(const Census& census, const FlowEnd& end,
              const CiliumServiceRef& ref) {
  for (const PolicyService& service : census.input().services) {
    if (!ref.ns.empty() && ref.ns != service.ns) continue;
    const bool is_meant = ref.selector.has_value()
                              ? Selects(*ref.selector, service.labels)
                              : ref.name == service.name;
    if (is_meant && IsBehind(census, end, service)) return true;
  }
  return false;
}

// What has been looked up under such a name.
bool IsNamed(const Census& census, const FlowEnd& end, const DnsMatch& match) {
  if (!census.IsOutside(end)) return false;
  for (const ResolvedName& known : census.input().names) {
    if (Means(match, known.name) &&
        std::count(known.addresses.begin(), known.addresses.end(),
                   *end.address) > 0) {
      return true;
    }
  }
  return false;
}

template <typename T, typename Predicate>
bool AnyOf(const std::vector<T>& values, const Predicate& predicate) {
  return std::any_of(values.begin(), values.end(), predicate);
}

}  // namespace

bool IsAmong(const Census& census, const FlowEnd& end, const CiliumPeers& peers,
             const std::string& ns) {
  return AnyOf(peers.endpoints,
               [&](const LabelSelector& selector) {
                 return IsEndpoint(census, end, selector, ns);
               }) ||
         AnyOf(peers.nodes,
               [&](const LabelSelector& selector) {
                 return census.IsRemoteNode(end) &&
                        Selects(selector, census.NodeLabelsOf(end));
               }) ||
         AnyOf(peers.entities,
               [&](CiliumEntity entity) {
                 return IsEntity(census, end, entity);
               }) ||
         AnyOf(peers.cidrs,
               [&](const CiliumCidrRule& rule) {
                 return IsInCidrs(census, end, rule);
               }) ||
         AnyOf(peers.services,
               [&](const CiliumServiceRef& ref) {
                 return IsBehind(census, end, ref);
               }) ||
         AnyOf(peers.fqdns, [&](const DnsMatch& match) {
           return IsNamed(census, end, match);
         });
}

}  // namespace ciliumcore::testing
