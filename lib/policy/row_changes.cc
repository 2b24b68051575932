// SPDX-License-Identifier: Apache-2.0

#include "lib/policy/row_changes_internal.h"

#include <algorithm>

namespace ciliumcore {
namespace {

using Kind = PolicyDiff::Kind;
using Decisions =
    std::pair<std::optional<PairDecision>, std::optional<PairDecision>>;

// Walks the cells of a row by ascending ports. A row that is not there has one.
class Cursor {
 public:
  explicit Cursor(const MeaningRow* row) : row_(row) {}

  // Where the cell ends: its last port key, and one.
  uint32_t end() const {
    return row_ == nullptr || at_ == row_->bounds.size() ? kMaxPortKey + 1
                                                         : row_->bounds[at_];
  }
  const Cell& cell() const { return row_->cells[at_]; }
  void PassTo(uint32_t key) {
    if (end() == key && key <= kMaxPortKey) ++at_;
  }

 private:
  const MeaningRow* row_;
  size_t at_ = 0;
};

// The two rows of a pair, together.
class PairCursor {
 public:
  PairCursor(const Meanings& meanings, const PairRows& rows)
      : is_there_(rows.egress != PairRows::kAbsent),
        egress_(is_there_ ? &meanings.row(rows.egress) : nullptr),
        ingress_(is_there_ ? &meanings.row(rows.ingress) : nullptr) {}

  uint32_t end() const { return std::min(egress_.end(), ingress_.end()); }
  void PassTo(uint32_t key) {
    egress_.PassTo(key);
    ingress_.PassTo(key);
  }
  std::optional<PairDecision> decision() const {
    if (!is_there_) return std::nullopt;
    return PairDecision{egress_.cell(), ingress_.cell()};
  }

 private:
  const bool is_there_;
  Cursor egress_;
  Cursor ingress_;
};

std::optional<Kind> KindOf(const Decisions& decisions) {
  const auto& [before, after] = decisions;
  const bool was = before.has_value() && !before->denied();
  const bool is = after.has_value() && !after->denied();
  if (was != is) return is ? Kind::kOpens : Kind::kCloses;
  if (!is || before == after) return std::nullopt;
  return Kind::kOtherRules;
}

}  // namespace

const std::vector<uint32_t>& RowChanges::Between(const PairRows& before,
                                                 const PairRows& after) {
  static const std::vector<uint32_t>* const kNone = new std::vector<uint32_t>();
  if (before == after) return *kNone;
  if (auto at = compared_.find({before, after}); at != compared_.end()) {
    return at->second;
  }
  return compared_[{before, after}] = Compare(before, after);
}

std::vector<uint32_t> RowChanges::Compare(const PairRows& before,
                                          const PairRows& after) {
  // In the order of the first port that fares so.
  std::vector<std::pair<Decisions, std::vector<PortKeyRange>>> found;
  PairCursor old_cells(meanings_, before);
  PairCursor new_cells(meanings_, after);
  for (uint32_t begin = 0; begin <= kMaxPortKey;) {
    const uint32_t end = std::min(old_cells.end(), new_cells.end());
    const Decisions decisions = {old_cells.decision(), new_cells.decision()};
    if (KindOf(decisions).has_value()) {
      auto at = std::find_if(
          found.begin(), found.end(),
          [&](const auto& other) { return other.first == decisions; });
      if (at == found.end()) {
        found.push_back({decisions, {}});
        at = found.end() - 1;
      }
      std::vector<PortKeyRange>& ports = at->second;
      if (!ports.empty() && ports.back().last + 1 == begin) {
        ports.back().last = end - 1;
      } else {
        ports.push_back({begin, end - 1});
      }
    }
    old_cells.PassTo(end);
    new_cells.PassTo(end);
    begin = end;
  }

  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) {
                     return KindOf(a.first) < KindOf(b.first);
                   });
  std::vector<uint32_t> numbers;
  for (auto& [decisions, ports] : found) {
    uint64_t count = 0;
    for (const PortKeyRange& range : ports) {
      count += range.last - range.first + 1;
    }
    numbers.push_back(Intern({*KindOf(decisions), PortSetOf(std::move(ports)),
                              count, decisions.first, decisions.second}));
  }
  return numbers;
}

uint32_t RowChanges::Intern(RowChange change) {
  const auto [at, inserted] = change_numbers_.try_emplace(
      Key(change.ports, change.before, change.after),
      static_cast<uint32_t>(changes_.size()));
  if (inserted) changes_.push_back(std::move(change));
  return at->second;
}

uint32_t RowChanges::PortSetOf(std::vector<PortKeyRange> ports) {
  const auto [at, inserted] = port_set_numbers_.try_emplace(
      ports, static_cast<uint32_t>(port_sets_.size()));
  if (inserted) port_sets_.push_back(std::move(ports));
  return at->second;
}

}  // namespace ciliumcore
