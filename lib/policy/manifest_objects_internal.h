// SPDX-License-Identifier: Apache-2.0

// Readers of the kinds of objects, and what they share. Each adds what is wrong
// to the object's problems and reads on; what it then returns does not matter.

#ifndef CILIUMCORE_LIB_POLICY_MANIFEST_OBJECTS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_MANIFEST_OBJECTS_INTERNAL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/identity/label.h"
#include "ciliumcore/identity/selector.h"
#include "ciliumcore/policy/cilium_policy.h"
#include "ciliumcore/policy/cluster.h"
#include "ciliumcore/policy/cluster_policy.h"
#include "ciliumcore/policy/network_policy.h"
#include "lib/policy/manifest_field_internal.h"

namespace ciliumcore::internal {

// An object by its name; an owner, for example.
struct ObjectName {
  std::string kind;
  std::string ns;
  std::string name;

  friend auto operator<=>(const ObjectName&, const ObjectName&) = default;
};

struct ObjectMeta {
  std::string name;  // or what the server would complete to one
  std::string ns;
  Labels labels;
  std::optional<ObjectName> controller;
};

// A pod, or what makes pods.
struct PodSource {
  ObjectName object;
  std::optional<ObjectName> controller;
  Pod pod;                   // its name is the object's
  int64_t replicas = 1;      // of a workload
  bool is_finished = false;  // a pod that has succeeded or failed
  bool is_pod() const { return object.kind == "Pod"; }
};

// The elements of a list. A problem if there are too few or too many; `what`
// they are: "peers".
std::vector<Field> ReadItems(const Field& list, size_t least, size_t most,
                             absl::string_view what);

// Of text, of which a character may need several bytes in UTF-8.
size_t CharactersOf(absl::string_view text);

// Metadata of an object, or of a template, which need not have a name.
ObjectMeta ReadMeta(const Field& meta);

// Key and values hold to the rules of Kubernetes.
Labels ReadLabels(const Field& labels);
// Whether the keys of a selector may have a source, as Cilium's may.
enum class KeyForm { kPlain, kWithSource };
LabelSelector ReadSelector(const Field& selector,
                           KeyForm form = KeyForm::kPlain);
// A plain map, as in a Service.
LabelSelector ReadMapSelector(const Field& selector,
                              KeyForm form = KeyForm::kPlain);

// TCP if it is missing.
Protocol ReadProtocol(const Field& protocol);
std::optional<IpAddress> ReadAddress(const Field& address);
// Bits behind its length are cleared. A missing one is a problem.
std::optional<IpPrefix> ReadPrefix(const Field& prefix);
// "IPv4" or "IPv6".
inline absl::string_view FamilyName(bool is_v4) {
  return is_v4 ? "IPv4" : "IPv6";
}
std::optional<uint16_t> ReadPortNumber(const Field& port);
// A number, or the name of a container's port.
struct PortOrName {
  std::optional<uint16_t> number;
  std::string name;
};
PortOrName ReadPortOrName(const Field& port);

// The bodies of objects. `root` is the whole object.
NetworkPolicy ReadNetworkPolicy(const Field& root, const ObjectMeta& meta);
ClusterPolicy ReadClusterPolicy(const Field& root, ClusterPolicy::Kind kind,
                                const ObjectMeta& meta);
// The scope is known by the namespace in `meta`.
CiliumPolicy ReadCiliumPolicy(const Field& root, const ObjectMeta& meta);
CidrGroup ReadCidrGroup(const Field& root, const ObjectMeta& meta);
Service ReadService(const Field& root, const ObjectMeta& meta);
EndpointSlice ReadEndpointSlice(const Field& root, const ObjectMeta& meta);
// A slice for each of its subsets.
std::vector<EndpointSlice> ReadEndpoints(const Field& root,
                                         const ObjectMeta& meta);
Namespace ReadNamespace(const Field& root, const ObjectMeta& meta);
// Both are of the node of the object's name.
Node ReadNode(const Field& root, const ObjectMeta& meta);
Node ReadCiliumNode(const Field& root, const ObjectMeta& meta);
// Of a Pod and of every kind of workload.
PodSource ReadPodSource(const Field& root, absl::string_view kind,
                        const ObjectMeta& meta);

// The pods of `sources`: those of workloads one by one, and each with its
// topmost owner.
std::vector<Pod> ExpandPods(const std::vector<PodSource>& sources,
                            size_t max_replicas);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_POLICY_MANIFEST_OBJECTS_INTERNAL_H_
