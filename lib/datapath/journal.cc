// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/journal_internal.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore::internal {
namespace {

struct RecordHead {
  uint32_t bytes;  // of the record, rounded up
  uint32_t epoch;
  JournalKind kind;
  uint8_t pad[3];
  uint32_t key_bytes;
  uint32_t value_bytes;
  uint32_t pad2;
};
static_assert(sizeof(RecordHead) == 24);

uint32_t BytesOf(absl::string_view key, absl::string_view value) {
  return static_cast<uint32_t>(
      (sizeof(RecordHead) + key.size() + value.size() + 7) & ~size_t{7});
}

absl::Status Damaged(uint32_t at, absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat("map cc_journal: record at ", at, ": ", what));
}

bool IsAfter(uint32_t epoch, uint32_t other) {
  return static_cast<int32_t>(epoch - other) > 0;
}

}  // namespace

char* Journal::Bank(uint32_t bank) {
  return reinterpret_cast<char*>(&lines_[1]) +
         static_cast<size_t>(bank) * bank_bytes();
}

void Journal::StoreHead(uint32_t bank, uint32_t used) {
  head_ = uint64_t{bank} << 32 | used;
  StoreRelease(&HeaderWord(CC_JOURNAL_WORD_HEAD), __u64{head_});
}

Journal Journal::Create(Lines lines) {
  Journal journal(std::move(lines));
  StoreRelease(&journal.HeaderWord(CC_JOURNAL_WORD_MAGIC),
               __u64{CC_JOURNAL_MAGIC});
  return journal;
}

absl::StatusOr<Journal> Journal::Recover(Lines lines, uint32_t epoch) {
  Journal journal(std::move(lines));
  const uint64_t magic = journal.Header(CC_JOURNAL_WORD_MAGIC);
  if (magic != CC_JOURNAL_MAGIC) {
    const std::string found =
        absl::StrFormat("map cc_journal: expected mark %#x, found %#x",
                        uint64_t{CC_JOURNAL_MAGIC}, magic);
    return (magic ^ CC_JOURNAL_MAGIC) < 256 ? absl::UnimplementedError(found)
                                            : absl::DataLossError(found);
  }
  journal.head_ = journal.Header(CC_JOURNAL_WORD_HEAD);
  CC_ASSIGN_OR_RETURN(const std::optional<uint32_t> unpublished,
                      Read(journal.lines_.entries(), epoch, journal.records_));
  if (unpublished.has_value()) journal.StoreHead(journal.bank(), *unpublished);
  return journal;
}

absl::Status Journal::ForEach(absl::Span<const cc_journal_line> lines,
                              absl::FunctionRef<bool(const Entry&)> visit) {
  const __u64 word = LoadAcquire(&lines[0].word[CC_JOURNAL_WORD_HEAD]);
  const auto bank = static_cast<uint32_t>(word >> 32);
  const auto used = static_cast<uint32_t>(word);
  const uint32_t most = BankBytes(lines.size());
  if (bank > 1 || used > most) {
    return absl::DataLossError(
        absl::StrCat("map cc_journal: expected at most ", most,
                     " bytes in bank 0 or 1, found ", used, " in ", bank));
  }
  const char* const bytes = reinterpret_cast<const char*>(&lines[1]) +
                            static_cast<size_t>(bank) * most;
  for (uint32_t at = 0; at < used;) {
    RecordHead head;
    if (used - at < sizeof(head)) return Damaged(at, "cut off");
    std::memcpy(&head, bytes + at, sizeof(head));
    const uint64_t needed =
        sizeof(head) + uint64_t{head.key_bytes} + head.value_bytes;
    if (head.bytes > used - at || head.bytes % 8 != 0 || needed > head.bytes) {
      return Damaged(
          at, absl::StrCat("expected ", needed, " bytes, found ", head.bytes));
    }
    const char* const key = bytes + at + sizeof(head);
    if (!visit({.at = at,
                .epoch = head.epoch,
                .kind = head.kind,
                .key = {key, head.key_bytes},
                .value = {key + head.key_bytes, head.value_bytes}}))
      break;
    at += head.bytes;
  }
  return absl::OkStatus();
}

