// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/identity/label.h"

#include <algorithm>
#include <tuple>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "lib/identity/kubernetes_name_internal.h"

namespace ciliumcore {
namespace {

bool IsForbidden(char c) {
  return absl::ascii_isspace(static_cast<unsigned char>(c)) ||
         absl::ascii_iscntrl(static_cast<unsigned char>(c)) || c == ';' ||
         c == ',';
}

auto KeyOf(const Label& label) { return std::tie(label.source, label.key); }

bool Before(const Label& a, const Label& b) { return KeyOf(a) < KeyOf(b); }

}  // namespace

absl::StatusOr<Label> Label::Parse(absl::string_view text) {
  Label label;
  absl::string_view rest = text;
  const size_t equals = rest.find('=');
  if (equals != absl::string_view::npos) {
    label.value = std::string(rest.substr(equals + 1));
    rest = rest.substr(0, equals);
  }
  const size_t colon = rest.find(':');
  if (colon != absl::string_view::npos) {
    label.source = std::string(rest.substr(0, colon));
    rest = rest.substr(colon + 1);
  }
  label.key = std::string(rest);
  // A CIDR is a key of its own, colons and all.
  const bool readable = std::none_of(text.begin(), text.end(), IsForbidden);
  if (label.key.empty() || label.source.empty() || !readable) {
    return absl::InvalidArgumentError(
        absl::StrCat("label ", internal::QuotedName(text),
                     ": expected [source:]key[=value] without blanks, control "
                     "characters, ',' and ';'"));
  }
  return label;
}

std::string Label::ToString() const {
  return value.empty() ? absl::StrCat(source, ":", key)
                       : absl::StrCat(source, ":", key, "=", value);
}

Label CidrLabel(const IpPrefix& prefix) {
  std::string key = prefix.address().ToString();
  std::replace(key.begin(), key.end(), ':', '-');
  // A key of Kubernetes begins and ends with a letter or digit.
  if (key.front() == '-') key.insert(0, 1, '0');
  if (key.back() == '-') key.push_back('0');
  absl::StrAppend(&key, "/", prefix.length());
  return {.source = std::string(kSourceCidr), .key = key, .value = ""};
}

Labels::Labels(
    std::initializer_list<std::pair<absl::string_view, absl::string_view>>
        pairs) {
  for (const auto& [key, value] : pairs) Set(key, value);
}

absl::StatusOr<Labels> Labels::Parse(absl::string_view text) {
  Labels labels;
  for (absl::string_view part :
       absl::StrSplit(text, absl::ByAnyChar(",;"), absl::SkipEmpty())) {
    absl::StatusOr<Label> label = Label::Parse(part);
    if (!label.ok()) return label.status();
    if (labels.Get(label->source, label->key) != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("labels ", internal::QuotedName(text), ": ",
                       label->source, ":", label->key, " comes twice"));
    }
    labels.Set(*std::move(label));
  }
  return labels;
}

void Labels::Set(Label label) {
  auto at = std::lower_bound(labels_.begin(), labels_.end(), label, Before);
  if (at != labels_.end() && KeyOf(*at) == KeyOf(label)) {
    *at = std::move(label);
  } else {
    labels_.insert(at, std::move(label));
  }
}

void Labels::Set(absl::string_view key, absl::string_view value) {
  Set({.source = std::string(kDefaultLabelSource),
       .key = std::string(key),
       .value = std::string(value)});
}

bool Labels::Erase(absl::string_view source, absl::string_view key) {
  return std::erase_if(labels_, [&](const Label& label) {
           return label.source == source && label.key == key;
         }) != 0;
}

const std::string* Labels::Get(absl::string_view key) const {
  for (const Label& label : labels_) {
    if (label.key == key) return &label.value;
  }
  return nullptr;
}

const std::string* Labels::Get(absl::string_view source,
                               absl::string_view key) const {
  for (const Label& label : labels_) {
    if (label.source == source && label.key == key) return &label.value;
  }
  return nullptr;
}

std::string Labels::CanonicalKey() const {
  std::string key;
  for (const Label& label : labels_) {
    absl::StrAppend(&key, label.source, ":", label.key, "=", label.value, ";");
  }
  return key;
}

std::string Labels::ToString() const {
  if (labels_.empty()) return "no labels";
  return absl::StrJoin(labels_, ", ", [](std::string* out, const Label& label) {
    absl::StrAppend(out, label.ToString());
  });
}

absl::string_view NamespaceOf(const Labels& labels) {
  const std::string* ns = labels.Get(kSourceKubernetes, kNamespaceKey);
  return ns == nullptr || ns->empty() ? absl::string_view("default")
                                      : absl::string_view(*ns);
}

absl::Status ValidateLabelKey(absl::string_view key) {
  if (internal::IsLabelKey(key)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("expected ", internal::kLabelKeyForm, ", found ",
                   internal::QuotedName(key)));
}

absl::Status ValidateLabelValue(absl::string_view value) {
  if (internal::IsLabelValue(value)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("expected ", internal::kLabelValueForm, ", found ",
                   internal::QuotedName(value)));
}

}  // namespace ciliumcore
