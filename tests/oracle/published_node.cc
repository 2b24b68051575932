// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/published_node.h"

#include <cstring>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ciliumcore/testing/packet.h"
#include "lib/base/status_macros_internal.h"
#include "lib/datapath/address_index_internal.h"

namespace ciliumcore::testing {
namespace {

using internal::DesiredState;
using internal::MapSizes;
using internal::PublishedMaps;

// So little room that a long test fails if anything is not given back.
constexpr MapSizes kSizes = {.endpoints = 64,
                             .subjects = 64,
                             .addresses = 128,
                             .prefixes = 128,
                             .places = 256,
                             .hops = 16,
                             .tables = 128,
                             .classes = 4096,
                             .cells = 16384,
                             .port_pages = 1024};

ProgramOptions Options() {
  ProgramOptions options;
  options.entries = {
      {"cc_conntrack", 4096},
      {"cc_fragments", 64},
      {"cc_endpoints", kSizes.endpoints},
      {"cc_subjects", kSizes.subjects},
      {"cc_ifindex_far", kSizes.endpoints},
      {"cc_addrs", internal::AddressIndex::LinesFor(kSizes.addresses)},
      {"cc_prefixes", kSizes.prefixes},
      {"cc_places", kSizes.places},
      {"cc_hops", kSizes.hops},
      {"cc_tables", kSizes.tables},
      {"cc_classes", kSizes.classes},
      {"cc_cells", kSizes.cells},
      {"cc_port_pages", kSizes.port_pages}};
  return options;
}

// No packet is under way while a test publishes.
absl::Status NoBarrier() { return absl::OkStatus(); }

MacAddress MacOf(uint32_t number) {
  return {2,
          0,
          0,
          0,
          static_cast<uint8_t>(number >> 8),
          static_cast<uint8_t>(number)};
}

// One that may have an interface of a node.
bool MayBeEndpoint(const PolicyEndpoint& pod) {
  if (pod.host_network || pod.addresses.empty()) return false;
  int families[2] = {0, 0};
  for (const IpAddress& address : pod.addresses) {
    ++families[address.is_v4() ? 0 : 1];
  }
  return families[0] <= 1 && families[1] <= 1;
}

// A datapath does not let an endpoint change its addresses: it is another one.
std::string NameOf(uint32_t number, const PolicyEndpoint& pod) {
  std::string name = absl::StrCat("pod", number);
  for (const IpAddress& address : pod.addresses) {
    absl::StrAppend(&name, " ", address.ToString());
  }
  return name;
}

std::string PacketOf(const Connection& connection, PublishedNode::Step step) {
  const bool is_reply = step == PublishedNode::Step::kReply;
  const auto& [source, destination, target] = connection.flow;
  PacketBuilder packet;
  packet.Ethernet(MacOf(1), MacOf(2));
  IpFields fields;
  if (HasNoPorts(target.protocol)) {
    fields.protocol = static_cast<uint8_t>(target.protocol);
  }
  if (is_reply) {
    packet.Ip(*destination.address, *source.address, fields);
  } else {
    packet.Ip(*source.address, *destination.address, fields);
  }
  const uint16_t from = is_reply ? target.port : connection.port;
  const uint16_t to = is_reply ? connection.port : target.port;
  switch (target.protocol) {
    case Protocol::kTcp:
      packet.Tcp(from, to,
                 step == PublishedNode::Step::kOpen       ? kTcpSyn
                 : step == PublishedNode::Step::kContinue ? kTcpAck
                                                          : kTcpSyn | kTcpAck);
      break;
    case Protocol::kUdp:
      packet.Udp(from, to);
      break;
    case Protocol::kSctp:
      packet.Sctp(from, to);
      break;
    case Protocol::kIcmp:
    case Protocol::kIcmpv6:
      packet.Echo(connection.port, is_reply);
      break;
    default:
      packet.Payload("0123456789abcdef");
  }
  return packet.Build();
}

}  // namespace

bool HasNoPorts(Protocol protocol) {
  switch (protocol) {
    case Protocol::kTcp:
    case Protocol::kUdp:
    case Protocol::kSctp:
    case Protocol::kIcmp:
    case Protocol::kIcmpv6:
      return false;
    default:
      return true;
  }
}

PublishedNode::PublishedNode(std::unique_ptr<ProgramRunner> runner,
                             PublishedMaps maps, bool is_mirrored)
    : runner_(std::move(runner)),
      publisher_(std::move(maps), NoBarrier, 1),
      is_mirrored_(is_mirrored) {
  for (uint32_t i = 0; i < kInterfaces; ++i) {
    free_.push_back(kFirstIfindex + i);
  }
}

absl::StatusOr<std::unique_ptr<PublishedNode>> PublishedNode::Native() {
  CC_ASSIGN_OR_RETURN(PublishedMaps maps,
                      PublishedMaps::CreateInMemory(kSizes));
  return std::unique_ptr<PublishedNode>(new PublishedNode(
      ProgramRunner::Native(Options()), std::move(maps), true));
}

absl::StatusOr<std::unique_ptr<PublishedNode>> PublishedNode::InKernel() {
  CC_ASSIGN_OR_RETURN(std::unique_ptr<ProgramRunner> runner,
                      ProgramRunner::InKernel(Options()));
  CC_ASSIGN_OR_RETURN(PublishedMaps maps,
                      PublishedMaps::Adopt([&](const char* name) {
                        return runner->MapFd(name);
                      }));
  return std::unique_ptr<PublishedNode>(
      new PublishedNode(std::move(runner), std::move(maps), false));
}

absl::Status PublishedNode::Publish(const PolicyInput& input,
                                    const std::vector<uint32_t>& pods,
                                    const CompiledPolicy& compiled) {
  return Publish(input, pods, compiled, absl::OkStatus());
}

absl::Status PublishedNode::PublishInVain(const PolicyInput& input,
                                          const std::vector<uint32_t>& pods,
                                          const CompiledPolicy& compiled) {
  const absl::Status told = absl::CancelledError("as planned");
  const absl::Status found = Publish(input, pods, compiled, told);
  if (found == told) return absl::OkStatus();
  return found.ok() ? absl::InternalError("was to fail, and did not") : found;
}

absl::Status PublishedNode::Publish(const PolicyInput& input,
                                    const std::vector<uint32_t>& pods,
                                    const CompiledPolicy& compiled,
                                    const absl::Status& attached) {
  DesiredState desired;
  internal::DesiredNodes nodes;
  desired.tables = compiled.tables;
  std::map<uint32_t, uint32_t> place_of_endpoint;
  std::map<std::string, uint32_t> interfaces;
  std::vector<uint32_t> interface_of_endpoint(input.endpoints.size(), 0);
  std::deque<uint32_t> free = free_;
  for (uint32_t i = 0; i < input.endpoints.size(); ++i) {
    const PolicyEndpoint& pod = input.endpoints[i];
    if (!MayBeEndpoint(pod) || pods[i] % 3 == 2) continue;
    const std::string name = NameOf(pods[i], pod);
    const auto known = interfaces_.find(name);
    uint32_t interface = 0;
    if (known != interfaces_.end()) {
      interface = known->second;
    } else {
      interface = free.front();
      free.pop_front();
    }
    interfaces[name] = interface;
    interface_of_endpoint[i] = interface;
    place_of_endpoint[i] = static_cast<uint32_t>(nodes.endpoints.size());
    internal::DesiredEndpoint endpoint = {.name = name,
                                          .ifindex = interface,
                                          .mac = MacOf(interface),
                                          .host_mac = MacOf(2),
                                          .v4 = std::nullopt,
                                          .v6 = std::nullopt,
                                          .flags = 0,
                                          .identity = pod.identity};
    for (const IpAddress& address : pod.addresses) {
      (address.is_v4() ? endpoint.v4 : endpoint.v6) = address;
    }
    internal::DesiredVerdicts& verdicts = desired.verdicts.emplace_back();
    if (compiled.endpoints[i].egress != kNoTable) {
      verdicts.egress = compiled.endpoints[i].egress;
    }
    if (compiled.endpoints[i].ingress != kNoTable) {
      verdicts.ingress = compiled.endpoints[i].ingress;
    }
    nodes.endpoints.push_back(std::move(endpoint));
  }
  for (const auto& [name, interface] : interfaces_) {
    if (!interfaces.contains(name)) free.push_back(interface);
  }
  for (const auto& [address, owner] : compiled.peer_map->addresses) {
    const auto at = place_of_endpoint.find(owner.endpoint);
    nodes.addresses.Set(address,
                        {.peer = owner.peer,
                         .endpoint = at == place_of_endpoint.end()
                                         ? std::nullopt
                                         : std::optional<uint32_t>(at->second),
                         .hop = std::nullopt});
  }
  for (const PrefixPeer& prefix : compiled.peer_map->prefixes) {
    nodes.prefixes.push_back({.prefix = prefix.prefix, .peer = prefix.peer});
  }
  desired.nodes =
      std::make_shared<const internal::DesiredNodes>(std::move(nodes));
  const absl::Status published =
      publisher_.Publish(desired, [&] { return attached; }).status();
  if (is_mirrored_) CC_RETURN_IF_ERROR(Mirror());
  CC_RETURN_IF_ERROR(published);
  interface_of_endpoint_ = std::move(interface_of_endpoint);
  interfaces_ = std::move(interfaces);
  free_ = std::move(free);
  return absl::OkStatus();
}

size_t PublishedNode::entries() {
  const PublishedMaps& maps = publisher_.maps();
  size_t entries = 0;
  const auto count = [&](const auto& map) {
    map.ForEach([&](const auto&, const auto&) { ++entries; }).IgnoreError();
  };
  count(maps.ifindex_far);
  for (const cc_addr_heads& line : maps.addresses.entries()) {
    for (uint32_t at : line.place) {
      for (; at != 0; at = maps.places[at].next) ++entries;
    }
  }
  count(maps.prefixes);
  count(maps.classes);
  return entries;
}

template <typename Array>
absl::Status PublishedNode::MirrorArray(const char* name, const Array& array) {
  const auto entries = array.entries();
  const auto* bytes = reinterpret_cast<const char*>(entries.data());
  const size_t stride = sizeof(entries[0]);
  std::string& before = mirrored_[name];
  before.resize(entries.size() * stride);
  for (uint32_t i = 0; i < entries.size(); ++i) {
    if (std::memcmp(before.data() + i * stride, bytes + i * stride, stride) ==
        0) {
      continue;
    }
    std::memcpy(before.data() + i * stride, bytes + i * stride, stride);
    CC_RETURN_IF_ERROR(runner_->PutBytes(name, &i, bytes + i * stride));
  }
  return absl::OkStatus();
}

template <typename Hash>
absl::Status PublishedNode::MirrorHash(const char* name, const Hash& hash) {
  CC_RETURN_IF_ERROR(runner_->Clear(name));
  absl::Status status;
  CC_RETURN_IF_ERROR(hash.ForEach([&](const auto& key, const auto& value) {
    status.Update(runner_->PutBytes(name, &key, &value));
  }));
  return status;
}

absl::Status PublishedNode::Mirror() {
  const PublishedMaps& maps = publisher_.maps();
  CC_RETURN_IF_ERROR(MirrorArray("cc_state", maps.state));
  CC_RETURN_IF_ERROR(MirrorArray("cc_endpoints", maps.endpoints));
  CC_RETURN_IF_ERROR(MirrorArray("cc_subjects", maps.subjects));
  CC_RETURN_IF_ERROR(MirrorArray("cc_addrs", maps.addresses));
  CC_RETURN_IF_ERROR(MirrorArray("cc_places", maps.places));
  CC_RETURN_IF_ERROR(MirrorArray("cc_hops", maps.hops));
  CC_RETURN_IF_ERROR(MirrorArray("cc_tables", maps.tables));
  CC_RETURN_IF_ERROR(MirrorArray("cc_cells", maps.cells));
  CC_RETURN_IF_ERROR(MirrorArray("cc_port_pages", maps.port_pages));
  CC_RETURN_IF_ERROR(MirrorHash("cc_ifindex_far", maps.ifindex_far));
  CC_RETURN_IF_ERROR(MirrorHash("cc_prefixes", maps.prefixes));
  CC_RETURN_IF_ERROR(MirrorHash("cc_classes", maps.classes));
  // Of this large array, the part that is ever written.
  for (uint32_t i = kFirstIfindex; i < CC_IFINDEX_DIRECT; ++i) {
    CC_ASSIGN_OR_RETURN(const uint32_t slot, maps.ifindex.Lookup(i));
    CC_RETURN_IF_ERROR(runner_->Put("cc_ifindex", i, slot));
  }
  return absl::OkStatus();
}

uint32_t PublishedNode::InterfaceOf(uint32_t endpoint) const {
  return endpoint == kNoEndpoint ? 0 : interface_of_endpoint_[endpoint];
}

std::optional<PublishedNode::Crossing> PublishedNode::CrossingOf(
    const Flow& flow) const {
  const auto& [source, destination, target] = flow;
  if (!source.address.has_value() || !destination.address.has_value()) {
    return std::nullopt;
  }
  const bool is_v4 = source.address->is_v4();
  if (is_v4 != destination.address->is_v4() ||
      (target.protocol == Protocol::kIcmp && !is_v4) ||
      (target.protocol == Protocol::kIcmpv6 && is_v4)) {
    return std::nullopt;
  }
  const uint32_t from = InterfaceOf(source.endpoint);
  const uint32_t to = InterfaceOf(destination.endpoint);
  if (from == to) return std::nullopt;  // neither is here, or it is one pod
  if (from != 0) return Crossing{Program::kFromEndpoint, from, true, to != 0};
  return Crossing{Program::kToEndpoint, to, false, true};
}

absl::StatusOr<ProgramOutput> PublishedNode::Send(const Connection& connection,
                                                  Step step) {
  const std::string packet = PacketOf(connection, step);
  ProgramInput input;
  input.packet = packet;
  const uint32_t from = InterfaceOf(connection.flow.source.endpoint);
  const uint32_t to = InterfaceOf(connection.flow.destination.endpoint);
  const uint32_t sender = step == Step::kReply ? to : from;
  input.program = sender != 0 ? Program::kFromEndpoint : Program::kToEndpoint;
  input.ifindex = sender != 0 ? sender : from + to;
  return runner_->Run(input);
}

}  // namespace ciliumcore::testing
