// SPDX-License-Identifier: Apache-2.0

// Metadata, labels, selectors, ports and addresses: what several kinds share.

#include <algorithm>
#include <array>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/identity/kubernetes_name_internal.h"
#include "lib/policy/manifest_objects_internal.h"

namespace ciliumcore::internal {
namespace {

constexpr std::array<absl::string_view, 15> kMetaFields = {
    "name",
    "namespace",
    "labels",
    "annotations",
    "generateName",
    "ownerReferences",
    "finalizers",
    "managedFields",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
};

constexpr std::array<absl::string_view, 6> kOwnerFields = {
    "apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion",
};

// The owner that controls the object; a static pod's node is none.
std::optional<ObjectName> ReadController(const Field& owners,
                                         const std::string& ns) {
  std::optional<ObjectName> controller;
  for (const Field& owner : owners.Items()) {
    if (!owner.HasOnly(kOwnerFields)) continue;
    const auto kind = owner["kind"].String();
    const auto name = owner["name"].String();
    const bool controls = owner["controller"].Bool().value_or(false);
    if (!kind.has_value()) owner["kind"].Expected("a kind");
    if (!name.has_value()) owner["name"].Expected("a name");
    if (controls && kind.has_value() && name.has_value() && *kind != "Node") {
      controller = ObjectName{*kind, ns, *name};
    }
  }
  return controller;
}

// Letters and digits before a ':'. Empty: there is no such source, and the key
// is taken as a whole.
absl::string_view SourceOf(absl::string_view key) {
  const absl::string_view source = key.substr(0, key.find(':'));
  const bool is_source =
      source.size() < key.size() &&
      std::all_of(source.begin(), source.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c));
      });
  return is_source ? source : absl::string_view();
}

void CheckLabelKey(const Field& field, absl::string_view key,
                   KeyForm form = KeyForm::kPlain) {
  if (form == KeyForm::kPlain) {
    if (!IsLabelKey(key)) field.Expected(kLabelKeyForm, QuotedName(key));
    return;
  }
  const absl::string_view source = SourceOf(key);
  if (IsLabelKey(source.empty() ? key : key.substr(source.size() + 1))) return;
  field.Expected(absl::StrCat("a source and ':', if any, and ", kLabelKeyForm),
                 QuotedName(key));
}

std::string ReadLabelValue(const Field& field) {
  const std::string value = field.String().value_or("");
  if (!IsLabelValue(value)) field.Expected(kLabelValueForm);
  return value;
}

std::optional<LabelSelector::Operator> ReadOperator(const Field& field) {
  using Operator = LabelSelector::Operator;
  const auto name = field.String();
  for (const Operator op : {Operator::kIn, Operator::kNotIn, Operator::kExists,
                            Operator::kDoesNotExist}) {
    if (name == std::string(OperatorName(op))) return op;
  }
  if (name.has_value() || !field.present()) {
    field.Expected("In, NotIn, Exists or DoesNotExist");
  }
  return std::nullopt;
}

LabelSelector::Requirement ReadRequirement(const Field& field, KeyForm form) {
  LabelSelector::Requirement requirement;
  if (!field.HasOnly({"key", "operator", "values"})) return requirement;
  const auto key = field["key"].String();
  if (key.has_value()) {
    requirement.key = *key;
    CheckLabelKey(field["key"], *key, form);
  } else if (!field["key"].present()) {
    field["key"].Expected("a label key");
  }
  for (const Field& value : field["values"].Items()) {
    requirement.values.push_back(ReadLabelValue(value));
  }
  const auto op = ReadOperator(field["operator"]);
  if (!op.has_value()) return requirement;
  requirement.op = *op;
  const bool wants_values = *op == LabelSelector::Operator::kIn ||
                            *op == LabelSelector::Operator::kNotIn;
  if (wants_values && field["values"].size() == 0) {
    field["values"].Expected(absl::StrCat("values for ", OperatorName(*op)),
                             field["values"].present() ? "none" : "nothing");
  }
  if (!wants_values && field["values"].size() != 0) {
    field["values"].Expected(absl::StrCat("no values for ", OperatorName(*op)),
                             absl::StrCat(field["values"].size()));
  }
  return requirement;
}

}  // namespace

