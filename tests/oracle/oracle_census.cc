// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/oracle_census.h"

#include <algorithm>
#include <string>

namespace ciliumcore::testing {
namespace {

constexpr char kNamespaceLabel[] = "io.kubernetes.pod.namespace";
constexpr char kLabelsOfNamespace[] = "io.cilium.k8s.namespace.labels.";

bool IsAmong(const std::vector<IpAddress>& addresses,
             const std::optional<IpAddress>& address) {
  return address.has_value() &&
         std::count(addresses.begin(), addresses.end(), *address) > 0;
}

// "The Kubernetes control plane sets an immutable label
// kubernetes.io/metadata.name on all namespaces": whatever else is said.
LabelList LabelsOfNamespace(const PolicyInput& input, const std::string& name) {
  LabelList labels;
  for (const Namespace& ns : input.namespaces) {
    if (ns.name != name) continue;
    labels.assign(ns.labels.begin(), ns.labels.end());
  }
  std::erase_if(labels, [](const Label& label) {
    return label.key == "kubernetes.io/metadata.name";
  });
  labels.push_back({"k8s", "kubernetes.io/metadata.name", name});
  return labels;
}

LabelList ReservedLabelsOf(Identity identity) {
  switch (identity) {
    case Identity::kHost:
      return {{"reserved", "host", ""}};
    case Identity::kWorld:
      return {{"reserved", "world", ""}};
    case Identity::kUnmanaged:
      return {{"reserved", "unmanaged", ""}};
    case Identity::kHealth:
      return {{"reserved", "health", ""}};
    case Identity::kInit:
      return {{"reserved", "init", ""}};
    case Identity::kRemoteNode:
      return {{"reserved", "remote-node", ""}};
    case Identity::kKubeApiserver:
      return {{"reserved", "kube-apiserver", ""},
              {"reserved", "remote-node", ""}};
    case Identity::kIngress:
      return {{"reserved", "ingress", ""}};
    default:
      return {};
  }
}

// A pod may not pose as one of another namespace.
LabelList LabelsOfPod(const PolicyEndpoint& pod, const LabelList& of_its_ns) {
  LabelList labels = ReservedLabelsOf(pod.identity);
  for (const Label& label : pod.labels) {
    const bool poses =
        label.source == "k8s" && (label.key == kNamespaceLabel ||
                                  label.key.starts_with(kLabelsOfNamespace));
    if (!poses) labels.push_back(label);
  }
  labels.push_back({"k8s", kNamespaceLabel, pod.ns});
  for (const Label& label : of_its_ns) {
    labels.push_back({"k8s", kLabelsOfNamespace + label.key, label.value});
  }
  return labels;
}

}  // namespace

Census::Census(const PolicyInput& input) : input_(input) {
  for (const PolicyEndpoint& pod : input.endpoints) {
    namespace_labels_.push_back(LabelsOfNamespace(input, pod.ns));
    cilium_labels_.push_back(LabelsOfPod(pod, namespace_labels_.back()));
  }
}

FlowEnd Census::EndOf(const IpAddress& address) const {
  for (uint32_t i = 0; i < input_.endpoints.size(); ++i) {
    if (IsAmong(input_.endpoints[i].addresses, address)) return {i, address};
  }
  return {kNoEndpoint, address};
}

const PolicyEndpoint* Census::PodAt(const FlowEnd& end) const {
  if (end.endpoint == kNoEndpoint) return nullptr;
  const PolicyEndpoint& pod = input_.endpoints[end.endpoint];
  return pod.host_network ? nullptr : &pod;
}

bool Census::IsHost(const FlowEnd& end) const {
  if (end.endpoint != kNoEndpoint) {
    return input_.endpoints[end.endpoint].host_network;
  }
  return IsAmong(input_.host_addresses, end.address);
}

bool Census::IsRemoteNode(const FlowEnd& end) const {
  if (end.endpoint != kNoEndpoint || IsHost(end)) return false;
  return IsAmong(input_.remote_node_addresses, end.address) ||
         std::any_of(input_.remote_nodes.begin(), input_.remote_nodes.end(),
                     [&](const PolicyNode& node) {
                       return IsAmong(node.addresses, end.address);
                     });
}

bool Census::IsOutside(const FlowEnd& end) const {
  return end.endpoint == kNoEndpoint && !IsHost(end) && !IsRemoteNode(end);
}

bool Census::IsApiServer(const FlowEnd& end) const {
  return IsOutside(end) && IsAmong(input_.api_server_addresses, end.address);
}

const LabelList& Census::NamespaceLabelsOf(const FlowEnd& pod) const {
  return namespace_labels_[pod.endpoint];
}

const Labels& Census::NodeLabelsOf(const FlowEnd& node) const {
  static const auto* unknown = new Labels();
  if (IsHost(node)) return input_.host_labels;
  for (const PolicyNode& remote : input_.remote_nodes) {
    if (IsAmong(remote.addresses, node.address)) return remote.labels;
  }
  return *unknown;
}

const LabelList& Census::CiliumLabelsOf(const FlowEnd& end) const {
  static const auto* host = new LabelList(ReservedLabelsOf(Identity::kHost));
  static const auto* node =
      new LabelList(ReservedLabelsOf(Identity::kRemoteNode));
  static const auto* world = new LabelList(ReservedLabelsOf(Identity::kWorld));
  static const auto* api_server = new LabelList(
      {{"reserved", "kube-apiserver", ""}, {"reserved", "world", ""}});
  if (PodAt(end) != nullptr) return cilium_labels_[end.endpoint];
  if (IsHost(end)) return *host;
  if (IsRemoteNode(end)) return *node;
  return IsApiServer(end) ? *api_server : *world;
}

}  // namespace ciliumcore::testing
