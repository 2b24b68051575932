// SPDX-License-Identifier: Apache-2.0

// Reads Kubernetes manifests, YAML or JSON, as strictly as the API server and
// more: a manifest that could be misread is refused.

#ifndef CILIUMCORE_POLICY_MANIFEST_H_
#define CILIUMCORE_POLICY_MANIFEST_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ciliumcore/policy/cluster.h"

namespace ciliumcore {

// A text and where it comes from.
struct ManifestSource {
  std::string name = "-";  // of the file, for messages; "-": standard input
  std::string text;
};

struct ManifestOptions {
  // Of an object that names none; a DNS label.
  std::string default_namespace = "default";
  // A workload becomes at most so many pods. Pods of one template are alike, so
  // what policy says of them does not depend on it.
  size_t max_replicas = 1000;
  // Of one text; a longer one is refused before it is read.
  size_t max_bytes = 64 << 20;
  // Problems to list before giving up.
  size_t max_problems = 10;
};

// Reads Namespace, Node, Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet,
// ReplicationController, Job, CronJob, Service, EndpointSlice, Endpoints,
// NetworkPolicy, the policies of the whole cluster (cluster_policy.h), and of
// Cilium CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy, CiliumCIDRGroup
// and CiliumNode, from texts of any number of documents, and from lists of
// them. Objects of other kinds are named in `ignored`.
//
// - A workload becomes pods "name-0", "name-1", ..., unless pods that belong to
//   it are among the objects. A pod that has succeeded or failed is left out.
// - A namespace that is only mentioned is added.
// - A Node and a CiliumNode of one name are one node, with what both say.
// - Policies have their defaults filled in: `policyTypes` is Ingress, and
//   Egress if there are egress rules; a port's protocol is TCP.
// - Policies of the whole cluster hold to what the schemas of their kinds say,
//   and to what only their prose says: domain names are accepted, never denied
//   or passed, and in the Admin tier alone; a range of ports ascends.
// - Cilium's policies keep what they say; cilium_policy.h tells its defaults.
//   A CiliumCIDRGroup that a policy names need not be there.
// - Null is no field in the kinds of Kubernetes itself, as its server has it,
//   and wrong in policies of the whole cluster and objects of Cilium.
//
// InvalidArgument says which option cannot be, or lists what is wrong, one line
// each:
//
//   shop.yaml:12:15: NetworkPolicy shop/web: spec.ingress[0].ports[0].port:
//   expected a port in 1..65535, found 70000          (in one line)
//
// Wrong are, among others: a key that is there twice; a field that Kubernetes
// does not have (in all of Namespace, Service, EndpointSlice, Endpoints,
// CiliumNode and policies; in a Node but for its status; in workloads down to
// the ports of containers); in a policy of Cilium, what Cilium 1.20 refuses, and what it takes for all or nothing
// although it looks otherwise; a value of the wrong type, where the YAML of
// Kubernetes may read 010 as 8 and yes as true; a value that cannot be; two
// objects of one name; two pods, services or nodes with one address; nesting
// beyond 100 levels; anchors and aliases that copy more than 100,000 nodes or
// 16 MiB of one text; a text that is too long.
//
// Pure. Never throws.
absl::StatusOr<Cluster> LoadManifests(absl::Span<const ManifestSource> sources,
                                      const ManifestOptions& options = {});

// Reads files, and every *.yaml, *.yml and *.json below directories, in
// alphabetical order; hidden files and kustomizations are left out. "-" is
// standard input, to its end. The code of the system's error, naming the path,
// if one cannot be read; InvalidArgument if a directory has no manifest, or "-"
// is there twice.
absl::StatusOr<std::vector<ManifestSource>> ReadManifestFiles(
    absl::Span<const std::string> paths);

}  // namespace ciliumcore

#endif  // CILIUMCORE_POLICY_MANIFEST_H_
