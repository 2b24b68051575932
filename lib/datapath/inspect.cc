// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/datapath/inspect.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/abi/convert.h"
#include "ciliumcore/net/netlink.h"
#include "ciliumcore/net/netns.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/connection_life_internal.h"
#include "lib/datapath/instance_view_internal.h"
#include "lib/datapath/kernel_status_internal.h"
#include "lib/datapath/libbpf_log_internal.h"
#include "lib/datapath/pins_internal.h"

namespace ciliumcore {
namespace internal {
namespace {

bool IsZero(const std::byte* bytes, size_t count) {
  return std::all_of(bytes, bytes + count,
                     [](std::byte byte) { return byte == std::byte{0}; });
}

// Epochs wrap: the signed difference.
int32_t Behind(uint32_t newer, uint32_t older) {
  return static_cast<int32_t>(newer - older);
}

// Shows `visit` the entries too, if it has to count them.
absl::StatusOr<MapStatus> StatusOf(
    const InstanceView& view, const std::string& name, const MapReader& map,
    absl::FunctionRef<void(const std::byte* key, const std::byte* value)>
        visit) {
  const bpf_map_info& info = map.info();
  MapStatus status = {.name = name,
                      .id = info.id,
                      .type = MapTypeName(info.type),
                      .key_size = info.key_size,
                      .value_size = info.value_size,
                      .room = view.RoomOf(map),
                      .used = view.UsedOf(name),
                      .memory_bytes = map.memory_bytes()};
  if (status.used.has_value()) return status;
  if (info.type == BPF_MAP_TYPE_RINGBUF) {
    CC_ASSIGN_OR_RETURN(status.used, map.PeekRing([](auto) { return false; }));
    return status;
  }
  const bool counts_all =
      info.type != BPF_MAP_TYPE_ARRAY && info.type != BPF_MAP_TYPE_PERCPU_ARRAY;
  uint64_t used = 0;
  const absl::Status read =
      map.ForEach([&](const std::byte* key, const std::byte* value) {
        if (counts_all || !IsZero(value, map.value_bytes())) ++used;
        visit(key, value);
        return true;
      });
  if (absl::IsUnimplemented(read)) return status;
  if (!read.ok()) return read;
  status.used = used;
  return status;
}

// Sum over keys and CPUs.
uint64_t EventsLost(InstanceView& view) {
  uint64_t lost = 0;
  const absl::StatusOr<MapReader*> map = view.Find("cc_events_lost");
  if (!map.ok()) return 0;
  (*map)
      ->ForEach([&](const std::byte*, const std::byte* values) {
        for (size_t at = 0; at < (*map)->value_bytes(); at += 8) {
          uint64_t count = 0;
          std::memcpy(&count, values + at, sizeof(count));
          lost += count;
        }
        return true;
      })
      .IgnoreError();
  return lost;
}

void AddEndpoints(const InstanceView& view, InstanceStatus& status) {
  for (const uint16_t slot : view.LiveEndpoints()) {
    const cc_endpoint& entry = view.endpoints[slot];
    const cc_subject subject = view.SubjectOf(entry);
    EndpointStatus endpoint = {.slot = slot,
                               .interface = {},
                               .ifindex = entry.ifindex,
                               .addresses = {},
                               .identity = subject.identity,
                               .egress_table = subject.table[CC_EGRESS],
                               .ingress_table = subject.table[CC_INGRESS]};
    for (const cc_addr& own : {entry.v4, entry.v6}) {
      if (!IsZero(reinterpret_cast<const std::byte*>(&own), sizeof(own)))
        endpoint.addresses.push_back(abi::FromAddr(own));
    }
    if (Behind(static_cast<uint32_t>(entry.subject >> 32), view.epoch()) > 0)
      ++status.staged_endpoints;
    status.endpoints.push_back(std::move(endpoint));
  }
  for (const uint16_t table : view.LiveTables()) {
    const uint32_t made = view.TableAt(table).generation;
    if (status.newest_table == 0 || Behind(made, status.newest_table) > 0)
      status.newest_table = made;
  }
}

void AddServices(const InstanceView& view, InstanceStatus& status) {
  view.ForEachService([&](uint32_t, uint32_t service) {
    ++status.services;
    const size_t backends = view.BackendsOf(service).size();
    status.backends += static_cast<uint32_t>(backends);
    if (backends == 0) ++status.services_without_backends;
  });
}

// Names of interfaces, and filters where there are no links.
absl::Status AddInterfaces(const InspectOptions& options,
                           InstanceStatus& status) {
  CC_ASSIGN_OR_RETURN(const NetNs netns, options.netns.empty()
                                             ? NetNs::Current()
                                             : NetNs::Open(options.netns));
  CC_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open(netns));
  CC_ASSIGN_OR_RETURN(const std::vector<LinkInfo> interfaces, netlink.Links());
  std::map<uint32_t, std::string> names;
  for (const LinkInfo& interface : interfaces)
    names[interface.ifindex] = interface.name;
  std::map<uint32_t, LinkStatus> links;  // by interface, one of each
  for (const LinkStatus& link : status.links) {
    if (link.kind == LinkKind::kTcx) links[link.ifindex] = link;
  }
  return netns.Run([&] {
    const LibbpfLog quiet;
    for (EndpointStatus& endpoint : status.endpoints) {
      const auto name = names.find(endpoint.ifindex);
      if (name == names.end()) continue;
      const auto link = links.find(endpoint.ifindex);
      // Every namespace has interfaces of low numbers.
      if (link != links.end() && !IsOnInterface(link->second)) continue;
      endpoint.interface = name->second;
      if (link != links.end()) continue;
      for (LinkStatus& filter : FindFilters(endpoint.ifindex, name->second))
        status.links.push_back(std::move(filter));
    }
    return absl::OkStatus();
  });
}

// The programs of the links; which generation each reads.
absl::Status AddPrograms(InstanceView& view, InstanceStatus& status) {
  CC_ASSIGN_OR_RETURN(const MapReader* pinned, view.Find("cc_state"));
  std::map<uint32_t, ProgramStatus> programs;
  std::map<uint32_t, std::optional<uint32_t>> epochs;  // by map
  uint32_t newest = status.generation;
  std::optional<uint32_t> oldest;
  std::map<std::string, std::set<std::string>> tags;
  for (const LinkStatus& link : status.links) {
    if (link.program == 0) continue;
    auto known = programs.find(link.program);
    if (known == programs.end()) {
      absl::StatusOr<KernelProgram> program = FindProgram(link.program);
      if (absl::IsNotFound(program.status())) continue;  // replaced meanwhile
      if (!program.ok()) return program.status();
      for (const uint32_t map : program->maps) {
        if (!epochs.contains(map)) epochs[map] = EpochOfMap(map);
        if (!epochs[map].has_value()) continue;
        program->status.reads_pins = map == pinned->info().id;
        // A writer may have committed since that was read.
        program->status.generation =
            program->status.reads_pins ? status.generation : epochs[map];
      }
      known = programs.emplace(link.program, std::move(program->status)).first;
    }
    const ProgramStatus& program = known->second;
    if (link.is_stale) continue;
    tags[program.name].insert(program.tag);
    if (!program.generation.has_value()) continue;
    const uint32_t reads = *program.generation;
    if (Behind(reads, newest) > 0) newest = reads;
    if (!oldest.has_value() || Behind(*oldest, reads) > 0) oldest = reads;
  }
  if (oldest.has_value())
    status.lag = static_cast<uint32_t>(Behind(newest, *oldest));
  for (const auto& [name, different] : tags)
    status.is_one_build = status.is_one_build && different.size() == 1;
  for (auto& [id, program] : programs)
    status.programs.push_back(std::move(program));
  std::sort(status.programs.begin(), status.programs.end(),
            [](const ProgramStatus& a, const ProgramStatus& b) {
              return std::tie(a.name, a.id) < std::tie(b.name, b.id);
            });
  return absl::OkStatus();
}

}  // namespace
}  // namespace internal

