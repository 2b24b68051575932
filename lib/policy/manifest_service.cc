// SPDX-License-Identifier: Apache-2.0

// Services. Fields are those of Kubernetes 1.31 to 1.35.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/identity/kubernetes_name_internal.h"
#include "lib/policy/manifest_objects_internal.h"

namespace ciliumcore::internal {
namespace {

ServicePort ReadServicePort(const Field& field) {
  ServicePort port;
  if (!field.HasOnly({"name", "protocol", "appProtocol", "port", "targetPort",
                      "nodePort"})) {
    return port;
  }
  port.name = field["name"].String().value_or("");
  if (!port.name.empty() && !IsDnsLabel(port.name)) {
    field["name"].Expected(kDnsLabelForm);
  }
  field["appProtocol"].String();
  const Field number = field["port"];
  port.port = {ReadProtocol(field["protocol"]),
               ReadPortNumber(number).value_or(0)};
  if (!number.present()) number.Expected("a port in 1..65535");
  PortOrName target = ReadPortOrName(field["targetPort"]);
  port.target_port = target.number;
  port.target_name = std::move(target.name);
  port.node_port = static_cast<uint16_t>(
      field["nodePort"].Int(0, 65535, "a port").value_or(0));
  return port;
}

// Which families the service's addresses are of, in their order.
std::vector<bool> ReadFamilies(const Field& families) {
  std::vector<bool> are_v4;
  for (const Field& family : families.Items()) {
    if (!family.Is("IPv4") && !family.Is("IPv6")) {
      family.Expected("IPv4 or IPv6");
    }
    are_v4.push_back(family.Is("IPv4"));
  }
  return are_v4;
}

void ReadClusterIps(const Field& spec, Service& service) {
  std::vector<Field> fields = spec["clusterIPs"].Items();
  if (fields.empty() && spec["clusterIP"].present()) {
    fields.push_back(spec["clusterIP"]);
  }
  const std::vector<bool> are_v4 = ReadFamilies(spec["ipFamilies"]);
  if (!are_v4.empty()) {
    service.has_v4 = std::count(are_v4.begin(), are_v4.end(), true) != 0;
    service.has_v6 = std::count(are_v4.begin(), are_v4.end(), false) != 0;
  }
  std::vector<IpAddress>& addresses = service.cluster_ips;
  for (const Field& field : fields) {
    const auto text = field.String();
    if (text == "None") service.is_headless = true;
    if (!text.has_value() || text->empty() || text == "None") continue;
    const auto address = ReadAddress(field);
    if (!address.has_value()) continue;
    const size_t at = addresses.size();
    if (at < are_v4.size() && address->is_v4() != are_v4[at]) {
      field.Expected(absl::StrCat("an ", FamilyName(are_v4[at]),
                                  " address, by ipFamilies"));
    }
    if (at == 1 && address->is_v4() == addresses[0].is_v4()) {
      field.Expected("an address of the other family");
    }
    if (at > 1) field.Expected("at most one address of each family");
    addresses.push_back(*address);
  }
  const Field first = spec["clusterIP"];
  if (addresses.empty() || !first.present() || first.Is("")) return;
  const auto address = ReadAddress(first);
  if (address.has_value() && *address != addresses[0]) {
    first.Expected(absl::StrCat(addresses[0].ToString(), ", as in clusterIPs"));
  }
}

void ReadAffinity(const Field& spec, Service& service) {
  constexpr uint32_t kDefaultSeconds = 10800;
  std::optional<int64_t> seconds;
  if (spec["sessionAffinityConfig"].HasOnly({"clientIP"})) {
    const Field client = spec["sessionAffinityConfig"]["clientIP"];
    client.HasOnly({"timeoutSeconds"});
    seconds = client["timeoutSeconds"].Int(1, 86400, "seconds, a day at most");
  }
  const std::string affinity =
      spec["sessionAffinity"].String().value_or("None");
  if (affinity == "ClientIP") {
    service.affinity_seconds =
        static_cast<uint32_t>(seconds.value_or(kDefaultSeconds));
  } else if (affinity != "None" && !affinity.empty()) {
    spec["sessionAffinity"].Expected("None or ClientIP");
  }
}

bool IsLocal(const Field& traffic_policy) {
  if (traffic_policy.present() && !traffic_policy.Is("Cluster") &&
      !traffic_policy.Is("Local") && !traffic_policy.Is("")) {
    traffic_policy.Expected("Cluster or Local");
  }
  return traffic_policy.Is("Local");
}

// The ranges, and what Cilium's annotation says of them.
void ReadSourceRanges(const Field& ranges, const Field& annotations,
                      Service& service) {
  for (const Field& range : ranges.Items()) {
    const auto prefix = ReadPrefix(range);
    if (prefix.has_value()) service.source_ranges.push_back(*prefix);
  }
  const Field policy = annotations["service.cilium.io/src-ranges-policy"];
  if (policy.present() && !policy.Is("allow") && !policy.Is("deny")) {
    policy.Expected("allow or deny");
  }
  service.source_ranges_deny = policy.Is("deny");
}

// The balancer's addresses; the status is the server's.
void ReadServiceStatus(const Field& status, Service& service) {
  if (!status.HasOnly({"loadBalancer", "conditions"})) return;
  const Field balancer = status["loadBalancer"];
  if (!balancer.HasOnly({"ingress"})) return;
  for (const Field& ingress : balancer["ingress"].Items()) {
    if (!ingress.HasOnly({"ip", "hostname", "ipMode", "ports"})) continue;
    const auto address = ReadAddress(ingress["ip"]);
    if (address.has_value() && !ingress["ipMode"].Is("Proxy")) {
      service.load_balancer_ips.push_back(*address);
    }
    for (const Field& port : ingress["ports"].Items()) {
      port.HasOnly({"port", "protocol", "error"});
    }
  }
}

}  // namespace

Service ReadService(const Field& root, const ObjectMeta& meta) {
  Service service;
  service.ns = meta.ns;
  service.name = meta.name;
  service.labels = meta.labels;
  root.HasOnly({"apiVersion", "kind", "metadata", "spec", "status"});
  const Field spec = root["spec"];
  spec.HasOnly({"ports",
                "selector",
                "clusterIP",
                "clusterIPs",
                "type",
                "externalIPs",
                "sessionAffinity",
                "sessionAffinityConfig",
                "loadBalancerIP",
                "loadBalancerSourceRanges",
                "loadBalancerClass",
                "externalName",
                "externalTrafficPolicy",
                "internalTrafficPolicy",
                "healthCheckNodePort",
                "publishNotReadyAddresses",
                "ipFamilies",
                "ipFamilyPolicy",
                "allocateLoadBalancerNodePorts",
                "trafficDistribution"});
  spec["publishNotReadyAddresses"].Bool();
  spec["allocateLoadBalancerNodePorts"].Bool();
  spec["healthCheckNodePort"].Int(0, 65535, "a port");
  for (const Field& field : spec["externalIPs"].Items()) {
    const auto address = ReadAddress(field);
    if (address.has_value()) service.external_ips.push_back(*address);
  }
  ReadAffinity(spec, service);
  ReadServiceStatus(root["status"], service);
  ReadSourceRanges(spec["loadBalancerSourceRanges"],
                   root["metadata"]["annotations"], service);
  service.is_internally_local = IsLocal(spec["internalTrafficPolicy"]);
  service.is_externally_local = IsLocal(spec["externalTrafficPolicy"]);

  service.type = spec["type"].String().value_or("ClusterIP");
  if (service.type != "ClusterIP" && service.type != "NodePort" &&
      service.type != "LoadBalancer" && service.type != "ExternalName") {
    spec["type"].Expected("ClusterIP, NodePort, LoadBalancer or ExternalName");
  }
  ReadClusterIps(spec, service);
  // No labels to select by: somebody else says which backends there are.
  LabelSelector selector = ReadMapSelector(spec["selector"]);
  if (!selector.match_labels.empty()) service.selector = std::move(selector);
  for (const Field& port : spec["ports"].Items()) {
    service.ports.push_back(ReadServicePort(port));
  }
  if (spec["ports"].size() == 0 && !service.is_headless &&
      service.type != "ExternalName") {
    spec["ports"].Expected("at least one port",
                           spec["ports"].present() ? "none" : "nothing");
  }
  return service;
}

}  // namespace ciliumcore::internal
