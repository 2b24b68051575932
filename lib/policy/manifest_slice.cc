// SPDX-License-Identifier: Apache-2.0

// EndpointSlices, and the Endpoints that were before them. Fields are those of
// Kubernetes 1.31 to 1.35, and those that discovery.k8s.io/v1beta1 had.

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/identity/kubernetes_name_internal.h"
#include "lib/policy/manifest_objects_internal.h"

namespace ciliumcore::internal {
namespace {

constexpr absl::string_view kServiceNameLabel = "kubernetes.io/service-name";

// What the API server takes.
constexpr size_t kMostEndpoints = 1000;
constexpr size_t kMostAddresses = 100;

void CheckTarget(const Field& target) {
  if (!target.HasOnly({"apiVersion", "kind", "namespace", "name", "uid",
                       "resourceVersion", "fieldPath"})) {
    return;
  }
  for (const char* name : {"apiVersion", "kind", "namespace", "name"}) {
    target[name].String();
  }
}

// An address that somebody else can answer at.
std::optional<IpAddress> ReadEndpointAddress(const Field& field) {
  static const auto* const unusable = new std::vector<IpPrefix>{
      *IpPrefix::Parse("0.0.0.0/32"),     *IpPrefix::Parse("127.0.0.0/8"),
      *IpPrefix::Parse("169.254.0.0/16"), *IpPrefix::Parse("224.0.0.0/4"),
      *IpPrefix::Parse("::/128"),         *IpPrefix::Parse("::1/128"),
      *IpPrefix::Parse("fe80::/10"),      *IpPrefix::Parse("ff00::/8")};
  const auto address = ReadAddress(field);
  if (!address.has_value()) return address;
  for (const IpPrefix& prefix : *unusable) {
    if (prefix.address().is_v4() != address->is_v4() ||
        !prefix.Contains(*address)) {
      continue;
    }
    field.Expected(
        "an address of a host: not unspecified, loopback, "
        "link-local or multicast");
    return std::nullopt;
  }
  return address;
}

// The ports' fields are the same; only a slice may leave the number open.
std::vector<SlicePort> ReadPorts(const Field& ports, bool need_number) {
  std::vector<SlicePort> read;
  std::set<std::string> names;
  for (const Field& field : ports.Items()) {
    if (!field.HasOnly({"name", "protocol", "port", "appProtocol"})) continue;
    SlicePort port;
    port.name = field["name"].String().value_or("");
    if (!port.name.empty() && !IsDnsLabel(port.name)) {
      field["name"].Expected(kDnsLabelForm);
    } else if (!names.insert(port.name).second) {
      field["name"].Expected("each name once");
    }
    field["appProtocol"].String();
    port.protocol = ReadProtocol(field["protocol"]);
    port.port = ReadPortNumber(field["port"]);
    if (need_number && !field["port"].present()) {
      field["port"].Expected("a port in 1..65535");
    }
    read.push_back(std::move(port));
  }
  return read;
}

enum class AddressType { kV4, kV6, kNames };

AddressType ReadAddressType(const Field& field) {
  if (field.Is("FQDN")) return AddressType::kNames;
  if (!field.Is("IPv4") && !field.Is("IPv6")) {
    field.Expected("IPv4, IPv6 or FQDN");
  }
  return field.Is("IPv6") ? AddressType::kV6 : AddressType::kV4;
}

// Missing means what its consumers take it for.
void ReadConditions(const Field& conditions, SliceEndpoint& endpoint) {
  conditions.HasOnly({"ready", "serving", "terminating"});
  endpoint.is_ready = conditions["ready"].Bool().value_or(true);
  endpoint.is_serving =
      conditions["serving"].Bool().value_or(endpoint.is_ready);
  endpoint.is_terminating = conditions["terminating"].Bool().value_or(false);
}

// Of [{name: a}, {name: b}].
std::vector<std::string> ReadNames(const Field& list) {
  std::vector<std::string> names;
  for (const Field& item : list.Items()) {
    if (!item.HasOnly({"name"})) continue;
    const auto name = item["name"].String();
    if (!name.has_value()) item["name"].Expected("a name");
    names.push_back(name.value_or(""));
  }
  return names;
}

SliceEndpoint ReadSliceEndpoint(const Field& field, AddressType type) {
  SliceEndpoint endpoint;
  if (!field.HasOnly({"addresses", "conditions", "hostname", "targetRef",
                      "deprecatedTopology", "topology", "nodeName", "zone",
                      "hints"})) {
    return endpoint;
  }
  CheckTarget(field["targetRef"]);
  field["hostname"].String();
  field["zone"].String();
  endpoint.node = field["nodeName"].String().value_or("");
  if (field["hints"].HasOnly({"forZones", "forNodes"})) {
    endpoint.for_zones = ReadNames(field["hints"]["forZones"]);
    endpoint.for_nodes = ReadNames(field["hints"]["forNodes"]);
  }
  ReadConditions(field["conditions"], endpoint);
  for (const Field& item :
       ReadItems(field["addresses"], 1, kMostAddresses, "addresses")) {
    if (type == AddressType::kNames) {
      item.String();
      continue;
    }
    const auto address = ReadEndpointAddress(item);
    if (!address.has_value()) continue;
    const bool is_v4 = type == AddressType::kV4;
    if (address->is_v4() != is_v4) {
      item.Expected(
          absl::StrCat("an ", FamilyName(is_v4), " address, by addressType"));
    } else if (endpoint.addresses.empty()) {
      endpoint.addresses.push_back(*address);
    }
  }
  return endpoint;
}

void ReadSubsetAddresses(const Field& addresses, bool is_ready,
                         EndpointSlice& slice) {
  for (const Field& field : addresses.Items()) {
    if (!field.HasOnly({"ip", "hostname", "nodeName", "targetRef"})) continue;
    CheckTarget(field["targetRef"]);
    if (!field["ip"].present()) field["ip"].Expected("an IP address");
    const auto address = ReadEndpointAddress(field["ip"]);
    if (!address.has_value()) continue;
    slice.endpoints.push_back(
        {.addresses = {*address},
         .is_ready = is_ready,
         .is_serving = is_ready,
         .node = field["nodeName"].String().value_or("")});
  }
}

}  // namespace

EndpointSlice ReadEndpointSlice(const Field& root, const ObjectMeta& meta) {
  EndpointSlice slice;
  slice.ns = meta.ns;
  slice.name = meta.name;
  const std::string* service = meta.labels.Get(kServiceNameLabel);
  if (service != nullptr) slice.service = *service;
  root.HasOnly(
      {"apiVersion", "kind", "metadata", "addressType", "endpoints", "ports"});
  const AddressType type = ReadAddressType(root["addressType"]);
  for (const Field& field :
       ReadItems(root["endpoints"], 0, kMostEndpoints, "endpoints")) {
    slice.endpoints.push_back(ReadSliceEndpoint(field, type));
  }
  slice.ports = ReadPorts(root["ports"], /*need_number=*/false);
  return slice;
}

std::vector<EndpointSlice> ReadEndpoints(const Field& root,
                                         const ObjectMeta& meta) {
  std::vector<EndpointSlice> slices;
  root.HasOnly({"apiVersion", "kind", "metadata", "subsets"});
  for (const Field& subset : root["subsets"].Items()) {
    if (!subset.HasOnly({"addresses", "notReadyAddresses", "ports"})) continue;
    EndpointSlice slice = {.ns = meta.ns,
                           .name = meta.name,
                           .service = meta.name,
                           .is_endpoints = true};
    ReadSubsetAddresses(subset["addresses"], /*is_ready=*/true, slice);
    ReadSubsetAddresses(subset["notReadyAddresses"], /*is_ready=*/false, slice);
    slice.ports = ReadPorts(subset["ports"], /*need_number=*/true);
    slices.push_back(std::move(slice));
  }
  return slices;
}

}  // namespace ciliumcore::internal
