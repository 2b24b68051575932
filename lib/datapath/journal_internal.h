// SPDX-License-Identifier: Apache-2.0

// The journal of a pinned instance: what its numbers mean, for the process that
// finds it. See abi/journal.h.

#ifndef CILIUMCORE_LIB_DATAPATH_JOURNAL_INTERNAL_H_
#define CILIUMCORE_LIB_DATAPATH_JOURNAL_INTERNAL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "ciliumcore/abi/layouts.h"
#include "ciliumcore/maps/mapped_array.h"

namespace ciliumcore::internal {

// What the key of a record is; the value in brackets.
enum class JournalKind : uint8_t {
  kEndpoint = 1,  // slot (JournalEndpoint)
  kTable = 2,     // index of a table with pages (its bounds)
  kService = 3,   // frontend (JournalService)
  kPeer = 4,      // peer number (PeerVariety)
  kRuleSet = 5,   // id (RuleSet)
  kIdentity = 6,  // identity (Labels)
};

struct JournalRecord {
  JournalKind kind = JournalKind::kEndpoint;
  std::string key;
  std::string value;  // empty: means nothing any more
};

// One writer. A process that dies leaves what was true at the epoch that it
// published last: records of a later one are not believed. Not thread-safe.
class Journal {
 public:
  using Lines = MappedArray<cc_journal_line>;
  using Key = std::pair<JournalKind, std::string>;
  using Records = std::map<Key, std::string>;

  // An empty journal in `lines`, which are all zero.
  static Journal Create(Lines lines);

  // What an earlier process wrote up to `epoch`, and forgets what it wrote for
  // a later one. Unimplemented if it was of another version; DataLoss, with
  // what was found, if it is no journal or damaged.
  static absl::StatusOr<Journal> Recover(Lines lines, uint32_t epoch);

  // Writes `records` for `epoch`, which is not published yet: all or none. If
  // there is no room, first forgets what means nothing any more and, of peers
  // and rule sets, those that `is_used` says nobody uses. ResourceExhausted if
  // it does not fit even then.
  absl::Status Append(uint32_t epoch, absl::Span<const JournalRecord> records,
                      absl::FunctionRef<bool(const Key& key)> is_used);

  // Takes the last Append back.
  void Undo();
  // What the last Append forgot.
  const std::vector<Key>& dropped() const { return dropped_; }

  // One record as it lies in a journal.
  struct Entry {
    uint32_t at = 0, epoch = 0;
    JournalKind kind = JournalKind::kEndpoint;
    absl::string_view key, value;
  };
  // Calls `visit` with the records in `lines`, oldest first, until it returns
  // false. DataLoss if they are damaged.
  static absl::Status ForEach(absl::Span<const cc_journal_line> lines,
                              absl::FunctionRef<bool(const Entry&)> visit);

  // What the records up to `epoch` say, for who only reads. DataLoss as
  // ForEach.
  static absl::StatusOr<Records> RecordsAt(
      absl::Span<const cc_journal_line> lines, uint32_t epoch);

  // By kind and key.
  const Records& records() const { return records_; }

  uint64_t build() const { return Header(CC_JOURNAL_WORD_BUILD); }
  void SetBuild(uint64_t build) {
    StoreRelease(&HeaderWord(CC_JOURNAL_WORD_BUILD), __u64{build});
  }
  int fd() const { return lines_.fd(); }
  const Lines& lines() const { return lines_; }

 private:
  explicit Journal(Lines lines) : lines_(std::move(lines)) {}

  __u64& HeaderWord(int word) { return lines_[0].word[word]; }
  uint64_t Header(int word) const { return LoadAcquire(&lines_[0].word[word]); }
  static uint32_t BankBytes(size_t lines) {
    return static_cast<uint32_t>((lines - 1) / 2 * sizeof(cc_journal_line));
  }
  uint32_t bank_bytes() const { return BankBytes(lines_.size()); }
  char* Bank(uint32_t bank);
  // Where the next record goes.
  uint32_t bank() const { return static_cast<uint32_t>(head_ >> 32); }
  uint32_t used() const { return static_cast<uint32_t>(head_); }
  void StoreHead(uint32_t bank, uint32_t used);

  void Write(uint32_t bank, uint32_t& at, uint32_t epoch, JournalKind kind,
             absl::string_view key, absl::string_view value);
  // Where the first record lies that is of a later epoch.
  static absl::StatusOr<std::optional<uint32_t>> Read(
      absl::Span<const cc_journal_line> lines, uint32_t epoch,
      Records& records);

  Lines lines_;
  uint64_t head_ = 0;
  Records records_;
  // The state before the last Append.
  uint64_t head_before_ = 0;
  std::vector<std::pair<Key, std::optional<std::string>>> before_;
  std::vector<Key> dropped_;
};

}  // namespace ciliumcore::internal

#endif  // CILIUMCORE_LIB_DATAPATH_JOURNAL_INTERNAL_H_
