// SPDX-License-Identifier: Apache-2.0

// The syntax of RE2, read once from left to right.
// https://github.com/google/re2/wiki/Syntax

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/policy/regex_fault_internal.h"

namespace ciliumcore::internal {
namespace {

constexpr int64_t kMostRepeats = 1000;  // of one, and of those inside another
constexpr size_t kDeepest = 1000;

bool IsOneOf(char c, absl::string_view set) {
  return set.find(c) != absl::string_view::npos;
}

bool IsAlnum(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c));
}

class Scanner {
 public:
  explicit Scanner(absl::string_view text) : rest_(text) {}

  std::string Fault() {
    groups_.push_back({});
    while (!rest_.empty() && fault_.empty()) Step();
    if (fault_.empty() && groups_.size() > 1) Fail("a '(' without its ')'");
    return fault_;
  }

 private:
  // What stands last, if an operator may follow it, and how often the most
  // repeated part of it is there.
  struct Group {
    bool has_atom = false;
    bool is_repeated = false;  // the last atom has its operator
    int64_t last = 1;
    int64_t most = 1;  // of all of the group
  };

  void Fail(absl::string_view fault) {
    if (fault_.empty()) fault_ = std::string(fault);
  }

  // Where `text` is in what is left, behind `from` characters.
  size_t Find(absl::string_view text, size_t from = 0) {
    return rest_.find(text, from);
  }

  char Take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  void Atom(int64_t repeats = 1) {
    Group& group = groups_.back();
    group.has_atom = true;
    group.is_repeated = false;
    group.last = repeats;
    group.most = std::max(group.most, repeats);
  }

  void Step() {
    if (absl::ConsumePrefix(&rest_, "(")) return Open();
    if (absl::ConsumePrefix(&rest_, ")")) return Close();
    if (absl::ConsumePrefix(&rest_, "[")) {
      Class();
      return Atom();
    }
    if (absl::ConsumePrefix(&rest_, "|")) {
      groups_.back().has_atom = false;
      return;
    }
    if (absl::ConsumePrefix(&rest_, "\\Q")) return Quote();
    if (absl::ConsumePrefix(&rest_, "\\")) {
      if (!rest_.empty() && IsOneOf(rest_.front(), "AbBz")) {
        Take();
      } else {
        Escape(/*is_in_class=*/false);
      }
      return Atom();
    }
    if (IsOneOf(rest_.front(), "*+?")) {
      Take();
      return Repeat(1);
    }
    if (rest_.front() == '{') {
      if (const auto times = TakeTimes(); times.has_value()) {
        return Repeat(*times);
      }
    }
    Take();
    Atom();
  }

  void Repeat(int64_t times) {
    Group& group = groups_.back();
    if (!group.has_atom) return Fail("a repetition of nothing");
    if (group.is_repeated) return Fail("a repetition of a repetition");
    absl::ConsumePrefix(&rest_, "?");
    group.last *= std::max<int64_t>(times, 1);
    if (group.last > kMostRepeats) {
      return Fail(absl::StrCat("more than ", kMostRepeats, " repetitions"));
    }
    group.most = std::max(group.most, group.last);
    group.is_repeated = true;
  }

  // "{2}", "{2,}" or "{2,5}", with the larger number; other braces are letters.
  std::optional<int64_t> TakeTimes() {
    absl::string_view text = rest_.substr(1);
    const auto take_number = [&]() -> std::optional<int64_t> {
      size_t digits = 0;
      while (digits < text.size() && absl::ascii_isdigit(text[digits])) {
        ++digits;
      }
      const absl::string_view number = text.substr(0, digits);
      if (digits == 0 || (digits > 1 && number[0] == '0')) return std::nullopt;
      text.remove_prefix(digits);
      int64_t value = 0;
      if (!absl::SimpleAtoi(number, &value)) value = kMostRepeats + 1;
      return value;
    };
    const auto least = take_number();
    if (!least.has_value()) return std::nullopt;
    int64_t most = *least;
    if (absl::ConsumePrefix(&text, ",") && !absl::StartsWith(text, "}")) {
      const auto number = take_number();
      if (!number.has_value()) return std::nullopt;
      most = *number;
    }
    if (!absl::ConsumePrefix(&text, "}")) return std::nullopt;
    rest_ = text;
    if (*least > most) Fail("a repetition of fewer than its least");
    return std::max(*least, most);
  }

