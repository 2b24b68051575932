// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "lib/base/status_macros_internal.h"
#include "lib/datapath/journal_codec_internal.h"
#include "lib/datapath/table_writer_internal.h"

namespace ciliumcore::internal {

absl::Status TableWriter::Adopt(const std::set<uint16_t>& in_use,
                                const Found& found) {
  std::map<uint32_t, std::vector<std::pair<uint32_t, uint32_t>>> classes;
  absl::Status sound;
  CC_RETURN_IF_ERROR(maps_->classes.ForEach(
      [&](const cc_class_key& key, const cc_class_value& value) {
        if (!in_use.contains(static_cast<uint16_t>(key.table))) {
          strays_.push_back(key);
        } else if (value.check != cc_class_check(key.table, key.peer)) {
          sound = DamagedEntry("cc_classes", key.table, "peer ", key.peer,
                               ": its check is another's");
        } else {
          classes[key.table].emplace_back(key.peer, value.cls);
        }
      }));
  CC_RETURN_IF_ERROR(sound);
  for (const uint16_t index : in_use) {
    auto& own = classes[index];
    std::sort(own.begin(), own.end());
    CC_RETURN_IF_ERROR(AdoptOne(index, found, std::move(own)));
  }
  return absl::OkStatus();
}

absl::Status TableWriter::AdoptOne(
    uint32_t index, const Found& found,
    std::vector<std::pair<uint32_t, uint32_t>> classes) {
  if (!indexes_.Reserve(index, 1)) {
    return DamagedEntry("cc_tables", index, "expected one below ",
                        indexes_.capacity() + 1);
  }
  const cc_table& table = maps_->tables[index];
  Live live;
  live.index = index;
  live.cells = table.cells;
  CompiledTable content;
  content.class_count = table.class_count;
  CC_RETURN_IF_ERROR(AdoptAxis(table, found, live, content.bounds));
  if (table.interval_count != content.intervals()) {
    return DamagedEntry("cc_tables", index, "expected ", content.intervals(),
                        " intervals, found ", table.interval_count);
  }
  const uint64_t cells = uint64_t{table.class_count} * table.interval_count;
  if (cells == 0 || cells > maps_->cells.size() ||
      !cells_.Reserve(table.cells, static_cast<uint32_t>(cells))) {
    return DamagedEntry("cc_tables", index, "expected cells of its own, found ",
                        cells, " from ", table.cells, " on");
  }
  for (uint32_t i = 0; i < cells; ++i) {
    const cc_cell& cell = maps_->cells[table.cells + i];
    if (cell.verdict > CC_VERDICT_REDIRECT) {
      return DamagedEntry("cc_cells", table.cells + i,
                          "expected a verdict, found ", int{cell.verdict});
    }
    content.cells.push_back({.verdict = static_cast<Verdict>(cell.verdict),
                             .proxy_port = cell.proxy_port,
                             .rule_set = cell.rule_set});
  }
  for (const auto& [peer, cls] : classes) {
    if (cls < table.class_count) continue;
    return DamagedEntry("cc_classes", index, "peer ", peer,
                        ": expected a class below ", table.class_count,
                        ", found ", cls);
  }
  content.classes = std::move(classes);
  live.content = std::make_shared<const CompiledTable>(std::move(content));
  Insert(live_.emplace_back(std::move(live)));
  return absl::OkStatus();
}

absl::Status TableWriter::AdoptAxis(const cc_table& table, const Found& found,
                                    Live& live, std::vector<uint32_t>& bounds) {
  if (table.bound_count != CC_BOUNDS_PAGED) {
    if (table.bound_count > CC_INLINE_BOUNDS) {
      return DamagedEntry("cc_tables", live.index, "expected at most ",
                          CC_INLINE_BOUNDS, " bounds, found ",
                          table.bound_count);
    }
    bounds.assign(table.axis, table.axis + table.bound_count);
  } else {
    const auto record =
        found.records->find({JournalKind::kTable, EncodeKey(live.index)});
    auto decoded = record == found.records->end()
                       ? std::nullopt
                       : DecodeBounds(record->second);
    if (!decoded.has_value()) {
      return DamagedEntry("cc_tables", live.index,
                          "expected its bounds in the journal");
    }
    bounds = *std::move(decoded);
    for (int root = 0; root < CC_ROOT_OTHER; ++root) {
      CC_RETURN_IF_ERROR(AdoptPage(table.axis[root], true, live));
    }
  }
  if (std::adjacent_find(bounds.begin(), bounds.end(),
                         std::greater_equal<>()) == bounds.end())
    return absl::OkStatus();
  return DamagedEntry("cc_tables", live.index, "expected ascending bounds");
}

absl::Status TableWriter::AdoptPage(uint32_t page, bool is_root, Live& live) {
  if (!pages_.Reserve(page, 1)) {
    return DamagedEntry("cc_tables", live.index,
                        "expected pages of its own, found ", page);
  }
  live.pages.push_back(page);
  for (const uint16_t entry : maps_->port_pages[page].entry) {
    if ((entry & CC_PORT_DEEP) == 0) continue;
    if (!is_root) {
      return DamagedEntry("cc_port_pages", page,
                          "expected intervals, found a page");
    }
    CC_RETURN_IF_ERROR(AdoptPage(entry & ~CC_PORT_DEEP, false, live));
  }
  return absl::OkStatus();
}

void TableWriter::DropStrays() {
  if (strays_.empty()) return;
  maps_->classes.EraseBatch(strays_).IgnoreError();
  strays_.clear();
}

}  // namespace ciliumcore::internal
