// SPDX-License-Identifier: Apache-2.0

// Labels: what a workload is known by before it has a number. A label has a
// source, which says who attached it.

#ifndef CILIUMCORE_IDENTITY_LABEL_H_
#define CILIUMCORE_IDENTITY_LABEL_H_

#include <compare>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ciliumcore/base/ip.h"

namespace ciliumcore {

// Sources, which are Cilium's: of the labels of pods and namespaces, of those
// of reserved identities, of those of address blocks, and of those of groups of
// blocks; in a selector, any.
inline constexpr absl::string_view kSourceKubernetes = "k8s";
inline constexpr absl::string_view kSourceReserved = "reserved";
inline constexpr absl::string_view kSourceCidr = "cidr";
inline constexpr absl::string_view kSourceCidrGroup = "cidrgroup";
inline constexpr absl::string_view kSourceFqdn = "fqdn";  // of a DNS name
inline constexpr absl::string_view kSourceAny = "any";

// Where a label that names no source comes from.
inline constexpr absl::string_view kDefaultLabelSource = kSourceKubernetes;

// The label that says which namespace a pod is in, and what leads the key of a
// label of that namespace; both as Cilium writes them.
inline constexpr absl::string_view kNamespaceKey =
    "io.kubernetes.pod.namespace";
inline constexpr absl::string_view kNamespaceLabelPrefix =
    "io.cilium.k8s.namespace.labels.";

// One label.
struct Label {
  std::string source{kDefaultLabelSource};
  std::string key;
  std::string value;

  // "app=web", "k8s:app=web", "reserved:host", "any:app": [source:]key[=value].
  // InvalidArgument if the source or the key is empty, or if there are blanks,
  // control characters, ',' or ';' in it.
  static absl::StatusOr<Label> Parse(absl::string_view text);

  // "k8s:app=web"; "reserved:host" where there is no value.
  std::string ToString() const;

  friend auto operator<=>(const Label&, const Label&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const Label& label) {
    return H::combine(std::move(h), label.source, label.key, label.value);
  }
};

// The label of an address block, as Cilium writes it: the key is the canonical
// prefix with '-' for ':', and "0" where it would begin or end with '-'.
Label CidrLabel(const IpPrefix& prefix);

// A set of labels, at most one for each source and key, in order. A value;
// thread-compatible.
class Labels {
 public:
  using const_iterator = std::vector<Label>::const_iterator;

  Labels() = default;
  // {{"app", "web"}, {"tier", "front"}}, all of the default source. Of equal
  // keys the last wins.
  Labels(std::initializer_list<std::pair<absl::string_view, absl::string_view>>
             pairs);

  // Labels separated by commas or semicolons. InvalidArgument as Label::Parse,
  // or if a source and key come twice.
  static absl::StatusOr<Labels> Parse(absl::string_view text);

  // Adds `label`, or replaces the one of its source and key. O(size).
  void Set(Label label);
  void Set(absl::string_view key, absl::string_view value);
  // Removes the label of that source and key; false if there is none.
  bool Erase(absl::string_view source, absl::string_view key);

  // The value of `key` from any source, the first in order; null if there is
  // none. Valid until the next change.
  const std::string* Get(absl::string_view key) const;
  const std::string* Get(absl::string_view source, absl::string_view key) const;

  bool empty() const { return labels_.empty(); }
  size_t size() const { return labels_.size(); }
  const_iterator begin() const { return labels_.begin(); }
  const_iterator end() const { return labels_.end(); }

  // "k8s:app=web;k8s:tier=front;": equal sets have equal keys and, as long as
  // every label is one that Parse reads, different sets different ones. Parse
  // reads it.
  std::string CanonicalKey() const;

  // "k8s:app=web, k8s:tier=front", for people; "no labels" if there are none.
  std::string ToString() const;

  friend auto operator<=>(const Labels&, const Labels&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const Labels& labels) {
    return H::combine(std::move(h), labels.labels_);
  }

 private:
  std::vector<Label> labels_;  // ascending, no two of one source and key
};

// The namespace that the labels of an identity name; "default" if they name
// none. Points into `labels`, or to a constant.
absl::string_view NamespaceOf(const Labels& labels);

// The rules of Kubernetes: a key is [prefix/]name with a DNS subdomain as the
// prefix; name and value are at most 63 of [A-Za-z0-9_.-] with a letter or
// digit at both ends; a value may be empty. InvalidArgument says which is
// broken.
absl::Status ValidateLabelKey(absl::string_view key);
absl::Status ValidateLabelValue(absl::string_view value);

}  // namespace ciliumcore

#endif  // CILIUMCORE_IDENTITY_LABEL_H_
