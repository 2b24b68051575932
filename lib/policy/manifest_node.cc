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
  bool may_have_more;      // other fields beside it and the type
  std::vector<absl::string_view> of_addresses;
};

const AddressTypes& TypesOfNode() {
  static const auto* const types =
      new AddressTypes{"address", true, {"InternalIP", "ExternalIP"}};
  return *types;
}

const AddressTypes& TypesOfCiliumNode() {
  static const auto* const types = new AddressTypes{
      "ip", false, {"InternalIP", "ExternalIP", "CiliumInternalIP"}};
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
    if (!(types.may_have_more ? item.ExpectMap()
                              : item.HasOnly({"type", types.text}))) {
      continue;
    }
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

std::vector<IpPrefix> ReadPodCidrs(const Field& cidrs) {
  std::vector<IpPrefix> read;
  for (const Field& item : cidrs.Items()) {
    if (const auto cidr = ReadPrefix(item)) read.push_back(*cidr);
  }
  return read;
}

// One of each family, at most.
std::vector<IpAddress> ReadAddressPair(const Field& pair) {
  std::vector<IpAddress> addresses;
  pair.HasOnly({"ipv4", "ipv6"});
  for (const bool is_v4 : {true, false}) {
    const Field field = pair[is_v4 ? "ipv4" : "ipv6"];
    if (!field.present() || field.Is("")) continue;
    const auto address = ReadAddress(field);
    if (!address.has_value()) continue;
    if (address->is_v4() == is_v4) {
      addresses.push_back(*address);
    } else {
      field.Expected(absl::StrCat("an ", FamilyName(is_v4), " address"));
    }
  }
  return addresses;
}

}  // namespace

Node ReadNode(const Field& root, const ObjectMeta& meta) {
  Node node = {.name = meta.name, .labels = meta.labels};
  root.HasOnly({"apiVersion", "kind", "metadata", "spec", "status"});
  const Field spec = root["spec"];
  spec.HasOnly({"podCIDR", "podCIDRs", "providerID", "unschedulable", "taints",
                "configSource", "externalID"});
  // Read lest they be wrong; policies know pods by their own addresses.
  const std::vector<IpPrefix> cidrs = ReadPodCidrs(spec["podCIDRs"]);
  const Field first = spec["podCIDR"];
  if (first.present() && !first.Is("")) {
    const auto cidr = ReadPrefix(first);
    if (cidr.has_value() && !cidrs.empty() && *cidr != cidrs.front()) {
      first.Expected(
          absl::StrCat(cidrs.front().ToString(), ", as in podCIDRs"));
    }
  }
  const Field status = root["status"];
  // As of a pod's: the server says it, and may say more.
  if (!status.ExpectMap()) return node;
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
  ReadPodCidrs(ipam["podCIDRs"]);
  node.health_addresses = ReadAddressPair(spec["health"]);
  node.ingress_addresses = ReadAddressPair(spec["ingress"]);
  return node;
}

}  // namespace ciliumcore::internal
