// SPDX-License-Identifier: Apache-2.0

// Labels of pods that no manifest gives them.

#ifndef CILIUMCORE_LIB_POLICY_GIVEN_LABELS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_GIVEN_LABELS_INTERNAL_H_

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/identity/label.h"

namespace ciliumcore {

// Whether a controller labels the pods of a workload of kind `owner_kind` so:
// anew for each pod, rollout or run. A Job that is a workload itself has one
// name for all of its pods.
inline bool IsGivenByController(absl::string_view key,
                                absl::string_view owner_kind) {
  if (key == "job-name" || key == "batch.kubernetes.io/job-name") {
    return owner_kind != "Job";
  }
  constexpr absl::string_view kKeys[] = {"apps.kubernetes.io/pod-index",
                                         "controller-revision-hash",
                                         "controller-uid",
                                         "pod-template-generation",
                                         "pod-template-hash",
                                         "statefulset.kubernetes.io/pod-name"};
  return std::find(std::begin(kKeys), std::end(kKeys), key) !=
             std::end(kKeys) ||
         absl::StartsWith(key, "batch.kubernetes.io/");
}

// Whether Cilium derives it from where the pod is.
inline bool IsDerived(absl::string_view key) {
  return key == kNamespaceKey || absl::StartsWith(key, "io.cilium.k8s.");
}

}  // namespace ciliumcore

#endif  // CILIUMCORE_LIB_POLICY_GIVEN_LABELS_INTERNAL_H_
