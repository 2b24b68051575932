// SPDX-License-Identifier: Apache-2.0
#include "lib/testing/native_state_internal.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bpf/native/programs.h"
#include "ciliumcore/abi/metrics.h"
#include "ciliumcore/base/status.h"
#include "ciliumcore/testing/program.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/address_index_internal.h"

namespace ciliumcore::internal {
namespace {

using testing::Action;
using testing::NativeDatapathOptions;
using testing::PacketOutcome;

// Through which packets from outside enter the node.
constexpr uint32_t kUplink = 1;

MapSizes SizesOf(const DatapathCapacity& capacity) {
  return {.endpoints = CC_MAX_ENDPOINTS,
          .subjects = 65536,
          .addresses = capacity.addresses,
          .prefixes = capacity.prefixes,
          .places = capacity.addresses + capacity.prefixes + 1,
          .hops = 32768,
          .tables = CC_MAX_TABLES,
          .classes = capacity.classes,
          .cells = capacity.cells,
          .port_pages = 4096};
}

native::WorldOptions WorldOptionsOf(const NativeDatapathOptions& options) {
  const MapSizes sizes = SizesOf(options.capacity);
  return {.entries = {{"cc_addrs", AddressIndex::LinesFor(sizes.addresses)},
                      {"cc_prefixes", sizes.prefixes},
                      {"cc_places", sizes.places},
                      {"cc_classes", sizes.classes},
                      {"cc_cells", sizes.cells},
                      {"cc_conntrack", options.capacity.connections}},
          .cpus = 1};
}

cc_config ConfigOf(const NativeDatapathOptions& options) {
  const auto ticks = [](absl::Duration life) {
    return static_cast<uint32_t>(
        std::max<int64_t>(1, absl::ToInt64Seconds(life)));
  };
  cc_config config = {};
  config.ticks_tcp = ticks(options.timeouts.tcp);
  config.ticks_syn = ticks(options.timeouts.tcp_opening);
  config.ticks_close = ticks(options.timeouts.tcp_closing);
  config.ticks_any = ticks(options.timeouts.other);
  config.event_wake_bytes = 1 << 18;
  config.emit_new = options.report_new;
  config.emit_drops = options.report_drops;
  config.emit_end = options.report_ends;
  config.emit_verdicts = options.report_verdicts;
  config.clock_from_map = 1;
  config.forward = CC_FORWARD_STACK;
  config.audit_only = options.audit_only;
  return config;
}

// Locally administered; `side` tells the two ends of a pair apart.
MacAddress MadeUpMac(uint8_t side, uint32_t ifindex) {
  return {0x02,
          side,
          static_cast<uint8_t>(ifindex >> 24),
          static_cast<uint8_t>(ifindex >> 16),
          static_cast<uint8_t>(ifindex >> 8),
          static_cast<uint8_t>(ifindex)};
}

}  // namespace

absl::StatusOr<std::shared_ptr<NativeState>> NativeState::Open(
    const NativeDatapathOptions& options) {
  CC_ASSIGN_OR_RETURN(PublishedMaps maps,
                      PublishedMaps::CreateInMemory(SizesOf(options.capacity)));
  return std::shared_ptr<NativeState>(
      new NativeState(options, std::move(maps)));
}

// The barrier has nothing to wait for: no packet is under way in a commit.
NativeState::NativeState(const NativeDatapathOptions& options,
                         PublishedMaps maps)
    : options_(options),
      world_(WorldOptionsOf(options)),
      publisher_(
          std::move(maps), [] { return absl::OkStatus(); }, 1),
      ifindexes_({{"uplink", kUplink}}) {
  world_.config = ConfigOf(options);
  world_.event_bytes_free = options.capacity.event_bytes;
  ShareArrays();
}

void NativeState::ShareArrays() {
  const auto share = [this](const char* name, auto& array) {
    world_.FindMap(name)->Share(
        reinterpret_cast<std::byte*>(array.entries().data()));
  };
  PublishedMaps& maps = publisher_.maps();
  share("cc_state", maps.state);
  share("cc_endpoints", maps.endpoints);
  share("cc_subjects", maps.subjects);
  share("cc_addrs", maps.addresses);
  share("cc_places", maps.places);
  share("cc_hops", maps.hops);
  share("cc_tables", maps.tables);
  share("cc_cells", maps.cells);
  share("cc_port_pages", maps.port_pages);
}

void NativeState::CopyHashes() {
  const auto copy = [this](const char* name, const auto& from) {
    native::Map* to = world_.FindMap(name);
    to->Clear();
    const absl::Status walked =
        from.ForEach([to](const auto& key, const auto& value) {
          to->Update(&key, &value, BPF_ANY);
        });
    (void)walked;  // walks of maps in memory do not fail
  };
  const PublishedMaps& maps = publisher_.maps();
  copy("cc_prefixes", maps.prefixes);
  copy("cc_classes", maps.classes);
  native::Map* to = world_.FindMap("cc_ifindex");
  for (const auto& [name, ifindex] : ifindexes_) {
    const uint32_t slot = maps.ifindex.Lookup(ifindex).value_or(0);
    to->Update(&ifindex, &slot, BPF_ANY);
  }
}

uint32_t NativeState::IfindexOf(const std::string& interface) {
  const auto fresh = static_cast<uint32_t>(ifindexes_.size() + 1);
  return ifindexes_.try_emplace(interface, fresh).first->second;
}

std::string NativeState::InterfaceAt(uint32_t ifindex) const {
  for (const auto& [name, known] : ifindexes_) {
    if (known == ifindex) return name;
  }
  return absl::StrCat("interface ", ifindex);
}

std::shared_ptr<const Surroundings> NativeState::Resolve(const Intent& intent) {
  const Intent& in_force = planner_.intent();
  if (surroundings_ != nullptr && intent.touched.empty() &&
      intent.endpoints.IsSameAs(in_force.endpoints) &&
      NewHopInterfaces(in_force, intent, *surroundings_).empty()) {
    return surroundings_;
  }
  auto resolved = std::make_shared<Surroundings>();
  Surroundings& surroundings = *resolved;
  surroundings.host_addresses = options_.host_addresses;
  for (const auto& [interface, endpoint] : *intent.endpoints) {
    const uint32_t ifindex = IfindexOf(interface);
    surroundings.links[interface] = {
        .ifindex = ifindex,
        .mac = endpoint.mac.value_or(MadeUpMac(1, ifindex)),
        .host_mac = MadeUpMac(2, ifindex),
        .flags = 0};
    for (const IpAddress& address : endpoint.addresses) {
      std::erase(surroundings.host_addresses, address);
    }
  }
  for (const auto& [first, remote] : intent.remotes) {
    if (!remote.next_hop.has_value()) continue;
    const std::string& interface = remote.next_hop->interface;
    surroundings.hop_interfaces[interface] = IfindexOf(interface);
  }
  return resolved;
}

absl::StatusOr<uint32_t> NativeState::Commit(const std::vector<Edit>& edits) {
  CC_ASSIGN_OR_RETURN(Intent next, planner_.Edited(edits));
  const auto surroundings = Resolve(next);
  CC_ASSIGN_OR_RETURN(Planner::Plan plan,
                      planner_.Compiled(std::move(next), surroundings));
  const absl::StatusOr<uint32_t> generation = publisher_.Publish(plan.desired);
  CopyHashes();
  if (!generation.ok()) return generation;
  surroundings_ = surroundings;
  const Intent before = planner_.intent();
  planner_.Published(std::move(plan));
  NoteAttached(before);
  return generation;
}

absl::StatusOr<ChangePlan> NativeState::Plan(const std::vector<Edit>& edits) {
  CC_ASSIGN_OR_RETURN(Intent next, planner_.Edited(edits));
  const auto surroundings = Resolve(next);
  CC_ASSIGN_OR_RETURN(const Planner::Plan plan,
                      planner_.Compiled(std::move(next), surroundings));
  return publisher_.Plan(plan.desired);
}

// Programs stay at an interface that closes.
void NativeState::NoteAttached(const Intent& before) {
  const Intent& now = planner_.intent();
  for (const auto& [interface, endpoint] : *before.endpoints) {
    if (endpoint.on_detach == OnDetach::kOpen) attached_.erase(interface);
  }
  for (const auto& [interface, endpoint] : *now.endpoints) {
    attached_.insert(interface);
  }
}

PacketWalk NativeState::Foretell(absl::string_view packet, uint32_t ifindex,
                                 bool is_egress) {
  native::Packet copy(packet.data(), packet.size());
  world_.Use();
  cc_probe probe;
  cc_native_probe(copy.ctx(), &probe);
  return WalkPacket(
      {.maps = publisher_.maps(),
       .planner = planner_,
       .probe = probe,
       .ifindex = ifindex,
       .is_egress = is_egress,
       .ingress_ifindex = is_egress ? 0 : kUplink,
       .audit_only = options_.audit_only,
       .interface_of = [this](uint32_t index) { return InterfaceAt(index); }});
}

absl::StatusOr<PacketOutcome> NativeState::Run(absl::string_view interface,
                                               bool is_egress,
                                               absl::string_view packet) {
  PacketOutcome outcome;
  outcome.interface = std::string(interface);
  if (!attached_.contains(outcome.interface)) {
    return absl::NotFoundError(
        absl::StrCat("endpoint ", outcome.interface, ": not attached"));
  }
  const uint32_t ifindex = IfindexOf(outcome.interface);
  PacketWalk walk = Foretell(packet, ifindex, is_egress);

  native::Packet real(packet.data(), packet.size());
  real.ctx()->ifindex = ifindex;
  real.ctx()->ingress_ifindex = is_egress ? 0 : kUplink;
  world_.events.clear();
  world_.event_bytes_free = options_.capacity.event_bytes;
  const int action =
      native::Run(world_, is_egress ? cc_from_endpoint : cc_to_endpoint, real);

  outcome.packet = real.bytes();
  for (const std::string& event : world_.events) {
    CC_ASSIGN_OR_RETURN(
        Flow flow,
        DecodeFlow(
            absl::MakeConstSpan(
                reinterpret_cast<const std::byte*>(event.data()), event.size()),
            *this));
    outcome.flows.push_back(std::move(flow));
  }
  Compare(action, walk, walk.trace);
  if (!walk.is_foretold && action == static_cast<int>(Action::kDrop) &&
      !outcome.flows.empty()) {
    walk.trace.reason = outcome.flows.back().reason;
  }
  outcome.trace = std::move(walk.trace);
  switch (static_cast<Action>(action)) {
    case Action::kPass:
      outcome.to =
          is_egress ? PacketOutcome::To::kNode : PacketOutcome::To::kEndpoint;
      if (is_egress) outcome.interface.clear();
      break;
    case Action::kRedirect:
      outcome.to = world_.redirect.kind == native::Redirect::Kind::kNeighbor
                       ? PacketOutcome::To::kInterface
                       : PacketOutcome::To::kEndpoint;
      outcome.interface = InterfaceAt(world_.redirect.ifindex);
      break;
    case Action::kDrop:
      outcome.to = PacketOutcome::To::kNobody;
      outcome.interface.clear();
      break;
  }
  return outcome;
}

// What the program did and told against what the walk foretold.
void NativeState::Compare(int action, const PacketWalk& walk,
                          testing::PacketTrace& trace) const {
  if (!walk.is_foretold) return;
  const bool dropped = action == static_cast<int>(Action::kDrop);
  if (dropped != (walk.trace.reason != 0)) {
    trace.disagreement =
        absl::StrCat("the maps say ", walk.trace.reason != 0 ? "drop" : "pass",
                     ", the program says ", dropped ? "drop" : "pass");
    return;
  }
  std::vector<ForetoldEvent> told;
  for (const std::string& bytes : world_.events) {
    cc_event event;
    std::memcpy(&event, bytes.data(), sizeof(event));
    // The others tell of connections that are known.
    if (event.kind != CC_EVENT_NEW && event.kind != CC_EVENT_DROP) continue;
    told.push_back({.kind = static_cast<uint8_t>(event.kind),
                    .reason = event.reason,
                    .rule_set = {event.rule_set[0], event.rule_set[1]}});
  }
  std::vector<ForetoldEvent> foretold = walk.events;
  std::erase_if(foretold, [this](const ForetoldEvent& event) {
    return event.kind == CC_EVENT_NEW ? !options_.report_new
                                      : !options_.report_drops;
  });
  if (told == foretold) return;
  const auto text = [](const std::vector<ForetoldEvent>& events) {
    std::string out;
    for (const ForetoldEvent& event : events) {
      absl::StrAppend(&out, out.empty() ? "" : ", ", "kind ", event.kind,
                      " reason ", event.reason, " rule sets ",
                      event.rule_set[CC_EGRESS], " and ",
                      event.rule_set[CC_INGRESS]);
    }
    return out.empty() ? std::string("nothing") : out;
  };
  trace.disagreement = absl::StrCat("the maps say ", text(foretold),
                                    ", the program tells ", text(told));
}

void NativeState::Advance(absl::Duration time) {
  const uint32_t zero = 0;
  native::Map* clock = world_.FindMap("cc_clock");
  cc_clock now;
  std::memcpy(&now, clock->Lookup(&zero), sizeof(now));
  now.ticks += static_cast<uint32_t>(absl::ToInt64Seconds(time));
  clock->Update(&zero, &now, BPF_ANY);
  world_.nanoseconds += absl::ToInt64Nanoseconds(time);
}

std::string NativeState::InterfaceOf(const IpAddress& address) const {
  for (const auto& [interface, endpoint] : *planner_.intent().endpoints) {
    for (const IpAddress& own : endpoint.addresses) {
      if (own == address) return interface;
    }
  }
  return "";
}

std::vector<Counter> NativeState::counters() {
  std::vector<Counter> counters;
  for (uint32_t key = 0; key < CC_METRIC_KEYS; ++key) {
    cc_metric metric;
    std::memcpy(&metric, world_.FindMap("cc_metrics")->Lookup(&key),
                sizeof(metric));
    if (metric.packets == 0) continue;
    counters.push_back({.is_egress = key >> 8 == CC_EGRESS,
                        .reason = static_cast<uint8_t>(key & 0xff),
                        .packets = metric.packets,
                        .bytes = metric.bytes,
                        .endpoint = ""});
  }
  for (const uint8_t direction : {CC_EGRESS, CC_INGRESS}) {
    Counter counter = {.is_egress = direction == CC_EGRESS};
    world_.FindMap("cc_forwarded")->ForEach([&](const void*, const void* page) {
      const auto* metrics = static_cast<const cc_forwarded*>(page)->at;
      for (uint32_t slot = 0; slot < CC_FORWARDED_ENDPOINTS; ++slot) {
        const cc_metric& metric = metrics[CC_FORWARDED_AT(slot, direction)];
        counter.packets += metric.packets;
        counter.bytes += metric.bytes;
      }
    });
    if (counter.packets != 0) counters.push_back(counter);
  }
  return counters;
}

}  // namespace ciliumcore::internal
