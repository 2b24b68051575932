// SPDX-License-Identifier: Apache-2.0

// The kinds of objects that are read, and how.

#ifndef CILIUMCORE_LIB_POLICY_MANIFEST_KINDS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_MANIFEST_KINDS_INTERNAL_H_

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "ciliumcore/base/ip.h"
#include "ciliumcore/policy/cluster.h"
#include "lib/policy/manifest_field_internal.h"
#include "lib/policy/manifest_objects_internal.h"

namespace ciliumcore::internal {

// What has been read of all objects.
struct ObjectsRead {
  Cluster cluster = {};
  std::vector<PodSource> pods = {};
  // Whose an address is: "ns/name", or the name of a node.
  std::map<IpAddress, std::string> pod_addresses = {};
  std::map<IpAddress, std::string> cluster_ips = {};
  std::map<IpAddress, std::string> node_addresses = {};
};

struct ManifestKind {
  absl::string_view name;
  // Of its API; they mean the same.
  std::vector<absl::string_view> versions;
  bool is_namespaced = true;
  // Its name is a DNS label, with no '.' in it.
  bool has_label_as_name = false;
  bool is_custom = false;  // not built into the API server
  absl::string_view api = "Kubernetes";
  // Adds an object of this kind.
  void (*read)(const Field& root, absl::string_view kind,
               const ObjectMeta& meta, ObjectsRead& objects) = nullptr;
};

// Null: it is not read.
const ManifestKind* FindManifestKind(absl::string_view name);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_POLICY_MANIFEST_KINDS_INTERNAL_H_
