// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/identity/kubernetes_name_internal.h"
#include "lib/policy/manifest_kinds_internal.h"
#include "lib/policy/sorted_internal.h"

namespace ciliumcore::internal {
namespace {

// Adds to a list of the cluster what a reader makes of the object.
template <auto kList, auto kRead>
void Add(const Field& root, absl::string_view /*kind*/, const ObjectMeta& meta,
         ObjectsRead& objects) {
  (objects.cluster.*kList).push_back(kRead(root, meta));
}

void AddNamespace(const Field& root, absl::string_view /*kind*/,
                  const ObjectMeta& meta, ObjectsRead& objects) {
  objects.cluster.namespaces.insert_or_assign(meta.name,
                                              ReadNamespace(root, meta));
}

void AddEndpoints(const Field& root, absl::string_view /*kind*/,
                  const ObjectMeta& meta, ObjectsRead& objects) {
  for (EndpointSlice& slice : ReadEndpoints(root, meta)) {
    objects.cluster.slices.push_back(std::move(slice));
  }
}

template <ClusterPolicy::Kind kKind>
ClusterPolicy ReadClusterPolicyOf(const Field& root, const ObjectMeta& meta) {
  return ReadClusterPolicy(root, kKind, meta);
}

// Remembers whose these addresses are; a problem of `field` if they are another
// object's already.
void ClaimAddresses(const std::vector<IpAddress>& addresses,
                    absl::string_view kind, const std::string& name,
                    const Field& field,
                    std::map<IpAddress, std::string>& owners) {
  for (const IpAddress& address : addresses) {
    const auto [at, is_first] = owners.emplace(address, name);
    if (is_first || at->second == name) continue;
    field.Expected("an address of its own",
                   absl::StrCat(address.ToString(), " of ", kind, " ",
                                EscapedName(at->second)));
  }
}

void Unite(const std::vector<IpAddress>& from, std::vector<IpAddress>& to) {
  to.insert(to.end(), from.begin(), from.end());
  SortUnique(to);
}

// A Node and a CiliumNode of one name are one node. Two nodes never share an
// address.
template <auto kRead>
void AddNode(const Field& root, absl::string_view /*kind*/,
             const ObjectMeta& meta, ObjectsRead& objects) {
  const Node read = kRead(root, meta);
  Node& node = objects.cluster.nodes[meta.name];
  node.name = meta.name;
  for (const Label& label : read.labels) {
    const std::string* other = node.labels.Get(label.key);
    if (other != nullptr && *other != label.value) {
      root["metadata"]["labels"][label.key].Expected(
          absl::StrCat(*other, ", as in the other object of this node"));
    }
    node.labels.Set(label);
  }
  for (const auto addresses :
       {&Node::addresses, &Node::health_addresses, &Node::ingress_addresses}) {
    ClaimAddresses(read.*addresses, "node", meta.name, root,
                   objects.node_addresses);
    Unite(read.*addresses, node.*addresses);
  }
}

// Two services never share an address.
void AddService(const Field& root, absl::string_view kind,
                const ObjectMeta& meta, ObjectsRead& objects) {
  Service service = ReadService(root, meta);
  ClaimAddresses(service.cluster_ips, kind,
                 absl::StrCat(service.ns, "/", service.name),
                 root["spec"]["clusterIP"], objects.cluster_ips);
  objects.cluster.services.push_back(std::move(service));
}

// Two pods share an address only if it is their node's.
void AddPods(const Field& root, absl::string_view kind, const ObjectMeta& meta,
             ObjectsRead& objects) {
  PodSource source = ReadPodSource(root, kind, meta);
  if (!source.pod.host_network && !source.is_finished) {
    ClaimAddresses(source.pod.addresses, "Pod", source.pod.ToString(),
                   root["status"]["podIP"], objects.pod_addresses);
  }
  objects.pods.push_back(std::move(source));
}

const std::vector<ManifestKind>& Kinds() {
  static const auto* const kinds = new std::vector<ManifestKind>{
      {.name = "Namespace",
       .versions = {"v1"},
       .is_namespaced = false,
       .has_label_as_name = true,
       .read = AddNamespace},
      {.name = "Node",
       .versions = {"v1"},
       .is_namespaced = false,
       .read = AddNode<ReadNode>},
      {.name = "Pod", .versions = {"v1"}, .read = AddPods},
      {.name = "ReplicationController", .versions = {"v1"}, .read = AddPods},
      {.name = "Service",
       .versions = {"v1"},
       .has_label_as_name = true,
       .read = AddService},
      {.name = "Endpoints", .versions = {"v1"}, .read = AddEndpoints},
      {.name = "EndpointSlice",
       .versions = {"discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"},
       .read = Add<&Cluster::slices, ReadEndpointSlice>},
      {.name = "Deployment",
       .versions = {"apps/v1", "apps/v1beta2", "apps/v1beta1",
                    "extensions/v1beta1"},
       .read = AddPods},
      {.name = "StatefulSet",
       .versions = {"apps/v1", "apps/v1beta2", "apps/v1beta1"},
       .read = AddPods},
      {.name = "DaemonSet",
       .versions = {"apps/v1", "apps/v1beta2", "extensions/v1beta1"},
       .read = AddPods},
      {.name = "ReplicaSet",
       .versions = {"apps/v1", "apps/v1beta2", "extensions/v1beta1"},
       .read = AddPods},
      {.name = "Job", .versions = {"batch/v1"}, .read = AddPods},
      {.name = "CronJob",
       .versions = {"batch/v1", "batch/v1beta1"},
       .read = AddPods},
      {.name = "NetworkPolicy",
       .versions = {"networking.k8s.io/v1", "extensions/v1beta1"},
       .read = Add<&Cluster::policies, ReadNetworkPolicy>},
      {.name = "ClusterNetworkPolicy",
       .versions = {"policy.networking.k8s.io/v1alpha2"},
       .is_namespaced = false,
       .is_custom = true,
       .read = Add<
           &Cluster::cluster_policies,
           ReadClusterPolicyOf<ClusterPolicy::Kind::kClusterNetworkPolicy>>},
      {.name = "AdminNetworkPolicy",
       .versions = {"policy.networking.k8s.io/v1alpha1"},
       .is_namespaced = false,
       .is_custom = true,
       .read =
           Add<&Cluster::cluster_policies,
               ReadClusterPolicyOf<ClusterPolicy::Kind::kAdminNetworkPolicy>>},
      {.name = "BaselineAdminNetworkPolicy",
       .versions = {"policy.networking.k8s.io/v1alpha1"},
       .is_namespaced = false,
       .is_custom = true,
       .read = Add<&Cluster::cluster_policies,
                   ReadClusterPolicyOf<
                       ClusterPolicy::Kind::kBaselineAdminNetworkPolicy>>},
      {.name = "CiliumNetworkPolicy",
       .versions = {"cilium.io/v2"},
       .is_custom = true,
       .api = "Cilium",
       .read = Add<&Cluster::cilium_policies, ReadCiliumPolicy>},
      {.name = "CiliumClusterwideNetworkPolicy",
       .versions = {"cilium.io/v2"},
       .is_namespaced = false,
       .is_custom = true,
       .api = "Cilium",
       .read = Add<&Cluster::cilium_policies, ReadCiliumPolicy>},
      {.name = "CiliumNode",
       .versions = {"cilium.io/v2"},
       .is_namespaced = false,
       .is_custom = true,
       .api = "Cilium",
       .read = AddNode<ReadCiliumNode>},
      {.name = "CiliumCIDRGroup",
       .versions = {"cilium.io/v2", "cilium.io/v2alpha1"},
       .is_namespaced = false,
       .is_custom = true,
       .api = "Cilium",
       .read = Add<&Cluster::cidr_groups, ReadCidrGroup>},
  };
  return *kinds;
}

}  // namespace

const ManifestKind* FindManifestKind(absl::string_view name) {
  for (const ManifestKind& kind : Kinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

}  // namespace ciliumcore::internal
