// SPDX-License-Identifier: Apache-2.0

#include "ciliumcore/base/ip.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/decimal_internal.h"

namespace ciliumcore {
namespace {

using internal::ParseDecimal;
using internal::Quoted;

using Bytes = std::array<uint8_t, 16>;

constexpr int kV4MappedBits = 96;

// The readers below answer with nothing on failure, and `*why` says what is
// wrong with the text.

std::optional<uint32_t> ReadV4(absl::string_view text, std::string* why) {
  uint32_t value = 0;
  int count = 0;
  for (const absl::string_view part : absl::StrSplit(text, '.')) {
    const auto byte = ParseDecimal(part, 255, why);
    if (!byte.has_value()) return std::nullopt;
    value = value << 8 | *byte;
    if (++count > 4) break;
  }
  if (count != 4) {
    *why =
        absl::StrCat("found ", count > 4 ? "more than 4" : absl::StrCat(count),
                     " dotted number", count == 1 ? "" : "s");
    return std::nullopt;
  }
  return value;
}

// The groups of an IPv6 text in order, and where "::" stands among them.
struct Groups {
  std::array<uint16_t, 8> value = {};
  int count = 0;
  std::optional<int> gap;

  bool Add(uint32_t group, std::string* why) {
    if (count == 8) {
      *why = "found more than 8 groups";
      return false;
    }
    value[count++] = static_cast<uint16_t>(group);
    return true;
  }
};

// Reads "ffff" off the front of `*text`.
std::optional<uint16_t> TakeGroup(absl::string_view* text, std::string* why) {
  uint32_t group = 0;
  size_t digits = 0;
  while (digits < text->size() &&
         absl::ascii_isxdigit(static_cast<unsigned char>((*text)[digits]))) {
    if (digits == 4) {
      *why = "a group has more than 4 digits";
      return std::nullopt;
    }
    const char c = absl::ascii_tolower((*text)[digits++]);
    group =
        group << 4 | static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  if (digits == 0) {
    *why = text->empty() ? "it ends in ':'"
                         : absl::StrCat(Quoted(text->substr(0, 1)),
                                        " where a group should begin");
    return std::nullopt;
  }
  text->remove_prefix(digits);
  return static_cast<uint16_t>(group);
}

// True if the next group of `text` is an IPv4 tail: "…:10.0.0.1".
bool DottedNext(absl::string_view text) {
  const absl::string_view group = text.substr(0, text.find(':'));
  return group.find('.') != absl::string_view::npos;
}

std::optional<Groups> ReadGroups(absl::string_view text, std::string* why) {
  Groups groups;
  if (absl::string_view rest = text; rest.substr(0, 2) == "::") {
    groups.gap = 0;
    text.remove_prefix(2);
    if (text.empty()) return groups;
  }
  while (true) {
    if (DottedNext(text)) {
      const auto v4 = ReadV4(text, why);
      if (!v4.has_value() || !groups.Add(*v4 >> 16, why) ||
          !groups.Add(*v4 & 0xffff, why)) {
        return std::nullopt;
      }
      return groups;
    }
    const auto group = TakeGroup(&text, why);
    if (!group.has_value() || !groups.Add(*group, why)) return std::nullopt;
    if (text.empty()) return groups;
    if (text[0] != ':') {
      *why = text[0] == '%'
                 ? std::string("a zone is not part of an address")
                 : absl::StrCat(Quoted(text.substr(0, 1)), " after a group");
      return std::nullopt;
    }
    text.remove_prefix(1);
    if (text.substr(0, 1) == ":") {
      if (groups.gap.has_value()) {
        *why = "\"::\" stands twice";
        return std::nullopt;
      }
      groups.gap = groups.count;
      text.remove_prefix(1);
      if (text.empty()) return groups;
    }
  }
}

std::optional<Bytes> ReadV6(absl::string_view text, std::string* why) {
  const auto groups = ReadGroups(text, why);
  if (!groups.has_value()) return std::nullopt;
  if (groups->gap.has_value() ? groups->count == 8 : groups->count != 8) {
    *why = absl::StrCat("found ", groups->count, " group",
                        groups->count == 1 ? "" : "s",
                        groups->gap.has_value() ? " around \"::\"" : "");
    return std::nullopt;
  }
  Bytes bytes = {};
  for (int i = 0; i < groups->count; ++i) {
    const bool after_gap = groups->gap.has_value() && i >= *groups->gap;
    const int at = after_gap ? 8 - groups->count + i : i;
    bytes[2 * at] = static_cast<uint8_t>(groups->value[i] >> 8);
    bytes[2 * at + 1] = static_cast<uint8_t>(groups->value[i]);
  }
  return bytes;
}

bool HasColon(absl::string_view text) {
  return text.find(':') != absl::string_view::npos;
}

std::optional<IpAddress> ReadAddress(absl::string_view text, std::string* why) {
  if (HasColon(text)) {
    const auto bytes = ReadV6(text, why);
    if (!bytes.has_value()) return std::nullopt;
    return IpAddress::FromBytes(*bytes);
  }
  const auto v4 = ReadV4(text, why);
  if (!v4.has_value()) return std::nullopt;
  return IpAddress::FromV4(*v4);
}

// `bytes` with every bit from `bits` on set to `bit`.
Bytes Fill(Bytes bytes, int bits, bool bit) {
  for (int i = bits / 8; i < 16; ++i) {
    const int kept = std::max(0, bits - 8 * i);
    const uint8_t rest = static_cast<uint8_t>(0xff >> kept);
    bytes[i] = bit ? bytes[i] | rest : bytes[i] & ~rest;
  }
  return bytes;
}

// What a prefix text says before its host bits are judged.
struct PrefixText {
  IpAddress address;
  int length;  // in terms of the family of `address`
};

absl::StatusOr<PrefixText> ReadPrefix(absl::string_view text) {
  const size_t slash = text.find('/');
  const absl::string_view host = text.substr(0, slash);
  const auto invalid = [text](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("prefix ", Quoted(text),
                     ": expected ADDRESS or ADDRESS/LENGTH, ", why));
  };
  std::string why;
  const auto address = ReadAddress(host, &why);
  if (!address.has_value()) return invalid(why);
  // A v4-mapped address may be written as IPv6; its length then counts 128
  // bits.
  const bool as_v6 = HasColon(host);
  int bits = 128;
  if (slash != absl::string_view::npos) {
    const auto length =
        ParseDecimal(text.substr(slash + 1), as_v6 ? 128 : 32, &why);
    if (!length.has_value()) return invalid(absl::StrCat("length ", why));
    bits = static_cast<int>(*length) + (as_v6 ? 0 : kV4MappedBits);
  }
  if (!address->is_v4()) return PrefixText{*address, bits};
  if (bits < kV4MappedBits) {
    return invalid("a v4-mapped address has a length of at least 96");
  }
  return PrefixText{*address, bits - kV4MappedBits};
}

}  // namespace

absl::StatusOr<IpAddress> IpAddress::Parse(absl::string_view text) {
  std::string why;
  if (const auto address = ReadAddress(text, &why)) return *address;
  return absl::InvalidArgumentError(absl::StrCat(
      "address ", Quoted(text), ": expected IPv4 dotted or IPv6, ", why));
}

std::string IpAddress::ToString() const {
  if (is_v4()) {
    return absl::StrCat(bytes_[12], ".", bytes_[13], ".", bytes_[14], ".",
                        bytes_[15]);
  }
  std::array<uint16_t, 8> groups;
  for (int i = 0; i < 8; ++i) {
    groups[i] = static_cast<uint16_t>(bytes_[2 * i] << 8 | bytes_[2 * i + 1]);
  }
  // RFC 5952, 4.2: "::" stands for the longest run of two or more zero groups,
  // the first of equals.
  int gap = 8;
  int gap_length = 1;
  for (int i = 0; i < 8;) {
    int end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > gap_length) {
      gap = i;
      gap_length = end - i;
    }
    i = end + 1;
  }
  std::string text;
  for (int i = 0; i < 8;) {
    if (i == gap) {
      text += "::";
      i += gap_length;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    absl::StrAppend(&text, absl::Hex(groups[i]));
    ++i;
  }
  return text;
}

absl::StatusOr<IpPrefix> IpPrefix::Parse(absl::string_view text) {
  const absl::StatusOr<PrefixText> read = ReadPrefix(text);
  if (!read.ok()) return read.status();
  const IpPrefix prefix = Of(read->address, read->length);
  if (prefix.address() != read->address) {
    return absl::InvalidArgumentError(absl::StrCat(
        "prefix ", Quoted(text),
        ": bits are set past its length; the prefix is ", prefix.ToString()));
  }
  return prefix;
}

absl::StatusOr<IpPrefix> IpPrefix::ParseLenient(absl::string_view text) {
  const absl::StatusOr<PrefixText> read = ReadPrefix(text);
  if (!read.ok()) return read.status();
  return Of(read->address, read->length);
}

IpPrefix IpPrefix::Of(const IpAddress& address, int length) {
  const bool v4 = address.is_v4();
  if (length < 0 || length > (v4 ? 32 : 128)) std::abort();
  const int bits = v4 ? length + kV4MappedBits : length;
  return IpPrefix(IpAddress::FromBytes(Fill(address.bytes(), bits, false)),
                  bits);
}

bool IpPrefix::Contains(const IpAddress& address) const {
  return address.is_v4() == is_v4() &&
         Fill(address.bytes(), bits_, false) == address_.bytes();
}

bool IpPrefix::Contains(const IpPrefix& other) const {
  return other.bits_ >= bits_ && other.is_v4() == is_v4() &&
         Fill(other.address_.bytes(), bits_, false) == address_.bytes();
}

IpAddress IpPrefix::last() const {
  return IpAddress::FromBytes(Fill(address_.bytes(), bits_, true));
}

std::string IpPrefix::ToString() const {
  return absl::StrCat(address_.ToString(), "/", length());
}

}  // namespace ciliumcore
