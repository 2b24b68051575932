// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/table_comparison_internal.h"

#include <algorithm>
#include <utility>

namespace ciliumcore::internal {
namespace {

// The class of each of several peers that are asked for in ascending order.
class ClassCursor {
 public:
  explicit ClassCursor(
      const std::vector<std::pair<uint32_t, uint32_t>>& classes)
      : at_(classes.begin()), end_(classes.end()) {}

  uint32_t ClassOf(uint32_t peer) {
    while (at_ != end_ && at_->first < peer) ++at_;
    return at_ != end_ && at_->first == peer ? at_->second : 0;
  }

 private:
  std::vector<std::pair<uint32_t, uint32_t>>::const_iterator at_, end_;
};

// The two axes laid over each other.
class Overlay {
 public:
  Overlay(const CompiledTable& wanted, uint32_t wanted_class,
          const LiveTable& live, uint32_t live_class)
      : wanted_(wanted),
        live_(live),
        wanted_row_(&wanted.cells[wanted_class * wanted.intervals()]),
        live_row_(live.rows.at(live_class)) {}

  bool is_at_end() const { return first_ > kMaxPortKey; }
  uint32_t first() const { return first_; }
  uint32_t last() const {
    const uint32_t wanted = interval_ < wanted_.bounds.size()
                                ? wanted_.bounds[interval_] - 1
                                : kMaxPortKey;
    return std::min(wanted, live_.LastOf(span_));
  }
  const Cell& wanted() const { return wanted_row_[interval_]; }
  const cc_cell& live() const { return live_row_[span_]; }
  size_t span() const { return span_; }

  void Next() {
    first_ = last() + 1;
    if (interval_ < wanted_.bounds.size() &&
        wanted_.bounds[interval_] == first_)
      ++interval_;
    if (live_.LastOf(span_) < first_) ++span_;
  }

 private:
  const CompiledTable& wanted_;
  const LiveTable& live_;
  const Cell* const wanted_row_;
  const std::vector<cc_cell>& live_row_;
  uint32_t first_ = 0;
  size_t interval_ = 0, span_ = 0;
};

}  // namespace

CellOutcome OutcomeOf(const Cell& cell) {
  return {.verdict = cell.verdict,
          .proxy_port = cell.verdict == Verdict::kRedirect ? cell.proxy_port
                                                           : uint16_t{0},
          .authentication = 0};
}

// As cc_judge_side reads it: of a verdict that is none, a bit decides whether
// what drops the packet is called a proxy that is not there.
CellOutcome OutcomeOf(const cc_cell& cell) {
  if (cell.verdict == CC_VERDICT_ALLOW)
    return {.verdict = Verdict::kAllow, .authentication = cell.auth};
  if ((cell.verdict & CC_VERDICT_REDIRECT) == 0) return {};
  return {.verdict = Verdict::kRedirect,
          .proxy_port = cell.proxy_port,
          .authentication = cell.auth};
}

const CompiledTable& TableComparison::NoTable() {
  static const CompiledTable& table = *new CompiledTable{
      .bounds = {}, .class_count = 1, .cells = {Cell()}, .classes = {}};
  return table;
}

const TableResult& TableComparison::CompareTables(
    std::optional<uint32_t> wanted, uint16_t live) {
  const auto [at, is_new] = tables_.try_emplace({wanted.value_or(kNone), live});
  TableResult& result = at->second;
  if (!is_new) return result;
  const auto compare = [&](std::optional<uint32_t> peer, uint32_t wanted_class,
                           uint32_t live_class) {
    const RowResult& rows = CompareRows(wanted, wanted_class, live, live_class);
    if (rows.verdict.has_value() && !result.verdict.has_value())
      result.verdict = {.peer = peer, .row = *rows.verdict};
    if (rows.rules.has_value() && !result.rules.has_value())
      result.rules = {.peer = peer, .row = *rows.rules};
  };
  ClassCursor wanted_classes(Wanted(wanted).classes);
  ClassCursor live_classes(Live(live).classes);
  std::pair<uint32_t, uint32_t> before = {0, 0};  // compared at the end
  for (const uint32_t peer : identities_) {
    const std::pair<uint32_t, uint32_t> classes = {wanted_classes.ClassOf(peer),
                                                   live_classes.ClassOf(peer)};
    if (classes == before && peer != identities_.front()) continue;
    before = classes;
    compare(peer, classes.first, classes.second);
  }
  compare(std::nullopt, 0, 0);
  return result;
}

const RowResult& TableComparison::ComparePeers(std::optional<uint32_t> wanted,
                                               uint32_t wanted_peer,
                                               uint16_t live,
                                               uint32_t live_peer) {
  return CompareRows(wanted, Wanted(wanted).ClassOf(wanted_peer), live,
                     Live(live).ClassOf(live_peer));
}

const RowResult& TableComparison::CompareRows(std::optional<uint32_t> wanted,
                                              uint32_t wanted_class,
                                              uint16_t live,
                                              uint32_t live_class) {
  const auto [at, is_new] = rows_.try_emplace(
      {wanted.value_or(kNone), live, wanted_class, live_class});
  RowResult& result = at->second;
  if (!is_new) return result;
  // Extends a difference that the last step was of.
  const auto note = [](const Overlay& overlay, bool extends,
                       std::optional<RowDifference>& first) {
    if (extends) {
      first->ports.last = overlay.last();
    } else if (!first.has_value()) {
      first = {.ports = {overlay.first(), overlay.last()},
               .wanted = overlay.wanted(),
               .live = overlay.live(),
               .span = overlay.span()};
    }
  };
  const auto continues = [](const Overlay& overlay,
                            const std::optional<RowDifference>& difference) {
    return difference.has_value() &&
           difference->ports.last + 1 == overlay.first() &&
           difference->wanted == overlay.wanted() &&
           OutcomeOf(difference->live) == OutcomeOf(overlay.live()) &&
           difference->live.rule_set == overlay.live().rule_set;
  };
  for (Overlay overlay(Wanted(wanted), wanted_class, Live(live), live_class);
       !overlay.is_at_end(); overlay.Next()) {
    if (OutcomeOf(overlay.wanted()) != OutcomeOf(overlay.live())) {
      note(overlay, continues(overlay, result.verdict), result.verdict);
    } else if (overlay.wanted().rule_set != overlay.live().rule_set) {
      note(overlay, continues(overlay, result.rules), result.rules);
    }
  }
  return result;
}

}  // namespace ciliumcore::internal
