// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/journal_codec_internal.h"
#include "lib/datapath/journal_internal.h"
#include "lib/datapath/map_decoders_internal.h"

namespace ciliumcore::internal {
namespace {

std::string NumberText(const char* what, absl::string_view key) {
  return absl::StrCat(what, " ", DecodeKey(key).value_or(0));
}

// What a record's key is, and what it means; "gone" if nothing any more.
std::pair<std::string, std::string> TextsOf(const Journal::Entry& entry) {
  const auto text = [&](const auto& decoded, auto to_text) {
    return entry.value.empty()   ? std::string("gone")
           : decoded.has_value() ? std::string(to_text(*decoded))
                                 : std::string("unreadable");
  };
  const auto to_string = [](const auto& value) { return value.ToString(); };
  switch (entry.kind) {
    case JournalKind::kEndpoint:
      return {NumberText("endpoint", entry.key),
              text(DecodeEndpoint(entry.value),
                   [](const auto& endpoint) { return endpoint.interface; })};
    case JournalKind::kTable:
      return {NumberText("table", entry.key),
              text(DecodeBounds(entry.value), [](const auto& bounds) {
                return absl::StrCat(bounds.size(), " bounds");
              })};
    case JournalKind::kService:
      return {"service",
              text(DecodeService(entry.value), [](const auto& service) {
                return service.options.ToString();
              })};
    case JournalKind::kPeer:
      return {NumberText("peer", entry.key),
              text(DecodePeer(entry.value), to_string)};
    case JournalKind::kRuleSet:
      return {NumberText("rule set", entry.key),
              text(DecodeRuleSet(entry.value), to_string)};
    case JournalKind::kIdentity:
      return {NumberText("identity", entry.key),
              text(DecodeLabels(entry.value), to_string)};
  }
  return {absl::StrCat("kind ", static_cast<int>(entry.kind)), "unknown"};
}

absl::Status DumpJournal(InstanceView& view, const MapReader&, EntrySink sink) {
  return Journal::ForEach(view.journal, [&](const Journal::Entry& entry) {
    auto [key, value] = TextsOf(entry);
    return sink({{"key", std::move(key)},
                 {"value", std::move(value)},
                 {"since_epoch", absl::StrCat(entry.epoch)}});
  });
}

}  // namespace

MapDecoder JournalDecoderOf(absl::string_view map) {
  return map == "cc_journal" ? DumpJournal : nullptr;
}

}  // namespace ciliumcore::internal
