// SPDX-License-Identifier: Apache-2.0

// Reads the fields of a manifest's objects with their Kubernetes types, and
// collects what is wrong with them:
//
//   FILE:LINE:COLUMN: KIND NS/NAME: PATH: expected X, found Y

#ifndef CILIUMCORE_LIB_POLICY_MANIFEST_FIELD_INTERNAL_H_
#define CILIUMCORE_LIB_POLICY_MANIFEST_FIELD_INTERNAL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/policy/yaml_tree_internal.h"

namespace ciliumcore::internal {

// What is wrong, up to a number of lines; further ones are counted.
class Problems {
 public:
  explicit Problems(size_t limit) : limit_(limit) {}

  void Add(std::string line);
  bool empty() const { return count_ == 0; }
  // Whether nobody will read a further line.
  bool is_full() const { return count_ >= limit_; }

  // OK, or InvalidArgument with the lines.
  absl::Status ToStatus() const;

 private:
  size_t limit_;
  size_t count_ = 0;
  std::vector<std::string> lines_;
};

// The object that is being read. Outlives its fields.
struct ManifestObject {
  std::string file;
  const YamlNode* root = nullptr;
  std::string subject = {};  // "Pod shop/web"; empty until it is known
  absl::string_view api = "Kubernetes";  // whose fields it has
  // Of a resource that is not built into the server, which takes null for
  // nothing in its own alone: in others nothing and null may differ.
  bool is_custom = false;
  Problems* problems = nullptr;
};

// A field of an object, maybe missing; null counts as missing, and is a problem
// in a map of a custom object. A view.
//
// Each reader answers with nothing for a missing field, and adds a problem and
// answers with nothing for one of another type.
class Field {
 public:
  explicit Field(const ManifestObject& object)
      : object_(&object), node_(object.root) {}

  bool present() const {
    return node_ != nullptr && node_->kind != YamlNode::Kind::kNull;
  }
  bool is_map() const {
    return present() && node_->kind == YamlNode::Kind::kMap;
  }
  bool is_list() const {
    return present() && node_->kind == YamlNode::Kind::kSequence;
  }
  size_t size() const { return present() ? node_->items.size() : 0; }
  TextPlace place() const {
    return node_ == nullptr ? TextPlace() : node_->place;
  }

  // Missing, unless this is a map.
  Field operator[](absl::string_view name) const;

  // Whether it is a map, with no keys but `names`, and no null that is a
  // problem.
  bool HasOnly(absl::Span<const absl::string_view> names) const;
  // Whether it is a map.
  bool ExpectMap() const;

  // A sequence's elements, none of which may be null.
  std::vector<Field> Items() const;
  // A map's values, with their keys, which any YAML must read as strings.
  struct Entry;
  std::vector<Entry> Entries() const;

  std::optional<std::string> String() const;
  std::optional<bool> Bool() const;
  // `what` describes it: "a port".
  std::optional<int64_t> Int(int64_t least, int64_t most,
                             absl::string_view what) const;
  // Whether it is a number as YAML may read it; anything else is no problem.
  bool IsNumber() const;
  // Whether it is a scalar with this text.
  bool Is(absl::string_view text) const;

  // Adds "expected `what`, found ...", with what this is.
  void Expected(absl::string_view what) const;
  // The same, with `found`.
  void Expected(absl::string_view what, absl::string_view found) const;

 private:
  Field(const ManifestObject* object, const YamlNode* node,
        const YamlNode* parent, absl::string_view name)
      : object_(object), node_(node), parent_(parent), name_(name) {}

  // Of a map, by the index of the key.
  Field Value(size_t index) const;
  // Adds a problem if the value is null and must not be.
  bool RefusesNull(size_t index) const;
  std::string Path() const;
  std::string Found() const;

  const ManifestObject* object_;
  const YamlNode* node_;              // null: missing
  const YamlNode* parent_ = nullptr;  // of a field that was asked for by name
  absl::string_view name_;
};

struct Field::Entry {
  absl::string_view key;
  Field value;
};

// Adds a problem at a place of `object`; no path if it is empty.
void AddProblem(const ManifestObject& object, TextPlace place,
                absl::string_view path, absl::string_view message);

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_POLICY_MANIFEST_FIELD_INTERNAL_H_