  void Open() {
    if (groups_.size() > kDeepest) return Fail("groups nested too deeply");
    if (!absl::ConsumePrefix(&rest_, "?")) {
      groups_.push_back({});
      return;
    }
    if (absl::ConsumePrefix(&rest_, "P<") || absl::ConsumePrefix(&rest_, "<")) {
      const size_t end = Find(">");
      const absl::string_view name = rest_.substr(0, end);
      if (end == absl::string_view::npos || name.empty() ||
          !std::all_of(name.begin(), name.end(),
                       [](char c) { return IsAlnum(c) || c == '_'; })) {
        return Fail("a group with a name that cannot be");
      }
      if (!names_.insert(name).second) return Fail("two groups of one name");
      rest_.remove_prefix(end + 1);
      groups_.push_back({});
      return;
    }
    const size_t end = rest_.find_first_of(":)");
    const absl::string_view flags = rest_.substr(0, end);
    absl::string_view off = flags;
    const size_t minus = flags.find('-');
    if (minus != absl::string_view::npos) off = flags.substr(minus + 1);
    const bool is_known =
        end != absl::string_view::npos &&
        flags.find_first_not_of("imsU-") == absl::string_view::npos &&
        off.find('-') == absl::string_view::npos &&
        !(minus != absl::string_view::npos && off.empty());
    if (!is_known) {
      return Fail("a group of a kind that RE2 does not have");
    }
    const bool is_group = rest_[end] == ':';
    rest_.remove_prefix(end + 1);
    groups_.back().is_repeated = false;
    if (is_group) groups_.push_back({});
  }

  void Close() {
    if (groups_.size() == 1) return Fail("a ')' without its '('");
    const int64_t most = groups_.back().most;
    groups_.pop_back();
    Atom(most);
  }

  void Quote() {
    const size_t end = Find("\\E");
    if (end != 0 && !rest_.empty()) Atom();
    rest_.remove_prefix(end == absl::string_view::npos ? rest_.size()
                                                       : end + 2);
  }

  // Behind "[".
  void Class() {
    absl::ConsumePrefix(&rest_, "^");
    for (bool is_first = true; is_first || !absl::StartsWith(rest_, "]");
         is_first = false) {
      if (rest_.empty()) return Fail("a '[' without its ']'");
      if (TakeNamedClass() || !fault_.empty()) {
        if (!fault_.empty()) return;
        continue;
      }
      const std::optional<uint32_t> first = ClassLetter();
      if (!fault_.empty()) return;
      if (!first.has_value() || rest_.size() < 2 || rest_[0] != '-' ||
          rest_[1] == ']') {
        continue;
      }
      Take();
      const std::optional<uint32_t> last = ClassLetter();
      if (!fault_.empty()) return;
      if (!last.has_value() || *last < *first) {
        return Fail("a range in [] that ends before it begins");
      }
    }
    Take();
  }

  // "[:alpha:]".
  bool TakeNamedClass() {
    constexpr std::array<absl::string_view, 14> kNames = {
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
        "lower", "print", "punct", "space", "upper", "word",  "xdigit"};
    if (has_no_more_named_ || !absl::StartsWith(rest_, "[:")) return false;
    const size_t end = Find(":]", 2);
    if (end == absl::string_view::npos) {
      has_no_more_named_ = true;
      return false;
    }
    absl::string_view name = rest_.substr(2, end - 2);
    absl::ConsumePrefix(&name, "^");
    if (std::find(kNames.begin(), kNames.end(), name) == kNames.end()) {
      Fail("a class [: :] that is not known");
      return false;
    }
    rest_.remove_prefix(end + 2);
    return true;
  }

