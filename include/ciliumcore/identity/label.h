// SPDX-License-Identifier: Apache-2.0

// Labels: what a workload is known by before it has a number.

#ifndef CILIUMCORE_IDENTITY_LABEL_H_
#define CILIUMCORE_IDENTITY_LABEL_H_

#include <compare>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ciliumcore {

// Where a label that names no source comes from.
inline constexpr absl::string_view kDefaultLabelSource = "k8s";

// One label. Sources are Cilium's: k8s, reserved, cidr, any, ...
struct Label {
  std::string source{kDefaultLabelSource};
  std::string key;
  std::string value;

  // "app=web", "k8s:app=web", "reserved:host", "any:app": [source:]key[=value].
  // InvalidArgument if the key is empty or contains blanks or ';'.
  static absl::StatusOr<Label> Parse(absl::string_view text);

  // "k8s:app=web"; "reserved:host" where there is no value.
  std::string ToString() const;

  friend auto operator<=>(const Label&, const Label&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const Label& label) {
    return H::combine(std::move(h), label.source, label.key, label.value);
  }
};

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

  // "k8s:app=web;k8s:tier=front;": equal sets have equal keys.
  std::string CanonicalKey() const;

  friend auto operator<=>(const Labels&, const Labels&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const Labels& labels) {
    return H::combine(std::move(h), labels.labels_);
  }

 private:
  std::vector<Label> labels_;  // ascending, no two of one source and key
};

}  // namespace ciliumcore

#endif  // CILIUMCORE_IDENTITY_LABEL_H_
