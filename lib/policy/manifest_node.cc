// SPDX-License-Identifier: Apache-2.0

// Node and CiliumNode. Fields are those of Kubernetes 1.31 to 1.35 and of
// Cilium 1.20; what of them says nothing of policy is not looked into.

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "lib/identity/kubernetes_name_internal.h"
#include "lib/policy/manifest_objects_internal.h"

namespace ciliumcore::internal {
namespace {

using Names = absl::Span<const absl::string_view>;

// What the text of an address is, by its type.
struct AddressTypes {
  absl::string_view text;  // the field with the address
  std::vector<absl::string_view> of_addresses;
};

const AddressTypes& TypesOfNode() {
  static const auto* const types =
      new AddressTypes{"address", {"InternalIP", "ExternalIP"}};
  return *types;
}

const AddressTypes& TypesOfCiliumNode() {
  static const auto* const types =
      new AddressTypes{"ip", {"InternalIP", "ExternalIP", "CiliumInternalIP"}};
  return *types;
}

// Types of what is no address.
constexpr absl::string_view kNameTypes[] = {"Hostname", "InternalDNS",
                                            "ExternalDNS"};

bool IsOneOf(const Field& field, Names names) {
  return std::any_of(names.begin(), names.end(),
                     [&](absl::string_view name) { return field.Is(name); });
}

void ReadAddresses(const Field& addresses, const AddressTypes& types,
                   Node& node) {
  for (const Field& item : addresses.Items()) {
    if (!item.HasOnly({"type", types.text})) continue;
    const Field type = item["type"];
    if (IsOneOf(type, kNameTypes)) continue;
    if (!IsOneOf(type, types.of_addresses)) {
      const Names others = kNameTypes;
      type.Expected(
          absl::StrCat(absl::StrJoin(types.of_addresses, ", "), ", ",
                       absl::StrJoin(others.first(others.size() - 1), ", "),
                       " or ", others.back()));
      continue;
    }
    if (!item[types.text].present()) item[types.text].Expected("an IP address");
    const auto address = ReadAddress(item[types.text]);
    if (address.has_value()) node.addresses.push_back(*address);
  }
}

void ReadPodCidrs(const Field& cidrs, Node& node) {
  for (const Field& item : cidrs.Items()) {
    if (const auto cidr = ReadPrefix(item)) node.pod_cidrs.push_back(*cidr);
  }
}

}  // namespace

Node ReadNode(const Field& root, const ObjectMeta& meta) {
  Node node = {.name = meta.name, .labels = meta.labels};
  root.HasOnly({"apiVersion", "kind", "metadata", "spec", "status"});
  const Field spec = root["spec"];
  spec.HasOnly({"podCIDR", "podCIDRs", "providerID", "unschedulable", "taints",
                "configSource", "externalID"});
  ReadPodCidrs(spec["podCIDRs"], node);
  const Field first = spec["podCIDR"];
  if (first.present() && !first.Is("")) {
    const auto cidr = ReadPrefix(first);
    if (cidr.has_value() && node.pod_cidrs.empty()) {
      node.pod_cidrs.push_back(*cidr);
    } else if (cidr.has_value() && *cidr != node.pod_cidrs[0]) {
      first.Expected(
          absl::StrCat(node.pod_cidrs[0].ToString(), ", as in podCIDRs"));
    }
  }
  const Field status = root["status"];
  status.HasOnly({"capacity", "allocatable", "phase", "conditions", "addresses",
                  "daemonEndpoints", "nodeInfo", "images", "volumesInUse",
                  "volumesAttached", "config", "runtimeHandlers", "features",
                  "declaredFeatures"});
  ReadAddresses(status["addresses"], TypesOfNode(), node);
  return node;
}

Node ReadCiliumNode(const Field& root, const ObjectMeta& meta) {
  Node node = {.name = meta.name, .labels = meta.labels};
  root.HasOnly({"apiVersion", "kind", "metadata", "spec", "status"});
  const Field spec = root["spec"];
  spec.HasOnly({"instance-id", "bootid", "addresses", "health", "ingress",
                "encryption", "eni", "azure", "alibaba-cloud", "ipam",
                "nodeidentity"});
  ReadAddresses(spec["addresses"], TypesOfCiliumNode(), node);
  const Field ipam = spec["ipam"];
  ipam.HasOnly({"pool", "ipv6-pool", "pools", "podCIDRs", "min-allocate",
                "max-allocate", "pre-allocate", "max-above-watermark",
                "static-ip-tags"});
  ReadPodCidrs(ipam["podCIDRs"], node);
  return node;
}

}  // namespace ciliumcore::internal
