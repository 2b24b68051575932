// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/instance_view_internal.h"

#include <dirent.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/maps/mapped_array.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/address_index_internal.h"
#include "lib/datapath/service_index_internal.h"

namespace ciliumcore::internal {
namespace {

// A copy of an entry, or zeros where there is none.
template <typename T>
T At(absl::Span<const T> entries, size_t index) {
  T copy = {};
  if (index < entries.size()) std::memcpy(&copy, &entries[index], sizeof(T));
  return copy;
}

uint64_t LinesOf(uint32_t slots) {
  return (slots + uint64_t{CC_SERVICE_SLOTS} - 1) / CC_SERVICE_SLOTS;
}

constexpr Protocol kPaged[] = {Protocol::kTcp, Protocol::kUdp, Protocol::kSctp,
                               Protocol::kIcmp, Protocol::kIcmpv6};
static_assert(std::size(kPaged) == CC_ROOT_OTHER);

}  // namespace

absl::Status CheckBpffs(const std::string& bpffs) {
  struct statfs status = {};
  if (statfs(bpffs.c_str(), &status) != 0)
    return absl::ErrnoToStatus(errno, bpffs);
  if (static_cast<unsigned long>(status.f_type) == BPF_FS_MAGIC)
    return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      bpffs, ": expected a bpf file system; mount one: mount -t bpf bpf ",
      bpffs));
}

std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  DIR* open = opendir(directory.c_str());
  if (open == nullptr) return names;
  while (const dirent* entry = readdir(open)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(open);
  std::sort(names.begin(), names.end());
  return names;
}

template <typename T>
absl::Status InstanceView::Bind(const char* map, absl::Span<const T>& entries) {
  const auto found = maps_.find(map);
  if (found == maps_.end()) return absl::OkStatus();
  CC_ASSIGN_OR_RETURN(entries, found->second.Entries<T>());
  return absl::OkStatus();
}

absl::StatusOr<InstanceView> InstanceView::Open(const InspectOptions& options) {
  CC_RETURN_IF_ERROR(CheckBpffs(options.bpffs));
  InstanceView view;
  view.directory_ = absl::StrCat(options.bpffs, "/ciliumcore/", options.name);
  for (const std::string& name : NamesIn(view.directory_ + "/state/maps")) {
    if (absl::EndsWith(name, "+new")) continue;  // about to be renamed
    absl::StatusOr<MapReader> map = MapReader::OpenPinned(
        absl::StrCat(view.directory_, "/state/maps/", name));
    if (absl::IsNotFound(map.status())) continue;  // gone meanwhile
    if (!map.ok()) return map.status();
    view.maps_.emplace(name, *std::move(map));
  }
  absl::Span<const cc_state> state;
  CC_RETURN_IF_ERROR(view.Bind("cc_state", state));
  if (state.empty()) {
    const std::vector<std::string> others =
        NamesIn(absl::StrCat(options.bpffs, "/ciliumcore"));
    return absl::NotFoundError(absl::StrCat(
        "instance ", options.name, ": nothing is pinned in ", view.directory_,
        others.empty()
            ? "; there are no instances"
            : absl::StrCat("; there are ", absl::StrJoin(others, ", "))));
  }
  view.epoch_ = LoadAcquire(&state[0].epoch);
  CC_RETURN_IF_ERROR(view.Bind("cc_endpoints", view.endpoints));
  CC_RETURN_IF_ERROR(view.Bind("cc_subjects", view.subjects));
  CC_RETURN_IF_ERROR(view.Bind("cc_addrs", view.address_lines));
  CC_RETURN_IF_ERROR(view.Bind("cc_places", view.places));
  CC_RETURN_IF_ERROR(view.Bind("cc_hops", view.hops));
  CC_RETURN_IF_ERROR(view.Bind("cc_tables", view.tables));
  CC_RETURN_IF_ERROR(view.Bind("cc_port_pages", view.port_pages));
  CC_RETURN_IF_ERROR(view.Bind("cc_cells", view.cells));
  CC_RETURN_IF_ERROR(view.Bind("cc_frontends", view.frontend_lines));
  CC_RETURN_IF_ERROR(view.Bind("cc_services", view.services));
  CC_RETURN_IF_ERROR(view.Bind("cc_maglev", view.maglev));
  CC_RETURN_IF_ERROR(view.Bind("cc_backends", view.backends));
  CC_RETURN_IF_ERROR(view.Bind("cc_journal", view.journal));
  return view;
}

absl::StatusOr<MapReader*> InstanceView::Find(const std::string& map) {
  const auto found = maps_.find(map);
  if (found != maps_.end()) return &found->second;
  return absl::NotFoundError(absl::StrCat(
      "map ", map, ": not pinned in ", directory_, "; there are ",
      absl::StrJoin(maps_, ", ", [](std::string* out, const auto& entry) {
        out->append(entry.first);
      })));
}

cc_subject InstanceView::SubjectOf(const cc_endpoint& endpoint) const {
  return At(subjects, cc_switch_pick(LoadAcquire(&endpoint.subject), epoch_));
}

