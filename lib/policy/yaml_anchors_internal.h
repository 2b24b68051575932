// SPDX-License-Identifier: Apache-2.0

// The anchors of a document, and how much of a text they may copy.

#ifndef CILIUMCORE_LIB_POLICY_YAML_ANCHORS_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_YAML_ANCHORS_INTERNAL_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "lib/policy/yaml_tree_internal.h"

namespace ciliumcore::internal {

struct YamlExtent {
  size_t nodes = 1;
  size_t bytes = 0;  // of text
  size_t depth = 1;
};

YamlExtent ExtentOf(const YamlNode& node);

// What was copied into anchors and out of them, in all documents of a text.
class YamlCopies {
 public:
  // Counts a copy; false if it is one too many.
  bool Add(const YamlExtent& extent);

 private:
  size_t nodes_ = 0;
  size_t bytes_ = 0;
};

// An anchor where it begins; one without a name is none.
struct YamlAnchor {
  std::string name = {};
  size_t number = 0;  // no two of a document have the same
};

// What the names of anchors stand for: the last that began.
class YamlAnchors {
 public:
  // From here on aliases of this name mean the node that begins.
  YamlAnchor Begin(absl::string_view name);

  // Whether an alias of its name means this one, and not one that began later.
  bool IsLast(const YamlAnchor& anchor) const;

  // Its node has come to its end. Only of one that is the last.
  void Complete(const YamlAnchor& anchor, const YamlNode& node);

  // Null: there is no such anchor. None: its node has not come to its end.
  const std::optional<YamlNode>* Find(absl::string_view name) const;

 private:
  struct Last {
    size_t number = 0;
    std::optional<YamlNode> node = {};
  };
  std::map<std::string, Last> last_;
  size_t begun_ = 0;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_POLICY_YAML_ANCHORS_INTERNAL_H_
