// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/policy/manifest.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "lib/base/status_macros_internal.h"
#include "lib/identity/kubernetes_name_internal.h"
#include "lib/policy/manifest_kinds_internal.h"
#include "lib/policy/manifest_objects_internal.h"

namespace ciliumcore {
namespace {

using internal::Field;
using internal::ManifestKind;
using internal::ManifestObject;
using internal::ObjectMeta;
using internal::ObjectName;
using internal::ObjectsRead;
using internal::Problems;
using internal::TextPlace;
using internal::YamlNode;

// "apps" of "apps/v1"; "" of "v1".
absl::string_view GroupOf(absl::string_view version) {
  const size_t slash = version.find('/');
  return slash == absl::string_view::npos ? absl::string_view()
                                          : version.substr(0, slash);
}

// Kind and version of an object, from itself or from the list that it is in.
struct Type {
  std::string kind;
  std::string version;
};

class Reader {
 public:
  explicit Reader(const ManifestOptions& options)
      : options_(options), problems_(options.max_problems) {}

  void ReadSource(const ManifestSource& source) {
    const auto refuse = [&](TextPlace place, absl::string_view message) {
      AddProblem({.file = source.name, .problems = &problems_}, place, "",
                 message);
    };
    if (source.text.size() > options_.max_bytes) {
      refuse({}, absl::StrCat("expected at most ", options_.max_bytes,
                              " bytes, found ", source.text.size()));
      return;
    }
    internal::ReadYaml(
        source.text,
        [&](const YamlNode& root) { ReadObject(source.name, root, nullptr); },
        refuse);
  }

  absl::StatusOr<Cluster> Finish() {
    CC_RETURN_IF_ERROR(problems_.ToStatus());
    objects_.cluster.pods =
        internal::ExpandPods(objects_.pods, options_.max_replicas);
    return std::move(objects_.cluster);
  }

 private:
  // `list`: what the elements of a typed list need not say.
  void ReadObject(const std::string& file, const YamlNode& root,
                  const Type* list) {
    ManifestObject object = {
        .file = file, .root = &root, .problems = &problems_};
    const Field top(object);
    if (!top.is_map()) {
      top.Expected("an object of Kubernetes");
      return;
    }
    const auto version = top["apiVersion"].String();
    const auto kind = top["kind"].String();
    Type type = list == nullptr ? Type() : *list;
    if (kind.has_value()) type.kind = *kind;
    if (version.has_value()) type.version = *version;
    if (type.kind.empty()) {
      if (!top["kind"].present()) top["kind"].Expected("a kind, such as Pod");
      return;
    }
    if (type.version.empty()) {
      object.subject = internal::EscapedName(type.kind);
      if (!top["apiVersion"].present()) {
        top["apiVersion"].Expected("a version, such as v1");
      }
      return;
    }
    if (IsList(type, top)) {
      ReadList(file, type, top, root);
      return;
    }
    ReadOne(object, type);
  }

  // "List", or the list of a known kind, or of any if it has elements.
  static bool IsList(const Type& type, const Field& top) {
    if (type.kind == "List") return true;
    return absl::EndsWith(type.kind, "List") &&
           (top["items"].present() ||
            internal::FindManifestKind(ElementOf(type.kind)) != nullptr);
  }

  static absl::string_view ElementOf(absl::string_view list) {
    return absl::StripSuffix(list, "List");
  }

  void ReadList(const std::string& file, const Type& type, const Field& top,
                const YamlNode& root) {
    top.HasOnly({"apiVersion", "kind", "metadata", "items"});
    const Type element = {std::string(ElementOf(type.kind)), type.version};
    top["items"].Items();  // says what is no list, and which element is null
    const YamlNode* items = root.Find("items");
    if (items == nullptr || items->kind != YamlNode::Kind::kSequence) return;
    for (const YamlNode& item : items->items) {
      if (item.kind == YamlNode::Kind::kNull) continue;
      ReadObject(file, item, element.kind.empty() ? nullptr : &element);
    }
  }