cc_place_value InstanceView::ValueOf(uint32_t place) const {
  const cc_place copy = At(places, place);
  const uint16_t which = cc_switch_pick(copy.which, epoch_);
  return which < CC_PLACE_SLOTS ? copy.value[which] : cc_place_value{};
}

cc_table InstanceView::TableAt(uint32_t table) const {
  return At(tables, table);
}

TargetView InstanceView::TargetOf(const cc_service& service) const {
  const uint16_t which = cc_switch_pick(service.which, epoch_);
  const uint64_t word =
      which < std::size(service.target) ? service.target[which] : 0;
  TargetView target;
  target.is_service = word != CC_SERVICE_NONE;
  if (word == CC_SERVICE_EMPTY) return target;
  target.word = word;
  const bool is_few = (word & CC_SERVICE_IS_FEW) != 0;
  if (!is_few) target.line = static_cast<uint32_t>(word >> 40 & (CC_SERVICE_MAX_LINES - 1));
  target.size = static_cast<uint32_t>(word >> 23 & (is_few ? 0xf : 0x1ffff));
  target.backends = static_cast<uint32_t>(word & (CC_SERVICE_MAX_BACKENDS - 1));
  return target;
}

uint16_t InstanceView::BackendIn(const TargetView& target,
                                 uint32_t slot) const {
  if (!target.line.has_value())
    return static_cast<uint16_t>(target.word >> (27 + 3 * slot) & 7);
  return At(maglev, *target.line + slot / CC_SERVICE_SLOTS)
      .backend[slot % CC_SERVICE_SLOTS];
}

std::vector<uint16_t> InstanceView::LiveEndpoints() const {
  std::vector<uint16_t> slots;
  for (size_t slot = 1; slot < endpoints.size(); ++slot) {
    if (endpoints[slot].ifindex != 0 &&
        SubjectOf(endpoints[slot]).identity != 0)
      slots.push_back(static_cast<uint16_t>(slot));
  }
  return slots;
}

std::set<uint16_t> InstanceView::LiveTables() const {
  std::set<uint16_t> live;
  for (const uint16_t slot : LiveEndpoints()) {
    const cc_subject subject = SubjectOf(endpoints[slot]);
    for (const uint16_t table : subject.table) {
      if (TableAt(table).interval_count != 0) live.insert(table);
    }
  }
  return live;
}

std::set<uint32_t> InstanceView::LivePages() const {
  std::set<uint32_t> pages;
  for (const uint16_t index : LiveTables()) {
    const cc_table table = TableAt(index);
    if (table.bound_count != CC_BOUNDS_PAGED) continue;
    for (int root = 0; root < CC_ROOT_OTHER; ++root) {
      pages.insert(table.axis[root]);
      for (const __u16 entry : At(port_pages, table.axis[root]).entry) {
        if ((entry & CC_PORT_DEEP) != 0) pages.insert(entry & ~CC_PORT_DEEP);
      }
    }
  }
  return pages;
}

// Chains are short; the bound is for one that a writer changes meanwhile.
void InstanceView::ForEachAddress(
    absl::FunctionRef<void(uint32_t, uint32_t)> visit) const {
  for (size_t line = 0; line < address_lines.size(); ++line) {
    for (uint32_t i = 0; i < CC_ADDR_HEADS; ++i) {
      uint32_t at = address_lines[line].place[i];
      for (int left = CC_ADDR_CHAIN; at != 0 && left > 0; --left) {
        visit(static_cast<uint32_t>(line) * CC_ADDR_HEADS + i, at);
        at = At(places, at).next;
      }
    }
  }
}

void InstanceView::ForEachService(
    absl::FunctionRef<void(uint32_t, uint32_t)> visit) const {
  for (size_t line = 0; line < frontend_lines.size(); ++line) {
    for (uint32_t i = 0; i < CC_SERVICE_HEADS; ++i) {
      uint32_t at = frontend_lines[line].service[i];
      for (int left = CC_SERVICE_CHAIN; at != 0 && left > 0; --left) {
        const cc_service service = At(services, at);
        if (TargetOf(service).is_service)
          visit(static_cast<uint32_t>(line) * CC_SERVICE_HEADS + i, at);
        at = service.next;
      }
    }
  }
}

std::vector<uint32_t> InstanceView::BackendsOf(uint32_t service) const {
  const TargetView target = TargetOf(At(services, service));
  std::set<uint32_t> found;
  for (uint32_t slot = 0; slot < target.size; ++slot)
    found.insert(target.backends + BackendIn(target, slot));
  return {found.begin(), found.end()};
}

std::set<uint32_t> InstanceView::PrefixPlaces() const {
  std::set<uint32_t> found;
  const auto prefixes = maps_.find("cc_prefixes");
  if (prefixes == maps_.end()) return found;
  prefixes->second
      .ForEach([&](const std::byte*, const std::byte* value) {
        uint32_t place = 0;
        std::memcpy(&place, value, sizeof(place));
        found.insert(place);
        return true;
      })
      .IgnoreError();
  return found;
}

