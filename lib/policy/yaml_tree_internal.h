// SPDX-License-Identifier: Apache-2.0

// YAML and JSON as a tree of what is written, types not yet guessed, with the
// place of every node. Hostile text costs no more than its length.

#ifndef CILIUMCORE_LIB_POLICY_YAML_TREE_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_YAML_TREE_INTERNAL_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace ciliumcore::internal {

// Both counted from 1.
struct TextPlace {
  int line = 1;
  int column = 1;
};

struct YamlKey {
  std::string text;
  TextPlace place;
  bool is_plain = false;  // without quotes
};

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };

  Kind kind = Kind::kNull;
  bool is_plain = false;  // a scalar without quotes
  TextPlace place;
  std::string text = {};             // of a scalar
  std::vector<YamlKey> keys = {};    // of a map; no two are equal
  std::vector<YamlNode> items = {};  // of a sequence; of a map, its values

  // The value under `key` of a map, or null.
  const YamlNode* Find(absl::string_view key) const;
};

inline constexpr size_t kMaxYamlDepth = 100;
// What anchors and aliases of a text may copy, in all its documents.
inline constexpr size_t kMaxAliasNodes = 100000;
inline constexpr size_t kMaxAliasBytes = 16 << 20;

// Calls `visit` for each document of `text` that is not empty, and `refuse` for
// what is wrong: once for a syntax error, or more depth or aliases than the
// limits, which end it, and any number of times for a document that is then not
// visited: for keys that are there twice or are no strings, tags, and merge
// keys. An alias means the last anchor of its name that began before it. Reads
// what Kubernetes' own tools read: their parser is this one's twin.
void ReadYaml(absl::string_view text,
              absl::FunctionRef<void(const YamlNode&)> visit,
              absl::FunctionRef<void(TextPlace, absl::string_view)> refuse);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_POLICY_YAML_TREE_INTERNAL_H_
