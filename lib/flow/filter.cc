// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/flow/filter.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "ciliumcore/flow/reason.h"
#include "lib/flow/filter_internal.h"

namespace ciliumcore {

enum class FlowFilter::Side : uint8_t { kEither, kFrom, kTo };

// Those of an end come first.
enum class FlowFilter::Field : uint8_t {
  kPod,
  kNamespace,
  kLabel,
  kIdentity,
  kIp,
  kPort,
  kProtocol,
  kVerdict,
  kKind,
  kReason,
  kRule,
  kDirection,
  kReply,
  kService,
};

namespace {

constexpr absl::string_view kFieldNames[] = {
    "pod",  "namespace", "label",   "identity", "ip",
    "port", "protocol",  "verdict", "kind",     "reason",
    "rule", "direction", "reply",   "service"};
constexpr size_t kEndFields = 6;
constexpr absl::string_view kSideNames[] = {"", "from-", "to-"};

// The place of `text` among `names`, in any case.
std::optional<uint32_t> IndexOf(absl::string_view text,
                                absl::Span<const absl::string_view> names) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (absl::EqualsIgnoreCase(text, names[i])) return static_cast<uint32_t>(i);
  }
  return std::nullopt;
}

absl::Status Unknown(absl::string_view text, absl::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("expected ", expected, ", found \"", text, "\""));
}

absl::StatusOr<uint32_t> ReadIdentity(absl::string_view text) {
  uint32_t number;
  if (absl::SimpleAtoi(text, &number)) return number;
  const std::optional<Identity> reserved = ReservedIdentity(text);
  if (reserved.has_value()) return static_cast<uint32_t>(*reserved);
  return Unknown(text, "a number or the name of a reserved identity");
}

absl::StatusOr<uint32_t> ReadReason(absl::string_view text) {
  uint32_t number;
  if (absl::SimpleAtoi(text, &number) && number <= 255) return number;
  for (const DropReason& reason : DropReasons()) {
    if (internal::SameWords(text, reason.name)) return reason.number;
  }
  return Unknown(text, "the number or name of a reason");
}

// "shop/web-*" and "shop/web-0"; without a namespace, of any.
bool PodMatches(absl::string_view wanted, absl::string_view pod) {
  if (pod.empty()) return false;
  if (!absl::StrContains(wanted, '/')) pod.remove_prefix(pod.find('/') + 1);
  if (absl::ConsumeSuffix(&wanted, "*")) return absl::StartsWith(pod, wanted);
  return pod == wanted;
}

// "shop/cart" and "shop/cart:http" are services of "shop/cart:http".
bool ServiceMatches(absl::string_view wanted, absl::string_view service) {
  return absl::ConsumePrefix(&service, wanted) &&
         (service.empty() || service.front() == ':');
}

}  // namespace

absl::StatusOr<FlowFilter::Term> FlowFilter::ReadName(absl::string_view name) {
  Term term = {.field = Field::kPort,
               .side = Side::kEither,
               .is_negated = false,
               .values = {}};
  absl::string_view field = name;
  if (absl::EqualsIgnoreCase(name, "sport")) {
    term.side = Side::kFrom;
    return term;
  }
  if (absl::EqualsIgnoreCase(name, "dport")) {
    term.side = Side::kTo;
    return term;
  }
  for (const Side side : {Side::kFrom, Side::kTo}) {
    if (absl::ConsumePrefix(&field, kSideNames[static_cast<size_t>(side)])) {
      term.side = side;
      break;
    }
  }
  const std::optional<uint32_t> known = IndexOf(field, kFieldNames);
  if (!known.has_value() ||
      (term.side != Side::kEither && *known >= kEndFields)) {
    return Unknown(name, "the name of a field, such as pod or verdict");
  }
  term.field = static_cast<Field>(*known);
  return term;
}

absl::StatusOr<FlowFilter::Value> FlowFilter::ReadValue(
    Field field, absl::string_view text) {
  Value value = {
      .text = std::string(text), .number = 0, .prefix = {}, .selector = {}};
  if (text.empty()) return absl::InvalidArgumentError("expected a value");
  const auto named =
      [&](absl::Span<const absl::string_view> names,
          absl::string_view expected) -> absl::StatusOr<uint32_t> {
    const std::optional<uint32_t> index = IndexOf(text, names);
    if (!index.has_value()) return Unknown(text, expected);
    return *index;
  };
  absl::StatusOr<uint32_t> number = 0;
  switch (field) {
    case Field::kPod:
    case Field::kNamespace:
    case Field::kRule:
    case Field::kService:
      break;
    case Field::kLabel: {
      absl::StatusOr<LabelSelector> selector = LabelSelector::Parse(text);
      if (!selector.ok()) return selector.status();
      value.selector = *std::move(selector);
      break;
    }
    case Field::kIdentity:
      number = ReadIdentity(text);
      break;
    case Field::kIp: {
      const absl::StatusOr<IpPrefix> prefix = IpPrefix::Parse(text);
      if (!prefix.ok()) return prefix.status();
      value.prefix = *prefix;
      break;
    }
    case Field::kPort: {
      const absl::StatusOr<uint16_t> port = ParsePort(text);
      if (!port.ok()) return port.status();
      number = *port;
      break;
    }
    case Field::kProtocol: {
      const absl::StatusOr<Protocol> protocol = ParseProtocol(text);
      if (!protocol.ok()) return protocol.status();
      number = static_cast<uint32_t>(*protocol);
      break;
    }
    case Field::kVerdict:
      number = named({"forwarded", "dropped", "audited"},
                     "forwarded, dropped or audited");
      break;
    case Field::kKind:
      number = named({"", "new", "drop", "end", "verdict"},
                     "new, drop, end or verdict");
      break;
    case Field::kReason:
      number = ReadReason(text);
      break;
    case Field::kDirection:
      number = named({"egress", "ingress"}, "egress or ingress");
      break;
    case Field::kReply:
      number = named({"false", "true"}, "true or false");
      break;
  }
  if (!number.ok()) return number.status();
  value.number = *number;
  return value;
}