std::optional<uint64_t> InstanceView::UsedOf(const std::string& map) const {
  uint64_t used = 0;
  if (map == "cc_state" || map == "cc_clock") return 1;
  if (map == "cc_endpoints") return LiveEndpoints().size();
  if (map == "cc_subjects") {
    std::set<uint16_t> live;
    for (const uint16_t slot : LiveEndpoints())
      live.insert(cc_switch_pick(endpoints[slot].subject, epoch_));
    return live.size();
  }
  if (map == "cc_tables") return LiveTables().size();
  if (map == "cc_port_pages") return LivePages().size();
  if (map == "cc_cells") {
    for (const uint16_t index : LiveTables()) {
      const cc_table table = TableAt(index);
      used += uint64_t{table.class_count} * table.interval_count;
    }
    return used;
  }
  if (map == "cc_addrs") {
    ForEachAddress([&](uint32_t, uint32_t) { ++used; });
    return used;
  }
  if (map == "cc_places" || map == "cc_hops") {
    std::set<uint32_t> live = PrefixPlaces(), via;
    ForEachAddress([&](uint32_t, uint32_t place) { live.insert(place); });
    if (map == "cc_places") return live.size();
    for (const uint32_t place : live) {
      const uint16_t where = ValueOf(place).where;
      if ((where & CC_REMOTE) != 0) via.insert(where & (CC_REMOTE - 1));
    }
    via.erase(0);
    return via.size();
  }
  if (map == "cc_frontends" || map == "cc_services") {
    ForEachService([&](uint32_t, uint32_t) { ++used; });
    return used;
  }
  if (map == "cc_maglev" || map == "cc_backends") {
    ForEachService([&](uint32_t, uint32_t service) {
      const TargetView target = TargetOf(services[service]);
      if (map == "cc_backends")
        used += BackendsOf(service).size();
      else if (target.line.has_value())
        used += LinesOf(target.size);
    });
    return used;
  }
  if (map == "cc_journal") {
    if (journal.empty()) return std::nullopt;
    const __u64 head = LoadAcquire(&journal[0].word[CC_JOURNAL_WORD_HEAD]);
    return static_cast<uint32_t>(head) / sizeof(cc_journal_line);
  }
  return std::nullopt;
}

uint64_t InstanceView::RoomOf(const MapReader& map) const {
  const uint64_t entries = map.info().max_entries;
  if (map.name() == "cc_addrs") return AddressIndex::EntriesOf(entries);
  if (map.name() == "cc_frontends") return ServiceIndex::EntriesOf(entries);
  // Of its two banks, one is in use.
  if (map.name() == "cc_journal") return (entries - 1) / 2;
  // An index of 0 is nobody's.
  for (const char* from_one :
       {"cc_endpoints", "cc_subjects", "cc_tables", "cc_port_pages",
        "cc_places", "cc_hops", "cc_services"}) {
    if (map.name() == from_one) return entries - 1;
  }
  return entries;
}

void ForEachInterval(
    const InstanceView& view, const cc_table& table,
    absl::FunctionRef<void(uint32_t, uint32_t, uint32_t)> visit) {
  constexpr uint32_t kLast = 0xffffff;
  if (table.bound_count != CC_BOUNDS_PAGED) {
    const uint32_t bounds =
        std::min<uint32_t>(table.bound_count, CC_INLINE_BOUNDS);
    for (uint32_t i = 0; i <= bounds; ++i) {
      visit(i, i == 0 ? 0 : table.axis[i - 1],
            i == bounds ? kLast : table.axis[i] - 1);
    }
    return;
  }
  for (size_t root = 0; root < std::size(kPaged); ++root) {
    const cc_port_page page = At(view.port_pages, table.axis[root]);
    const auto interval_of = [&](uint32_t port) -> uint32_t {
      const __u16 entry = page.entry[port >> 8];
      if ((entry & CC_PORT_DEEP) == 0) return entry;
      return At(view.port_pages, entry & ~CC_PORT_DEEP).entry[port & 0xff];
    };
    const uint32_t base = static_cast<uint32_t>(kPaged[root]) << 16;
    uint32_t first = 0, interval = interval_of(0);
    for (uint32_t port = 1; port <= 0x10000; ++port) {
      const uint32_t next = port == 0x10000 ? ~0u : interval_of(port);
      if (next == interval) continue;
      visit(interval, base | first, base | (port - 1));
      first = port;
      interval = next;
    }
  }
  // Every other protocol: between those with pages.
  uint32_t first = 0;
  for (const Protocol protocol :
       {Protocol::kIcmp, Protocol::kTcp, Protocol::kUdp, Protocol::kIcmpv6,
        Protocol::kSctp}) {
    const uint32_t base = static_cast<uint32_t>(protocol) << 16;
    if (first < base) visit(table.axis[CC_ROOT_OTHER], first, base - 1);
    first = base + 0x10000;
  }
  visit(table.axis[CC_ROOT_OTHER], first, kLast);
}

}  // namespace ciliumcore::internal
