// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/table_writer_internal.h"

#include <algorithm>
#include <iterator>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/base/status.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/journal_codec_internal.h"

namespace ciliumcore::internal {
namespace {

using Class = std::pair<uint32_t, uint32_t>;

constexpr struct {
  cc_port_root root;
  Protocol protocol;
} kPagedProtocols[] = {
    {CC_ROOT_TCP, Protocol::kTcp},       {CC_ROOT_UDP, Protocol::kUdp},
    {CC_ROOT_SCTP, Protocol::kSctp},     {CC_ROOT_ICMP, Protocol::kIcmp},
    {CC_ROOT_ICMPV6, Protocol::kIcmpv6},
};

bool IsPaged(uint32_t protocol) {
  return std::any_of(std::begin(kPagedProtocols), std::end(kPagedProtocols),
                     [&](const auto& paged) {
                       return static_cast<uint32_t>(paged.protocol) == protocol;
                     });
}

// True if the two intervals hold the same verdicts for every class.
bool AreAlike(const CompiledTable& table, size_t a, size_t b) {
  for (uint32_t cls = 0; cls < table.class_count; ++cls) {
    const size_t row = cls * table.intervals();
    if (table.cells[row + a] != table.cells[row + b]) return false;
  }
  return true;
}

// Protocols without pages share one interval. They lie between those that have
// them, in intervals of their own, which must say the same.
absl::StatusOr<uint32_t> IntervalOfOthers(const CompiledTable& table) {
  const size_t shared = table.IntervalOf(0);
  for (uint32_t protocol = 0; protocol < 256; ++protocol) {
    if (IsPaged(protocol)) continue;
    const size_t last = table.IntervalOf(protocol << 16 | 0xffff);
    for (size_t at = table.IntervalOf(protocol << 16); at <= last; ++at) {
      if (AreAlike(table, at, shared)) continue;
      return absl::ResourceExhaustedError(
          absl::StrCat("verdict table with ", table.intervals(),
                       " port intervals: only ", CC_INLINE_BOUNDS,
                       " are possible when protocols other than TCP, UDP, SCTP "
                       "and ICMP differ"));
    }
  }
  return static_cast<uint32_t>(shared);
}

}  // namespace

TableWriter::TableWriter(PublishedMaps* maps, GraceKeeper* grace)
    : maps_(maps),
      grace_(grace),
      indexes_("cc_tables", 1,
               std::min<uint32_t>(static_cast<uint32_t>(maps->tables.size()),
                                  CC_MAX_TABLES)),
      cells_("cc_cells", 0, static_cast<uint32_t>(maps->cells.size())),
      pages_("cc_port_pages", 1,
             static_cast<uint32_t>(maps->port_pages.size())) {}

absl::StatusOr<std::vector<uint16_t>> TableWriter::Stage(
    absl::Span<const TableRef> wanted,
    absl::FunctionRef<bool(uint32_t peer)> is_placed, uint32_t next,
    Staging& staging) {
  Collect();
  for (Live& live : live_) live.is_wanted = false;
  std::vector<uint16_t> indexes;
  for (const TableRef& table : wanted) {
    Live* live = FindEqual(table);
    if (live == nullptr) {
      live = FindExtensible(*table, is_placed);
      if (live != nullptr) {
        CC_RETURN_IF_ERROR(
            grace_->WaitFor(next - 1));  // nobody is older than `is_placed`
        CC_RETURN_IF_ERROR(Extend(*live, table, staging));
      } else {
        CC_ASSIGN_OR_RETURN(live, Write(table, next, staging));
      }
    } else if (live->content != table) {
      // The next compilation will have this object too.
      Erase(*live);
      live->content = table;
      Insert(*live);
    }
    live->is_wanted = true;
    indexes.push_back(static_cast<uint16_t>(live->index));
  }
  staging.OnPublished([this, next] {
    for (auto it = live_.begin(); it != live_.end();) {
      if (it->is_wanted) {
        ++it;
        continue;
      }
      Erase(*it);
      retired_.push_back({next, std::move(*it)});
      it = live_.erase(it);
    }
  });
  return indexes;
}

TableWriter::Live* TableWriter::FindEqual(const TableRef& table) const {
  const auto same = by_object_.find(table.get());
  if (same != by_object_.end()) return same->second;
  const auto alike = by_hash_.equal_range(absl::Hash<CompiledTable>()(*table));
  for (auto at = alike.first; at != alike.second; ++at) {
    if (*at->second->content == *table) return at->second;
  }
  return nullptr;
}

void TableWriter::Insert(Live& live) {
  by_object_[live.content.get()] = &live;
  by_hash_.emplace(absl::Hash<CompiledTable>()(*live.content), &live);
}

void TableWriter::Erase(const Live& live) {
  by_object_.erase(live.content.get());
  const auto alike =
      by_hash_.equal_range(absl::Hash<CompiledTable>()(*live.content));
  for (auto at = alike.first; at != alike.second; ++at) {
    if (at->second != &live) continue;
    by_hash_.erase(at);
    return;
  }
}

TableWriter::Live* TableWriter::FindExtensible(
    const CompiledTable& table,
    absl::FunctionRef<bool(uint32_t peer)> is_placed) {
  for (Live& live : live_) {
    const CompiledTable& content = *live.content;
    // one that this change has matched already must stay as it is
    if (live.is_wanted || content.class_count != table.class_count ||
        content.bounds != table.bounds || content.cells != table.cells ||
        !std::includes(table.classes.begin(), table.classes.end(),
                       content.classes.begin(), content.classes.end())) {
      continue;
    }
    const bool unseen = std::all_of(
        table.classes.begin(), table.classes.end(), [&](const Class& entry) {
          return !is_placed(entry.first) ||
                 std::binary_search(content.classes.begin(),
                                    content.classes.end(), entry);
        });
    if (unseen) return &live;
  }
  return nullptr;
}

absl::Status TableWriter::Extend(Live& live, const TableRef& table,
                                 Staging& staging) {
  std::vector<Class> added;
  const TableRef before = live.content;
  std::set_difference(table->classes.begin(), table->classes.end(),
                      before->classes.begin(), before->classes.end(),
                      std::back_inserter(added));
  CC_RETURN_IF_ERROR(PutClasses(live.index, added));
  const auto replace = [this, &live](const TableRef& content) {
    Erase(live);
    live.content = content;
    Insert(live);
  };
  staging.OnUndo([this, &live, before, added, replace] {
    EraseClasses(live.index, added);
    replace(before);
  });
  replace(table);
  return absl::OkStatus();
}

absl::StatusOr<TableWriter::Live*> TableWriter::Write(const TableRef& ref,
                                                      uint32_t next,
                                                      Staging& staging) {
  const CompiledTable& table = *ref;
  if (table.intervals() >= CC_PORT_DEEP) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "verdict table with ", table.intervals(), " port intervals: at most ",
        CC_PORT_DEEP - 1, " are possible"));
  }
  DropStrays();
  Live live;
  live.content = ref;
  const uint32_t cell_count = static_cast<uint32_t>(table.cells.size());
  CC_ASSIGN_OR_RETURN(live.index, Take(indexes_, 1));
  absl::StatusOr<uint32_t> cells = Take(cells_, cell_count);
  if (!cells.ok()) {
    indexes_.Return(live.index, 1);
    return cells.status();
  }
  live.cells = *cells;
  cc_table out = {};
  out.cells = live.cells;
  out.interval_count = static_cast<uint16_t>(table.intervals());
  out.class_count = table.class_count;
  out.generation = next;
  for (uint32_t i = 0; i < cell_count; ++i) {
    const Cell& cell = table.cells[i];
    maps_->cells[live.cells + i] = {
        .rule_set = cell.rule_set,
        .proxy_port = cell.proxy_port,
        .verdict = static_cast<uint8_t>(cell.verdict),
        .auth = 0};
  }
  absl::Status written = WriteAxis(table, out, live);
  if (written.ok()) {
    maps_->tables[live.index] = out;
    written = PutClasses(live.index, table.classes);
  }
  if (!written.ok()) {
    Free(live);
    return written;
  }
  live_.push_back(std::move(live));
  auto at = std::prev(live_.end());
  Insert(*at);
  if (table.bounds.size() > CC_INLINE_BOUNDS) {
    staging.Record({.kind = JournalKind::kTable,
                    .key = EncodeKey(at->index),
                    .value = Encode(table.bounds)});
  }
  // No packet has seen it: the change that would refer to it is not published.
  staging.OnUndo([this, at] {
    EraseClasses(at->index, at->content->classes);
    Free(*at);
    Erase(*at);
    live_.erase(at);
  });
  return &*at;
}