std::string LinkKindName(LinkKind kind) {
  switch (kind) {
    case LinkKind::kTcx:
      return "tcx";
    case LinkKind::kClsact:
      return "clsact";
    case LinkKind::kCgroup:
      return "cgroup";
  }
  return "";
}

std::optional<double> MapStatus::pressure() const {
  if (!used.has_value() || room == 0) return std::nullopt;
  return 100.0 * static_cast<double>(*used) / static_cast<double>(room);
}

absl::StatusOr<std::vector<std::string>> ListInstances(
    const std::string& bpffs) {
  CC_RETURN_IF_ERROR(internal::CheckBpffs(bpffs));
  return internal::NamesIn(bpffs + "/ciliumcore");
}

absl::StatusOr<InstanceStatus> InspectInstance(const InspectOptions& options) {
  CC_ASSIGN_OR_RETURN(internal::InstanceView view,
                      internal::InstanceView::Open(options));
  InstanceStatus status;
  status.name = options.name;
  status.generation = view.epoch();
  const UniqueFd directory(
      open(view.directory().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) return absl::ErrnoToStatus(errno, view.directory());
  status.writer = internal::LockHolder(directory.get());
  const std::string links = view.directory() + "/links";
  for (const std::string& name : internal::NamesIn(links)) {
    absl::StatusOr<LinkStatus> link =
        internal::FindLink(absl::StrCat(links, "/", name));
    if (absl::IsNotFound(link.status())) continue;  // detached meanwhile
    if (!link.ok()) return link.status();
    status.links.push_back(*std::move(link));
  }
  internal::AddEndpoints(view, status);
  internal::AddServices(view, status);
  CC_RETURN_IF_ERROR(internal::AddInterfaces(options, status));
  CC_RETURN_IF_ERROR(internal::AddPrograms(view, status));
  const auto life = internal::ConnectionLife::Of(view.directory());
  uint64_t live = 0;
  for (const auto& [name, map] : view.maps()) {
    const bool is_read =
        name == "cc_conntrack" && life.ok() &&
        map.Check(abi::ShapeOf<cc_ct_key>(), abi::ShapeOf<cc_ct>()).ok();
    CC_ASSIGN_OR_RETURN(
        MapStatus map_status,
        internal::StatusOf(
            view, name, map,
            [&](const std::byte* key_at, const std::byte* value) {
              cc_ct_key key;
              cc_ct record;
              if (!is_read) return;
              std::memcpy(&key, key_at, sizeof(key));
              std::memcpy(&record, value, sizeof(record));
              if (life->IsLive(key, record)) ++live;
            }));
    if (is_read) status.live_connections = live;
    status.maps.push_back(std::move(map_status));
  }
  status.events_lost = internal::EventsLost(view);
  return status;
}

}  // namespace ciliumcore