absl::StatusOr<Journal::Records> Journal::RecordsAt(
    absl::Span<const cc_journal_line> lines, uint32_t epoch) {
  Records records;
  CC_RETURN_IF_ERROR(Read(lines, epoch, records).status());
  return records;
}

absl::StatusOr<std::optional<uint32_t>> Journal::Read(
    absl::Span<const cc_journal_line> lines, uint32_t epoch, Records& records) {
  std::optional<uint32_t> unpublished;
  CC_RETURN_IF_ERROR(ForEach(lines, [&](const Entry& entry) {
    if (IsAfter(entry.epoch, epoch)) {
      unpublished = entry.at;
      return false;
    }
    Key key(entry.kind, std::string(entry.key));
    if (entry.value.empty()) {
      records.erase(key);
    } else {
      records.insert_or_assign(std::move(key), std::string(entry.value));
    }
    return true;
  }));
  return unpublished;
}

void Journal::Write(uint32_t bank, uint32_t& at, uint32_t epoch,
                    JournalKind kind, absl::string_view key,
                    absl::string_view value) {
  const RecordHead head = {
      .bytes = BytesOf(key, value),
      .epoch = epoch,
      .kind = kind,
      .pad = {},
      .key_bytes = static_cast<uint32_t>(key.size()),
      .value_bytes = static_cast<uint32_t>(value.size()),
      .pad2 = 0,
  };
  char* const to = Bank(bank) + at;
  std::memcpy(to, &head, sizeof(head));
  std::memcpy(to + sizeof(head), key.data(), key.size());
  std::memcpy(to + sizeof(head) + key.size(), value.data(), value.size());
  at += head.bytes;
}

absl::Status Journal::Append(uint32_t epoch,
                             absl::Span<const JournalRecord> records,
                             absl::FunctionRef<bool(const Key& key)> is_used) {
  before_.clear();
  dropped_.clear();
  head_before_ = head_;
  if (records.empty()) return absl::OkStatus();
  uint64_t wanted = 0;
  for (const JournalRecord& record : records)
    wanted += BytesOf(record.key, record.value);
  uint32_t to = bank(), at = used();
  if (at + wanted > bank_bytes()) {
    to = 1 - bank();
    at = 0;
    uint64_t kept = 0;
    for (const auto& [key, value] : records_) {
      if (is_used(key)) kept += BytesOf(key.second, value);
    }
    if (kept + wanted > bank_bytes()) {
      return absl::ResourceExhaustedError(
          absl::StrCat("map cc_journal is full: ", kept, " of ", bank_bytes(),
                       " bytes in use, ", wanted, " more wanted"));
    }
    for (auto it = records_.begin(); it != records_.end();) {
      if (!is_used(it->first)) {
        dropped_.push_back(it->first);
        before_.emplace_back(it->first, std::move(it->second));
        it = records_.erase(it);
        continue;
      }
      Write(to, at, epoch - 1, it->first.first, it->first.second, it->second);
      ++it;
    }
  }
  for (const JournalRecord& record : records) {
    Write(to, at, epoch, record.kind, record.key, record.value);
    Key key(record.kind, record.key);
    const auto was = records_.find(key);
    before_.emplace_back(
        key, was == records_.end() ? std::nullopt : std::optional(was->second));
    if (record.value.empty()) {
      records_.erase(key);
    } else {
      records_.insert_or_assign(std::move(key), record.value);
    }
  }
  StoreHead(to, at);
  return absl::OkStatus();
}

void Journal::Undo() {
  for (auto it = before_.rbegin(); it != before_.rend(); ++it) {
    if (it->second.has_value()) {
      records_.insert_or_assign(it->first, *std::move(it->second));
    } else {
      records_.erase(it->first);
    }
  }
  before_.clear();
  if (head_ == head_before_) return;
  StoreHead(static_cast<uint32_t>(head_before_ >> 32),
            static_cast<uint32_t>(head_before_));
}

}  // namespace ciliumcore::internal
