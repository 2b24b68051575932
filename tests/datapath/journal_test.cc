// SPDX-License-Identifier: Apache-2.0

// The journal of pinned instances: what it keeps, forgets and refuses.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/datapath/journal_internal.h"

namespace ciliumcore::internal {
namespace {

using Records = std::vector<JournalRecord>;

const auto kAll = [](const Journal::Key&) { return true; };

Journal::Lines Lines(uint32_t count) {
  return *Journal::Lines::CreateInMemory({.name = "cc_journal", .size = count});
}

// As another process maps them.
Journal::Lines Copy(const Journal::Lines& lines) {
  Journal::Lines copy = Lines(static_cast<uint32_t>(lines.size()));
  for (size_t i = 0; i < lines.size(); ++i) copy[i] = lines[i];
  return copy;
}

JournalRecord Record(const std::string& key, const std::string& value,
                     JournalKind kind = JournalKind::kRuleSet) {
  return {.kind = kind, .key = key, .value = value};
}

std::string Get(const Journal& journal, const std::string& key) {
  const auto found = journal.records().find({JournalKind::kRuleSet, key});
  return found == journal.records().end() ? "none" : found->second;
}

TEST(JournalTest, TellsTheNextProcessWhatWasPublished) {
  Journal journal = Journal::Create(Lines(65));
  ASSERT_TRUE(
      journal.Append(2, Records{Record("a", "1"), Record("b", "2")}, kAll)
          .ok());
  ASSERT_TRUE(
      journal.Append(3, Records{Record("a", "3"), Record("b", "")}, kAll).ok());
  ASSERT_TRUE(journal.Append(4, Records{Record("c", "never")}, kAll).ok());
  const auto next = Journal::Recover(Copy(journal.lines()), 3);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(Get(*next, "a"), "3");
  EXPECT_EQ(Get(*next, "b"), "none");
  EXPECT_EQ(Get(*next, "c"), "none");
  // What was never published does not come back with the number of its epoch.
  const auto later = Journal::Recover(Copy(next->lines()), 4);
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_EQ(Get(*later, "c"), "none");
}

TEST(JournalTest, UndoLeavesNothing) {
  Journal journal = Journal::Create(Lines(65));
  ASSERT_TRUE(journal.Append(2, Records{Record("a", "1")}, kAll).ok());
  ASSERT_TRUE(
      journal.Append(3, Records{Record("a", ""), Record("b", "2")}, kAll).ok());
  journal.Undo();
  EXPECT_EQ(Get(journal, "a"), "1");
  EXPECT_EQ(Get(journal, "b"), "none");
  const auto next = Journal::Recover(Copy(journal.lines()), 3);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(Get(*next, "a"), "1");
  EXPECT_EQ(Get(*next, "b"), "none");
}

// Two banks of 1,024 bytes, through which much more goes.
TEST(JournalTest, ForgetsWhatNobodyUsesWhenItIsFull) {
  Journal journal = Journal::Create(Lines(33));
  ASSERT_TRUE(journal.Append(1, Records{Record("kept", "k")}, kAll).ok());
  const auto only_kept = [](const Journal::Key& key) {
    return key.second == "kept";
  };
  size_t dropped = 0;
  for (uint32_t epoch = 2; epoch < 200; ++epoch) {
    ASSERT_TRUE(
        journal
            .Append(epoch, Records{Record(absl::StrCat("key", epoch), "value")},
                    only_kept)
            .ok())
        << epoch;
    dropped += journal.dropped().size();
    const auto next = Journal::Recover(Copy(journal.lines()), epoch);
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_EQ(next->records(), journal.records()) << epoch;
    // Whoever died before publishing has the state before, whole.
    const auto before = Journal::Recover(Copy(journal.lines()), epoch - 1);
    ASSERT_TRUE(before.ok()) << before.status();
    EXPECT_EQ(Get(*before, "kept"), "k") << epoch;
    EXPECT_EQ(Get(*before, absl::StrCat("key", epoch)), "none");
  }
  EXPECT_EQ(Get(journal, "kept"), "k");
  EXPECT_GT(dropped, 100u);
}

TEST(JournalTest, SaysThatItIsFullAndStaysAsItWas) {
  Journal journal = Journal::Create(Lines(33));
  ASSERT_TRUE(
      journal.Append(1, Records{Record("a", std::string(900, 'x'))}, kAll)
          .ok());
  const absl::Status full =
      journal.Append(2, Records{Record("b", std::string(200, 'y'))}, kAll);
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_EQ(
      full.message(),
      "map cc_journal is full: 928 of 1024 bytes in use, 232 more wanted");
  EXPECT_TRUE(journal.dropped().empty());
  EXPECT_EQ(Get(journal, "b"), "none");
  EXPECT_EQ(Journal::Recover(Copy(journal.lines()), 2)->records(),
            journal.records());
}

TEST(JournalTest, ADamagedOneIsRefusedWithWhatWasFound) {
  Journal journal = Journal::Create(Lines(65));
  ASSERT_TRUE(journal.Append(2, Records{Record("a", "1")}, kAll).ok());
  Journal::Lines cut = Copy(journal.lines());
  cut[1].word[0] = 12;  // the bytes of the first record
  EXPECT_EQ(Journal::Recover(std::move(cut), 2).status(),
            absl::DataLossError(
                "map cc_journal: record at 0: expected 26 bytes, found 12"));
  Journal::Lines far = Copy(journal.lines());
  far[0].word[CC_JOURNAL_WORD_HEAD] = 1 << 20;
  EXPECT_TRUE(absl::IsDataLoss(Journal::Recover(std::move(far), 2).status()));
  Journal::Lines other = Copy(journal.lines());
  other[0].word[CC_JOURNAL_WORD_MAGIC] ^= 1;
  EXPECT_TRUE(
      absl::IsUnimplemented(Journal::Recover(std::move(other), 2).status()));
}

}  // namespace
}  // namespace ciliumcore::internal