absl::Status TableWriter::WriteAxis(const CompiledTable& table, cc_table& out,
                                    Live& live) {
  if (table.bounds.size() <= CC_INLINE_BOUNDS) {
    out.bound_count = static_cast<uint16_t>(table.bounds.size());
    std::fill(std::begin(out.axis), std::end(out.axis), 0xffffffff);
    std::copy(table.bounds.begin(), table.bounds.end(), out.axis);
    return absl::OkStatus();
  }
  out.bound_count = CC_BOUNDS_PAGED;
  for (const auto& [root, protocol] : kPagedProtocols) {
    CC_ASSIGN_OR_RETURN(out.axis[root], WriteRoot(table, protocol, live));
  }
  CC_ASSIGN_OR_RETURN(out.axis[CC_ROOT_OTHER], IntervalOfOthers(table));
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> TableWriter::WriteRoot(const CompiledTable& table,
                                                Protocol protocol, Live& live) {
  cc_port_page root = {};
  for (uint32_t high = 0; high < CC_PORT_PAGE; ++high) {
    const uint32_t first = PortKey(protocol, static_cast<uint16_t>(high << 8));
    const size_t interval = table.IntervalOf(first);
    if (interval == table.IntervalOf(first | 0xff)) {
      root.entry[high] = static_cast<uint16_t>(interval);
      continue;
    }
    cc_port_page deep = {};
    for (uint32_t low = 0; low < CC_PORT_PAGE; ++low) {
      deep.entry[low] = static_cast<uint16_t>(table.IntervalOf(first | low));
    }
    CC_ASSIGN_OR_RETURN(const uint32_t page, WritePage(deep, live));
    root.entry[high] = static_cast<uint16_t>(CC_PORT_DEEP | page);
  }
  return WritePage(root, live);
}

absl::StatusOr<uint32_t> TableWriter::WritePage(const cc_port_page& page,
                                                Live& live) {
  CC_ASSIGN_OR_RETURN(const uint32_t at, Take(pages_, 1));
  live.pages.push_back(at);
  maps_->port_pages[at] = page;
  return at;
}

absl::Status TableWriter::PutClasses(uint32_t index,
                                     absl::Span<const Class> classes) {
  std::vector<cc_class_key> keys;
  std::vector<cc_class_value> values;
  for (const auto& [peer, cls] : classes) {
    keys.push_back({.table = index, .peer = peer});
    values.push_back({.check = cc_class_check(index, peer), .cls = cls});
  }
  size_t done = 0;
  absl::Status put = maps_->classes.PutBatch(keys, values, &done);
  if (absl::IsResourceExhausted(put) && !retired_.empty()) {
    CC_RETURN_IF_ERROR(grace_->WaitFor(retired_.back().epoch));
    Collect();
    put = maps_->classes.PutBatch(keys, values, &done);
  }
  if (!put.ok()) EraseClasses(index, classes);
  return put;
}

void TableWriter::EraseClasses(uint32_t index,
                               absl::Span<const Class> classes) {
  std::vector<cc_class_key> keys;
  for (const auto& [peer, cls] : classes)
    keys.push_back({.table = index, .peer = peer});
  // What was never there is not an error, and nobody reads a table that is
  // gone.
  maps_->classes.EraseBatch(keys).IgnoreError();
}

absl::StatusOr<uint32_t> TableWriter::Take(RangePool& pool, uint32_t count) {
  absl::StatusOr<uint32_t> at = pool.Take(count, *grace_);
  while (absl::IsResourceExhausted(at.status()) && !retired_.empty()) {
    CC_RETURN_IF_ERROR(grace_->WaitFor(retired_.front().epoch));
    Collect();
    at = pool.Take(count, *grace_);
  }
  return at;
}

// Frees tables that no packet can be reading any more.
void TableWriter::Collect() {
  while (!retired_.empty() && grace_->IsOver(retired_.front().epoch)) {
    const Live& table = retired_.front().table;
    EraseClasses(table.index, table.content->classes);
    Free(table);
    retired_.pop_front();
  }
}

void TableWriter::Free(const Live& live) {
  for (const uint32_t page : live.pages) pages_.Return(page, 1);
  cells_.Return(live.cells, static_cast<uint32_t>(live.content->cells.size()));
  indexes_.Return(live.index, 1);
}

}  // namespace ciliumcore::internal