absl::Status FlowFilter::Add(absl::string_view name, absl::string_view value,
                             bool is_negated) {
  absl::StatusOr<Term> term = ReadName(name);
  if (!term.ok()) return term.status();
  term->is_negated = is_negated;
  // A selector has commas of its own, and so may a sentence on rules.
  std::vector<absl::string_view> parts = {value};
  if (term->field != Field::kLabel && term->field != Field::kRule)
    parts = absl::StrSplit(value, ',');
  for (const absl::string_view part : parts) {
    absl::StatusOr<Value> read = ReadValue(term->field, part);
    if (!read.ok()) return read.status();
    term->values.push_back(*std::move(read));
  }
  for (Term& known : terms_) {
    if (known.field != term->field || known.side != term->side ||
        known.is_negated != is_negated) {
      continue;
    }
    std::move(term->values.begin(), term->values.end(),
              std::back_inserter(known.values));
    return absl::OkStatus();
  }
  terms_.push_back(*std::move(term));
  return absl::OkStatus();
}

absl::StatusOr<FlowFilter> FlowFilter::Parse(absl::string_view text) {
  FlowFilter filter;
  while (true) {
    absl::StatusOr<internal::FilterToken> token = internal::NextToken(text);
    if (!token.ok()) return token.status();
    if (token->text.empty()) return filter;
    const absl::Status added =
        filter.Add(token->name, token->value, token->is_negated);
    if (added.ok()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("filter ", token->text, ": ", added.message()));
  }
}

bool FlowFilter::EndMatches(const Term& term, const Value& value,
                            const FlowEnd& end) {
  switch (term.field) {
    case Field::kPod:
      return PodMatches(value.text, end.pod);
    case Field::kNamespace:
      return end.ns() == value.text;
    case Field::kLabel:
      return end.labels != nullptr && value.selector.Matches(*end.labels);
    case Field::kIdentity:
      return static_cast<uint32_t>(end.identity) == value.number;
    case Field::kIp:
      return value.prefix.Contains(end.address);
    case Field::kPort:
      return end.port == value.number;
    default:
      return false;
  }
}

bool FlowFilter::FlowMatches(const Term& term, const Value& value,
                             const Flow& flow) {
  switch (term.field) {
    case Field::kProtocol:
      return static_cast<uint32_t>(flow.protocol) == value.number;
    case Field::kVerdict:
      return static_cast<uint32_t>(flow.verdict) == value.number;
    case Field::kKind:
      return static_cast<uint32_t>(flow.kind) == value.number;
    case Field::kReason:
      return flow.reason == value.number;
    case Field::kRule:
      return internal::ContainsName(flow.egress.why, value.text) ||
             internal::ContainsName(flow.ingress.why, value.text);
    case Field::kDirection:
      return flow.is_egress == (value.number == 0);
    case Field::kReply:
      return flow.is_reply == (value.number == 1);
    case Field::kService:
      return ServiceMatches(value.text, flow.service);
    default:
      return (term.side != Side::kTo && EndMatches(term, value, flow.source)) ||
             (term.side != Side::kFrom &&
              EndMatches(term, value, flow.destination));
  }
}

bool FlowFilter::Matches(const Flow& flow) const {
  return std::all_of(terms_.begin(), terms_.end(), [&](const Term& term) {
    const bool found = std::any_of(
        term.values.begin(), term.values.end(),
        [&](const Value& value) { return FlowMatches(term, value, flow); });
    return found != term.is_negated;
  });
}

std::string FlowFilter::ToString() const {
  std::string text;
  for (const Term& term : terms_) {
    for (const Value& value : term.values) {
      absl::StrAppend(&text, text.empty() ? "" : " ",
                      kSideNames[static_cast<size_t>(term.side)],
                      kFieldNames[static_cast<size_t>(term.field)],
                      term.is_negated ? "!=" : "=",
                      internal::QuotedTerm(value.text));
    }
  }
  return text;
}

bool MatchesAny(absl::Span<const FlowFilter> filters, const Flow& flow) {
  return filters.empty() || std::any_of(filters.begin(), filters.end(),
                                        [&](const FlowFilter& filter) {
                                          return filter.Matches(flow);
                                        });
}

}  // namespace ciliumcore
