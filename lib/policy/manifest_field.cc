// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/manifest_field_internal.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "lib/identity/kubernetes_name_internal.h"

namespace ciliumcore::internal {
namespace {

using Kind = YamlNode::Kind;

bool IsDigit(char c) {
  return absl::ascii_isdigit(static_cast<unsigned char>(c));
}

// -?(0|[1-9][0-9]*)
bool IsDecimal(absl::string_view text) {
  absl::ConsumePrefix(&text, "-");
  if (text.empty() || !std::all_of(text.begin(), text.end(), IsDigit)) {
    return false;
  }
  return text.size() == 1 || text[0] != '0';
}

// Whether some YAML reads plain `text` as a number: 1.1 knows 010, 0b1, 1_000,
// +1 and .inf, 1.2 knows 0o10.
bool LooksLikeNumber(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "-")) absl::ConsumePrefix(&text, "+");
  for (absl::string_view name : {".inf", ".nan"}) {
    if (absl::EqualsIgnoreCase(text, name)) return true;
  }
  if (text.empty() || !(IsDigit(text[0]) || text[0] == '.')) return false;
  const auto all = [](absl::string_view rest, absl::string_view allowed) {
    return !rest.empty() &&
           rest.find_first_not_of(allowed) == absl::string_view::npos;
  };
  const absl::string_view prefix = text.substr(0, 2);
  if (prefix == "0x" || prefix == "0X") {
    return all(text.substr(2), "0123456789abcdefABCDEF_");
  }
  if (prefix == "0o" || prefix == "0O") return all(text.substr(2), "01234567_");
  if (prefix == "0b" || prefix == "0B") return all(text.substr(2), "01_");
  // [0-9_]* [. [0-9_]*] [e [+-] [0-9]+], with a digit before the exponent.
  size_t at = 0;
  size_t digits = 0;
  const auto skip_digits = [&] {
    for (; at < text.size() && (IsDigit(text[at]) || text[at] == '_'); ++at) {
      if (text[at] != '_') ++digits;
    }
  };
  skip_digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    skip_digits();
  }
  if (digits == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    return all(text.substr(at), "0123456789");
  }
  return at == text.size();
}

// YAML 1.1 has many words for two values.
bool LooksLikeBool(absl::string_view text) {
  for (absl::string_view word :
       {"true", "false", "yes", "no", "on", "off", "y", "n"}) {
    if (absl::EqualsIgnoreCase(text, word)) return true;
  }
  return false;
}

// 010 or 0o10.
bool LooksLikeOctal(absl::string_view text) {
  return LooksLikeNumber(text) && !IsDecimal(text) && text.size() > 1 &&
         text[0] == '0' && (IsDigit(text[1]) || text[1] == 'o');
}

bool IsIdentifier(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' ||
           c == '-';
  });
}

void AppendKey(std::string& path, absl::string_view key) {
  if (!IsIdentifier(key)) {
    absl::StrAppend(&path, "[", QuotedName(key), "]");
  } else {
    absl::StrAppend(&path, path.empty() ? "" : ".", key);
  }
}

// Appends how `wanted` is reached from `node`; false if it is not.
bool AppendPath(const YamlNode& node, const YamlNode* wanted,
                std::string& path) {
  if (&node == wanted) return true;
  for (size_t i = 0; i < node.items.size(); ++i) {
    const size_t length = path.size();
    if (node.kind == Kind::kMap) {
      AppendKey(path, node.keys[i].text);
    } else {
      absl::StrAppend(&path, "[", i, "]");
    }
    if (AppendPath(node.items[i], wanted, path)) return true;
    path.resize(length);
  }
  return false;
}

size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// What the writer of `key` may have meant: "podSelector", or "a known field".
std::string Meant(absl::string_view key,
                  absl::Span<const absl::string_view> names,
                  absl::string_view api) {
  if (key.size() <= 64) {
    const std::string lower = absl::AsciiStrToLower(key);
    for (absl::string_view name : names) {
      if (EditDistance(lower, absl::AsciiStrToLower(name)) <= 2) {
        return std::string(name);
      }
    }
  }
  if (names.size() <= 6) {
    return absl::StrCat("one of ", absl::StrJoin(names, ", "));
  }
  return absl::StrCat("a field of ", api);
}

}  // namespace

void Problems::Add(std::string line) {
  if (++count_ <= limit_) lines_.push_back(std::move(line));
}

absl::Status Problems::ToStatus() const {
  if (empty()) return absl::OkStatus();
  std::string text = absl::StrJoin(lines_, "\n");
  if (count_ > lines_.size()) {
    absl::StrAppend(&text, "\nand ", count_ - lines_.size(), " more");
  }
  return absl::InvalidArgumentError(text);
}

void AddProblem(const ManifestObject& object, TextPlace place,
                absl::string_view path, absl::string_view message) {
  std::string line =
      absl::StrCat(object.file, ":", place.line, ":", place.column, ": ");
  if (!object.subject.empty()) absl::StrAppend(&line, object.subject, ": ");
  if (!path.empty()) absl::StrAppend(&line, path, ": ");
  absl::StrAppend(&line, message);
  object.problems->Add(std::move(line));
}

Field Field::operator[](absl::string_view name) const {
  const YamlNode* child = is_map() ? node_->Find(name) : nullptr;
  return Field(object_, child, node_, name);
}