std::vector<Field> ReadItems(const Field& list, size_t least, size_t most,
                             absl::string_view what) {
  std::vector<Field> items = list.Items();
  const bool is_wrong_type = list.present() && !list.is_list();
  if (!is_wrong_type && (list.size() < least || list.size() > most)) {
    const std::string expected =
        least == 0 ? absl::StrCat("at most ", most, " ", what)
                   : absl::StrCat(least, " to ", most, " ", what);
    list.Expected(expected,
                  list.present() ? absl::StrCat(list.size()) : "nothing");
  }
  return items;
}

size_t CharactersOf(absl::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  });
}

ObjectMeta ReadMeta(const Field& meta) {
  ObjectMeta read;
  if (!meta.HasOnly(kMetaFields) && !meta.is_map()) return read;
  read.name = meta["name"].String().value_or("");
  read.ns = meta["namespace"].String().value_or("");
  if (read.name.empty()) {
    // Whatever the server appends, it is not this.
    const std::string stem = meta["generateName"].String().value_or("");
    if (!stem.empty()) read.name = absl::StrCat(stem, "0");
  }
  read.labels = ReadLabels(meta["labels"]);
  for (const Field::Entry& annotation : meta["annotations"].Entries()) {
    annotation.value.String();
  }
  read.controller = ReadController(meta["ownerReferences"], read.ns);
  return read;
}

Labels ReadLabels(const Field& labels) {
  Labels read;
  for (const Field::Entry& label : labels.Entries()) {
    CheckLabelKey(label.value, label.key);
    read.Set(label.key, ReadLabelValue(label.value));
  }
  return read;
}

LabelSelector ReadSelector(const Field& selector, KeyForm form) {
  LabelSelector read;
  if (!selector.HasOnly({"matchLabels", "matchExpressions"})) return read;
  read.match_labels =
      ReadMapSelector(selector["matchLabels"], form).match_labels;
  for (const Field& item : selector["matchExpressions"].Items()) {
    read.match_expressions.push_back(ReadRequirement(item, form));
  }
  return read;
}

LabelSelector ReadMapSelector(const Field& selector, KeyForm form) {
  LabelSelector read;
  absl::flat_hash_set<absl::string_view> keys;
  for (const Field::Entry& label : selector.Entries()) {
    CheckLabelKey(label.value, label.key, form);
    if (form == KeyForm::kWithSource) {
      const absl::string_view key = absl::StripPrefix(label.key, "any:");
      if (!keys.insert(key).second) {
        label.value.Expected(absl::StrCat(EscapedName(key), " once"),
                             "it with any: too");
      }
    }
    read.match_labels.emplace_back(std::string(label.key),
                                   ReadLabelValue(label.value));
  }
  return read;
}

Protocol ReadProtocol(const Field& protocol) {
  const auto name = protocol.String();
  if (!name.has_value() || name == "TCP") return Protocol::kTcp;
  if (name == "UDP") return Protocol::kUdp;
  if (name == "SCTP") return Protocol::kSctp;
  protocol.Expected("TCP, UDP or SCTP");
  return Protocol::kTcp;
}

std::optional<IpAddress> ReadAddress(const Field& address) {
  const auto text = address.String();
  if (!text.has_value()) return std::nullopt;
  const auto read = IpAddress::Parse(*text);
  if (read.ok()) return *read;
  address.Expected("an IP address");
  return std::nullopt;
}

std::optional<IpPrefix> ReadPrefix(const Field& field) {
  const auto text = field.String();
  if (!text.has_value()) {
    if (!field.present()) field.Expected("an IP prefix");
    return std::nullopt;
  }
  // A lone address is not a CIDR.
  const auto prefix = IpPrefix::ParseLenient(*text);
  if (prefix.ok() && text->find('/') != std::string::npos) return *prefix;
  field.Expected("an IP prefix such as 10.0.0.0/8");
  return std::nullopt;
}

std::optional<uint16_t> ReadPortNumber(const Field& port) {
  const auto number = port.Int(1, 65535, "a port");
  if (!number.has_value()) return std::nullopt;
  return static_cast<uint16_t>(*number);
}

PortOrName ReadPortOrName(const Field& port) {
  PortOrName read;
  if (port.IsNumber()) {
    read.number = ReadPortNumber(port);
    return read;
  }
  const auto name = port.String();
  if (!name.has_value()) return read;
  read.name = *name;
  if (!IsPortName(read.name)) {
    port.Expected(
        absl::StrCat("a port in 1..65535, or a name of ", kPortNameForm));
  }
  return read;
}

}  // namespace ciliumcore::internal