  // One letter of a class; none for an escape of many.
  std::optional<uint32_t> ClassLetter() {
    if (absl::ConsumePrefix(&rest_, "\\")) {
      return Escape(/*is_in_class=*/true);
    }
    if (rest_.empty()) {
      Fail("a '[' without its ']'");
      return std::nullopt;
    }
    const auto lead = static_cast<unsigned char>(Take());
    uint32_t letter = lead < 0x80 ? lead : lead & 0x3f;
    while (lead >= 0x80 && !rest_.empty() &&
           (static_cast<unsigned char>(rest_.front()) & 0xc0) == 0x80) {
      letter = letter << 6 | (static_cast<unsigned char>(Take()) & 0x3f);
    }
    return letter;
  }

  // Behind a backslash: the letter it means; none if it means a class.
  std::optional<uint32_t> Escape(bool is_in_class) {
    if (rest_.empty()) {
      Fail("a '\\' at the end");
      return std::nullopt;
    }
    const char c = Take();
    if (IsOneOf(c, "dDsSwW")) return std::nullopt;
    if (c == 'p' || c == 'P') {
      TakeUnicodeClass();
      return std::nullopt;
    }
    if (c == 'x') return TakeHex();
    if (IsOneOf(c, "01234567")) {
      // Octal, if it cannot be a reference, which RE2 does not have.
      const bool goes_on = !rest_.empty() && IsOneOf(rest_.front(), "01234567");
      if (c != '0' && !goes_on) {
        Fail("a reference to a group");
        return std::nullopt;
      }
      uint32_t letter = c - '0';
      for (int i = 0;
           i < 2 && !rest_.empty() && IsOneOf(rest_.front(), "01234567"); ++i) {
        letter = letter * 8 + (Take() - '0');
      }
      return letter;
    }
    constexpr absl::string_view kControls = "afnrtv";
    constexpr absl::string_view kMeanings = "\a\f\n\r\t\v";
    if (const size_t at = kControls.find(c); at != kControls.npos) {
      return static_cast<uint32_t>(kMeanings[at]);
    }
    if (static_cast<unsigned char>(c) < 0x80 && !IsAlnum(c)) {
      return static_cast<uint32_t>(c);
    }
    Fail(absl::StrCat("a '\\' ", is_in_class ? "in [] " : "",
                      "before a letter that it gives no meaning"));
    return std::nullopt;
  }

  // "L", "{Greek}" or "{^Greek}". Of scripts only the form is known.
  void TakeUnicodeClass() {
    absl::string_view name = rest_.substr(0, 1);
    size_t taken = 1;
    bool is_name = !name.empty() && IsOneOf(name.front(), "CLMNPSZ");
    if (name == "{") {
      const size_t end = std::min(Find("}"), rest_.size() - 1);
      name = rest_.substr(1, end - 1);
      absl::ConsumePrefix(&name, "^");
      is_name = rest_[end] == '}' && !name.empty() &&
                absl::ascii_isupper(static_cast<unsigned char>(name.front())) &&
                std::all_of(name.begin(), name.end(), [](char c) {
                  return absl::ascii_isalpha(static_cast<unsigned char>(c)) ||
                         c == '_';
                });
      taken = end + 1;
    }
    if (!is_name) return Fail("a '\\p' without the name of a class");
    rest_.remove_prefix(taken);
  }

  // "7F" or "{10FFFF}".
  std::optional<uint32_t> TakeHex() {
    const bool is_braced = absl::ConsumePrefix(&rest_, "{");
    const size_t end = is_braced ? Find("}") : 2;
    const absl::string_view digits =
        end > rest_.size() ? absl::string_view() : rest_.substr(0, end);
    uint32_t letter = 0;
    if (digits.empty() || !absl::SimpleHexAtoi(digits, &letter) ||
        !std::all_of(digits.begin(), digits.end(),
                     [](char c) {
                       return absl::ascii_isxdigit(
                           static_cast<unsigned char>(c));
                     }) ||
        letter > 0x10ffff) {
      Fail("a '\\x' without the number of a character");
      return std::nullopt;
    }
    rest_.remove_prefix(is_braced ? end + 1 : end);
    return letter;
  }

  absl::string_view rest_;
  std::string fault_;
  std::vector<Group> groups_;
  absl::flat_hash_set<absl::string_view> names_;
  bool has_no_more_named_ = false;  // no ":]" is left
};

}  // namespace

std::string RegexFault(absl::string_view regex) {
  return Scanner(regex).Fault();
}

}  // namespace ciliumcore::internal