bool Field::ExpectMap() const {
  if (!present()) return false;
  if (!is_map()) Expected("a mapping");
  return is_map();
}

bool Field::HasOnly(absl::Span<const absl::string_view> names) const {
  if (!ExpectMap()) return false;
  bool is_good = true;
  for (size_t i = 0; i < node_->keys.size(); ++i) {
    const YamlKey& key = node_->keys[i];
    if (std::find(names.begin(), names.end(), key.text) != names.end()) {
      is_good &= !RefusesNull(i);
      continue;
    }
    std::string path = Path();
    AppendKey(path, key.text);
    AddProblem(*object_, key.place, path,
               absl::StrCat("expected ", Meant(key.text, names, object_->api),
                            ", found an unknown field"));
    is_good = false;
  }
  return is_good;
}

Field Field::Value(size_t index) const {
  return Field(object_, &node_->items[index], node_, node_->keys[index].text);
}

bool Field::RefusesNull(size_t index) const {
  const Field value = Value(index);
  if (value.present() || !object_->is_custom) return false;
  value.Expected("a value, or no such field");
  return true;
}

std::vector<Field> Field::Items() const {
  std::vector<Field> items;
  if (!present()) return items;
  if (node_->kind != Kind::kSequence) {
    Expected("a list");
    return items;
  }
  for (const YamlNode& item : node_->items) {
    const Field field(object_, &item, nullptr, "");
    if (field.present()) {
      items.push_back(field);
    } else {
      field.Expected("an element");
    }
  }
  return items;
}

std::vector<Field::Entry> Field::Entries() const {
  std::vector<Entry> entries;
  if (!ExpectMap()) return entries;
  for (size_t i = 0; i < node_->items.size(); ++i) {
    const YamlKey& key = node_->keys[i];
    RefusesNull(i);
    if (key.is_plain &&
        (LooksLikeBool(key.text) || LooksLikeNumber(key.text))) {
      AddProblem(*object_, key.place, Path(),
                 absl::StrCat("expected a string as a key, found ", key.text,
                              " without quotes"));
    }
    entries.push_back({.key = key.text, .value = Value(i)});
  }
  return entries;
}

std::optional<std::string> Field::String() const {
  if (!present()) return std::nullopt;
  if (node_->kind != Kind::kScalar) {
    Expected("a string");
    return std::nullopt;
  }
  if (node_->is_plain && LooksLikeNumber(node_->text)) {
    Expected("a string", absl::StrCat("the number ", node_->text));
    return std::nullopt;
  }
  if (node_->is_plain && LooksLikeBool(node_->text)) {
    Expected("a string",
             absl::StrCat(node_->text, ", a boolean without quotes"));
    return std::nullopt;
  }
  return node_->text;
}

std::optional<bool> Field::Bool() const {
  if (!present()) return std::nullopt;
  if (node_->kind == Kind::kScalar && node_->is_plain) {
    if (node_->text == "true") return true;
    if (node_->text == "false") return false;
  }
  Expected("true or false");
  return std::nullopt;
}

bool Field::IsNumber() const {
  return present() && node_->kind == Kind::kScalar && node_->is_plain &&
         LooksLikeNumber(node_->text);
}

bool Field::Is(absl::string_view text) const {
  return present() && node_->kind == Kind::kScalar && node_->text == text;
}

std::optional<int64_t> Field::Int(int64_t least, int64_t most,
                                  absl::string_view what) const {
  if (!present()) return std::nullopt;
  const std::string expected = absl::StrCat(what, " in ", least, "..", most);
  if (IsNumber() && LooksLikeOctal(node_->text)) {
    Expected(expected,
             absl::StrCat(node_->text, ", which may be read as octal"));
    return std::nullopt;
  }
  int64_t value = 0;
  if (!IsNumber() || !IsDecimal(node_->text) ||
      !absl::SimpleAtoi(node_->text, &value) || value < least || value > most) {
    Expected(expected);
    return std::nullopt;
  }
  return value;
}

void Field::Expected(absl::string_view what) const { Expected(what, Found()); }

void Field::Expected(absl::string_view what, absl::string_view found) const {
  TextPlace place;
  if (node_ != nullptr) {
    place = node_->place;
  } else if (parent_ != nullptr) {
    place = parent_->place;
  } else if (object_->root != nullptr) {
    place = object_->root->place;
  }
  AddProblem(*object_, place, Path(),
             absl::StrCat("expected ", what, ", found ", found));
}

std::string Field::Path() const {
  std::string path;
  // Costs a walk of the tree: for many problems, the square of its size.
  if (object_->problems->is_full()) return path;
  if (parent_ != nullptr) {
    AppendPath(*object_->root, parent_, path);
    AppendKey(path, name_);
  } else if (node_ != nullptr) {
    AppendPath(*object_->root, node_, path);
  } else {
    AppendKey(path, name_);
  }
  return path;
}

std::string Field::Found() const {
  if (node_ == nullptr) return "nothing";
  switch (node_->kind) {
    case Kind::kNull:
      return "null";
    case Kind::kSequence:
      return "a list";
    case Kind::kMap:
      return "a mapping";
    case Kind::kScalar:
      break;
  }
  // As it is written: with quotes, if there are quotes.
  return node_->is_plain ? EscapedName(node_->text) : QuotedName(node_->text);
}

}  // namespace ciliumcore::internal
