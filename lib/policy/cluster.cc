// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/cluster.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace ciliumcore {
namespace {

// Whether an identity has this label for its pod's namespace.
bool IsOfNamespace(const Label& label) {
  return label.source == kSourceKubernetes &&
         (label.key == kNamespaceKey ||
          absl::StartsWith(label.key, kNamespaceLabelPrefix));
}

}  // namespace

std::string Pod::ToString() const { return absl::StrCat(ns, "/", name); }

SliceIndex IndexSlices(const Cluster& cluster) {
  SliceIndex index;
  for (const EndpointSlice& slice : cluster.slices) {
    if (!slice.service.empty()) {
      index[{slice.ns, slice.service}].push_back(&slice);
    }
  }
  const auto is_older = [](const EndpointSlice* slice) {
    return slice->is_endpoints;
  };
  for (auto& [service, slices] : index) {
    if (!std::all_of(slices.begin(), slices.end(), is_older)) {
      std::erase_if(slices, is_older);
    }
  }
  return index;
}

Namespace MakeNamespace(absl::string_view name, Labels labels) {
  labels.Set(kNamespaceNameLabel, name);
  return {.name = std::string(name), .labels = std::move(labels)};
}

Labels PodIdentityLabels(const Labels& pod_labels, const Namespace& ns) {
  // A pod may not pose as one of another namespace.
  Labels labels = PodLabelsOf(pod_labels);
  labels.Set(kNamespaceKey, ns.name);
  for (const Label& label : ns.labels) {
    labels.Set(absl::StrCat(kNamespaceLabelPrefix, label.key), label.value);
  }
  return labels;
}

Labels PodLabelsOf(const Labels& identity_labels) {
  Labels labels;
  for (const Label& label : identity_labels) {
    if (!IsOfNamespace(label)) labels.Set(label);
  }
  return labels;
}

Namespace PodNamespaceOf(const Labels& identity_labels) {
  Labels labels;
  for (const Label& label : identity_labels) {
    absl::string_view key = label.key;
    if (label.source == kSourceKubernetes &&
        absl::ConsumePrefix(&key, kNamespaceLabelPrefix)) {
      labels.Set(key, label.value);
    }
  }
  return MakeNamespace(NamespaceOf(identity_labels), std::move(labels));
}

}  // namespace ciliumcore