  void ReadOne(ManifestObject& object, const Type& type) {
    const Field top(object);
    // What messages call it, before anything is checked.
    const YamlNode* meta_node = object.root->Find("metadata");
    const auto peek = [&](absl::string_view key) {
      const YamlNode* node =
          meta_node == nullptr ? nullptr : meta_node->Find(key);
      return node == nullptr ? std::string()
                             : internal::EscapedName(node->text);
    };
    std::string ns = peek("namespace");
    const ManifestKind* known = internal::FindManifestKind(type.kind);
    if (ns.empty() && known != nullptr && known->is_namespaced) {
      ns = options_.default_namespace;
    }
    const std::string shown = peek("name").empty() ? "?" : peek("name");
    object.subject = absl::StrCat(internal::EscapedName(type.kind), " ", ns,
                                  ns.empty() ? "" : "/", shown);
    if (known == nullptr || !IsOurGroup(*known, type.version)) {
      Ignore(type, known, ns, shown);
      return;
    }
    if (std::find(known->versions.begin(), known->versions.end(),
                  type.version) == known->versions.end()) {
      top["apiVersion"].Expected(absl::StrJoin(known->versions, " or "));
      return;
    }
    ObjectMeta meta = internal::ReadMeta(top["metadata"]);
    CheckNames(top, meta, *known);
    if (!known->is_namespaced) {
      meta.ns.clear();
    } else if (meta.ns.empty()) {
      meta.ns = options_.default_namespace;
    }
    if (!meta.name.empty() && !Claim(object, type.kind, meta)) return;
    // Not before: metadata are the server's own in any object.
    object.is_custom = known->is_custom;
    object.api = known->api;
    known->read(top, known->name, meta, objects_);
    if (known->is_namespaced) MentionNamespace(meta.ns);
  }

  // Whether the kind is the one that is meant: others have a NetworkPolicy too.
  static bool IsOurGroup(const ManifestKind& known, absl::string_view version) {
    return std::any_of(known.versions.begin(), known.versions.end(),
                       [&](absl::string_view ours) {
                         return GroupOf(ours) == GroupOf(version);
                       });
  }

  void Ignore(const Type& type, const ManifestKind* known,
              const std::string& ns, const std::string& name) {
    std::string line = internal::EscapedName(type.kind);
    // Told apart from the kind of that name that is read.
    if (known != nullptr) {
      absl::StrAppend(&line, ".", internal::EscapedName(GroupOf(type.version)));
    }
    absl::StrAppend(&line, " ", ns, ns.empty() ? "" : "/", name);
    objects_.cluster.ignored.push_back(std::move(line));
  }

  static void CheckNames(const Field& top, const ObjectMeta& meta,
                         const ManifestKind& known) {
    const Field name = top["metadata"]["name"];
    const Field ns = top["metadata"]["namespace"];
    if (meta.name.empty()) {
      if (!top["metadata"].present()) {
        top["metadata"].Expected("a mapping with a name");
      } else if (!name.present() || name.Is("")) {
        name.Expected("a name");
      }
    } else if (name.present() && known.has_label_as_name &&
               !internal::IsDnsLabel(meta.name)) {
      name.Expected(internal::kDnsLabelForm);
    } else if (name.present() && !internal::IsDnsSubdomain(meta.name)) {
      name.Expected(internal::kDnsSubdomainForm);
    }
    if (meta.ns.empty()) return;
    if (!known.is_namespaced) {
      ns.Expected(
          absl::StrCat("no namespace around objects of kind ", known.name));
    } else if (!internal::IsDnsLabel(meta.ns)) {
      ns.Expected(internal::kDnsLabelForm);
    }
  }

  // Whether no object of this name has been read yet.
  bool Claim(const ManifestObject& object, const std::string& kind,
             const ObjectMeta& meta) {
    const Field top(object);
    const std::string place = absl::StrCat(object.file, ":", top.place().line);
    const auto [at, is_first] =
        places_.emplace(ObjectName{kind, meta.ns, meta.name}, place);
    if (!is_first) {
      top["metadata"]["name"].Expected(
          "each object once", absl::StrCat("it at ", at->second, " already"));
    }
    return is_first;
  }

  void MentionNamespace(const std::string& ns) {
    objects_.cluster.namespaces.emplace(ns, MakeNamespace(ns));
  }

  const ManifestOptions options_;
  Problems problems_;
  ObjectsRead objects_;
  std::map<ObjectName, std::string> places_;
};

}  // namespace

absl::StatusOr<Cluster> LoadManifests(absl::Span<const ManifestSource> sources,
                                      const ManifestOptions& options) {
  if (!internal::IsDnsLabel(options.default_namespace)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "ManifestOptions.default_namespace: expected ", internal::kDnsLabelForm,
        ", found ", internal::QuotedName(options.default_namespace)));
  }
  Reader reader(options);
  for (const ManifestSource& source : sources) reader.ReadSource(source);
  return reader.Finish();
}

}  // namespace ciliumcore
