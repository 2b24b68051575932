// SPDX-License-Identifier: Apache-2.0

#include "tests/bpf/scenario.h"

#include <linux/bpf.h>

#include <iterator>
#include <utility>

#include "ciliumcore/abi/convert.h"

namespace ciliumcore::testing {
namespace {

constexpr uint16_t kSlots = std::size(kScenarioEndpoints);
constexpr uint16_t kTables = 8;
constexpr uint16_t kSubjects = 8;
constexpr uint32_t kPlaces = 16;
constexpr size_t kFlowsKept = 12;
// Hosts: the endpoints, then these.
constexpr size_t kRemotes = 9;

constexpr MacAddress kOutsideMac = {2, 0, 0, 0, 0, 0x20};

MacAddress MacOf(size_t host, bool host_side) {
  return {2,
          0,
          0,
          0,
          static_cast<uint8_t>(host_side ? 1 : 0),
          static_cast<uint8_t>(host)};
}

IpAddress V4(uint8_t c, size_t host) {
  return IpAddress::FromV4(0x0a000001u | uint32_t{c} << 8 |
                           static_cast<uint32_t>(host) << 4);
}

IpAddress V6(uint8_t c, size_t host) {
  return IpAddress::FromBytes({0xfd, 0, 0, 0, 0, 0, 0, c, 0, 0, 0, 0, 0, 0,
                               static_cast<uint8_t>(host), 1});
}

}  // namespace

std::map<std::string, uint32_t> ScenarioEntries() {
  return {{"cc_conntrack", 16384},     {"cc_fragments", 8192},
          {"cc_addrs", kStateHeads},   {"cc_prefixes", 1024},
          {"cc_places", kStatePlaces}, {"cc_classes", 8192},
          {"cc_cells", 65536},         {"cc_port_pages", 4096},
          {"cc_tables", 64},           {"cc_subjects", 64},
          {"cc_endpoints", 64},        {"cc_ifindex", 128},
          {"cc_ifindex_far", 64},      {"cc_hops", 64},
          {"cc_forwarded", 4},         {"cc_drops", 1024}};
}

FibAnswer ScenarioFib(const cc_addr& dst) {
  const IpAddress address = abi::FromAddr(dst);
  const auto within = [&](const char* prefix) {
    return IpPrefix::Parse(prefix)->Contains(address);
  };
  if (within("198.51.100.0/24") || within("2001:db8:1::/48")) {
    return {BPF_FIB_LKUP_RET_NO_NEIGH, kScenarioOutside};
  }
  if (within("192.0.2.0/24") || within("2001:db8:2::/48")) {
    return {BPF_FIB_LKUP_RET_BLACKHOLE, 0};
  }
  return {BPF_FIB_LKUP_RET_NOT_FWDED, 0};
}

Scenario::Scenario(Choices* choices, State* state, const cc_config& config)
    : choices_(*choices), state_(*state), config_(config) {
  for (uint16_t i = 0; i < kSlots; ++i) {
    hosts_.push_back({.v4 = i == 3 ? IpAddress() : V4(1, i),
                      .v6 = i == 2 ? IpAddress() : V6(1, i),
                      .slot = static_cast<uint16_t>(i + 1),
                      .ifindex = kScenarioEndpoints[i]});
  }
  for (size_t i = 0; i < kRemotes - 3; ++i) {
    hosts_.push_back({.v4 = V4(2, i), .v6 = V6(2, i)});
  }
  hosts_.push_back({.v4 = Ip("198.51.100.5"), .v6 = Ip("2001:db8:1::5")});
  hosts_.push_back({.v4 = Ip("192.0.2.5"), .v6 = Ip("2001:db8:2::5")});
  hosts_.push_back({.v4 = Ip("172.16.0.5"), .v6 = Ip("2001:db8:3::5")});

  epoch_ = choices_.Of<uint32_t>({1, 1000, 0xfffffffe, (1u << 28) - 2});
  ticks_ = choices_.Of<uint32_t>({1000, 0xfffffff0, 0x7ffffff0});
  state_.Epoch(epoch_);
  state_.Ticks(ticks_);
  for (uint16_t i = 1; i < kTables; ++i) PutTable(i);
  for (uint16_t i = 1; i < kSubjects; ++i) {
    const auto table = [&] {
      return static_cast<uint16_t>(1 + choices_.Below(kTables));
    };
    state_.Subject(i, {.identity = 1000u + i, .table = {table(), table()}});
  }
  for (uint16_t slot = 1; slot <= kSlots; ++slot) PutEndpoint(slot);
  for (uint32_t i = 1; i < kPlaces; ++i) PutPlace(i);
  // Endpoint addresses name the places of their slots, the next hosts those of
  // remote ones; the last are of prefixes, or of nobody.
  for (size_t i = 0; i + 3 < hosts_.size(); ++i) {
    for (const IpAddress& address : {hosts_[i].v4, hosts_[i].v6}) {
      if (address == IpAddress()) continue;
      state_.Address(address, static_cast<uint32_t>(i + 1));
    }
  }
  state_.Prefix(IpPrefix::Of(Ip("198.51.100.0"), 24), 12);
  state_.Prefix(IpPrefix::Of(Ip("198.51.0.0"), 16), 13);
  state_.Prefix(IpPrefix::Of(Ip("2001:db8:1::"), 48), 12);
  state_.Prefix(IpPrefix::Of(Ip("2001:db8::"), 32), 13);
  state_.Hop(1, {.ifindex = kScenarioOutside, .family = 0, .gateway = {}});
  state_.Hop(2, {.ifindex = kScenarioOutside,
                 .family = 2,
                 .gateway = abi::ToAddr(Ip("198.51.100.1"))});
  state_.Hop(3, {.ifindex = kScenarioOutside,
                 .family = 10,
                 .gateway = abi::ToAddr(Ip("2001:db8:1::1"))});
}

void Scenario::PutEndpoint(uint16_t slot) {
  const Host& host = hosts_[slot - 1];
  const auto subject = [&] { return choices_.Below(kSubjects); };
  state_.Endpoint(
      slot,
      {.ifindex = host.ifindex,
       .subject = CC_SWITCH(epoch_ + choices_.Of<uint32_t>({0, 1, 0xffffffff}),
                            subject(), subject()),
       .v4 = host.v4,
       .v6 = host.v6,
       .mac = MacOf(slot, false),
       .host_mac = MacOf(slot, true),
       .flags = slot == kSlots ? uint32_t{CC_ENDPOINT_NO_PEER_REDIRECT} : 0});
}

void Scenario::PutTable(uint16_t index) {
  std::vector<Rule> rules;
  const uint32_t count =
      choices_.Percent(30) ? choices_.Below(9) : choices_.Below(3);
  for (uint32_t i = 0; i < count; ++i) {
    Rule rule;
    if (choices_.Percent(60)) rule.peer = 2000 + choices_.Below(kPlaces);
    rule.protocol = choices_.Of<uint8_t>({0, 6, 6, 17, 132, 1, 58, 47});
    rule.first = choices_.Of<uint16_t>(
        {0, 53, 80, 80, 255, 256, 443, 0x0800, 0x8000, 0xffff});
    rule.last = rule.first;
    if (choices_.Percent(30)) {
      rule.last = static_cast<uint16_t>(rule.first +
                                        choices_.Below(0x10000u - rule.first));
    }
    rule.verdict = choices_.Of({CC_VERDICT_ALLOW, CC_VERDICT_ALLOW,
                                CC_VERDICT_DENY, CC_VERDICT_REDIRECT});
    rules.push_back(rule);
  }
  // Without a rule for the rest too little would pass.
  if (choices_.Percent(85)) rules.push_back(Rule{});
  state_.Table(index, rules, choices_.Percent(25));
}

void Scenario::PutPlace(uint32_t index) {
  cc_place place = {};
  for (cc_place_value& value : place.value) {
    value.peer =
        choices_.Percent(80) ? 2000 + index : 2000 + choices_.Below(kPlaces);
    if (index <= kSlots) {
      value.where = static_cast<uint16_t>(index);
    } else {
      value.where = static_cast<uint16_t>(
          CC_REMOTE | choices_.Of<uint32_t>({0, 0, 1, 2, 3, 40}));
    }
    if (choices_.Percent(4)) {
      value.where = choices_.Of<uint16_t>({0, 1, 2, 3, 4, 5, 0x7fff, 0xffff});
    }
  }
  const auto slot = [&] { return choices_.Below(CC_PLACE_SLOTS + 1); };
  place.which = CC_SWITCH(epoch_ + choices_.Of<uint32_t>({0, 1, 0xffffffff}),
                          slot(), slot());
  state_.Place(index, place);
}

void Scenario::MayChange() {
  if (!choices_.Percent(14)) return;
  bool advances = true;
  switch (choices_.Below(8)) {
    case 0:
      PutTable(static_cast<uint16_t>(1 + choices_.Below(kTables - 1)));
      break;
    case 1:
    case 2:
      PutEndpoint(static_cast<uint16_t>(1 + choices_.Below(kSlots)));
      break;
    case 3:
    case 4:
      PutPlace(1 + choices_.Below(kPlaces - 1));
      break;
    case 5: {
      const Host& host = choices_.In(hosts_);
      const IpAddress& address = choices_.Percent(50) ? host.v4 : host.v6;
      if (address == IpAddress()) break;
      state_.Address(address, choices_.Below(kPlaces + 1));
      if (choices_.Percent(30)) state_.ForgetAddress(address);
      break;
    }
    case 6: {
      const uint16_t slot =
          static_cast<uint16_t>(1 + choices_.Below(kSlots - 1));
      state_.RemoveEndpoint(slot, hosts_[slot - 1].ifindex);
      if (choices_.Percent(70)) PutEndpoint(slot);
      break;
    }
    default:
      break;
  }
  if (choices_.Percent(10)) advances = false;
  if (advances) state_.Epoch(++epoch_);
}

void Scenario::LetTimePass() {
  if (!choices_.Percent(20)) return;
  const uint32_t life = choices_.Of({config_.ticks_tcp, config_.ticks_syn,
                                     config_.ticks_close, config_.ticks_any});
  ticks_ +=
      choices_.Of<uint32_t>({1, 1, 1, life - 1, life, life + 1, 0xffffffff});
  state_.Ticks(ticks_);
}

Scenario::Flow Scenario::NewFlow() {
  Flow flow;
  flow.from = choices_.Below(static_cast<uint32_t>(hosts_.size()));
  flow.to = choices_.Below(static_cast<uint32_t>(hosts_.size()));
  // What begins and ends outside is not seen here.
  if (hosts_[flow.from].slot == 0 && hosts_[flow.to].slot == 0) {
    flow.to = choices_.Below(kSlots);
  }
  flow.v6 = choices_.Percent(50);
  flow.protocol = choices_.Of<uint8_t>({6, 6, 6, 17, 17, 132, 1});
  if (flow.protocol == 1 && flow.v6) flow.protocol = 58;
  flow.sport = static_cast<uint16_t>(40000 + choices_.Below(4));
  flow.dport = choices_.Of<uint16_t>({53, 80, 80, 80, 255, 256, 443, 40001});
  return flow;
}

PacketBuilder Scenario::Begin(const Flow& flow, bool reply) {
  const Host& from = hosts_[reply ? flow.to : flow.from];
  const Host& to = hosts_[reply ? flow.from : flow.to];
  PacketBuilder builder;
  builder.Ethernet(from.slot != 0 ? MacOf(from.slot, false) : kOutsideMac,
                   to.slot != 0 ? MacOf(to.slot, true) : kOutsideMac);
  IpFields fields;
  fields.ttl = choices_.Of<uint8_t>({64, 64, 64, 64, 64, 2, 1, 0, 255});
  if (!flow.v6) {
    if (choices_.Percent(8))
      fields.options = std::string(choices_.Below(41), 1);
    // An all-zero address would be IPv6 to the builder.
    const auto v4 = [](const Host& host) {
      return host.v4 == IpAddress() ? IpAddress::FromV4(0) : host.v4;
    };
    return builder.Ip(v4(from), v4(to), fields);
  }
  builder.Ip(from.v6, to.v6, fields);
  if (choices_.Percent(15)) {
    const uint32_t count = 1 + choices_.Below(7);
    for (uint32_t i = 0; i < count; ++i) {
      if (choices_.Percent(15)) {
        builder.Authentication(static_cast<uint8_t>(choices_.Below(6)));
      } else {
        builder.Extension(choices_.Of<uint8_t>({0, 43, 60}),
                          choices_.Of<uint8_t>({0, 0, 0, 1, 7, 40}));
      }
    }
  }
  return builder;
}

std::string Scenario::Segment(const Flow& flow, bool reply) {
  const uint16_t sport = reply ? flow.dport : flow.sport;
  const uint16_t dport = reply ? flow.sport : flow.dport;
  PacketBuilder builder = Begin(flow, reply);
  switch (flow.protocol) {
    case 6:
      builder.Tcp(sport, dport,
                  choices_.Of<uint8_t>(
                      {kTcpSyn, kTcpSyn, kTcpSyn | kTcpAck, kTcpAck, kTcpAck,
                       kTcpPsh | kTcpAck, kTcpFin | kTcpAck, kTcpFin, kTcpRst,
                       kTcpRst | kTcpAck, kTcpSyn | kTcpFin, 0}));
      break;
    case 17:
      builder.Udp(sport, dport);
      break;
    case 132:
      builder.Sctp(sport, dport);
      break;
    default:
      builder.Echo(flow.sport, choices_.Percent(5) ? !reply : reply);
  }
  return builder.Payload(std::string(choices_.Below(60), 'x')).Build();
}

std::string Scenario::IcmpError(const Flow& flow, bool reply) {
  Flow about = flow;
  if (choices_.Percent(10)) about.sport = 1;  // of no connection
  const std::string quoted = Segment(about, reply);
  // From whoever it was sent to, or from a router on the way.
  Flow carrier = flow;
  carrier.protocol = flow.v6 ? 58 : 1;
  if (choices_.Percent(30)) {
    (reply ? carrier.from : carrier.to) =
        choices_.Below(static_cast<uint32_t>(hosts_.size()));
  }
  const uint8_t type = flow.v6 ? choices_.Of<uint8_t>({1, 2, 3, 4, 100})
                               : choices_.Of<uint8_t>({3, 4, 11, 12});
  return Begin(carrier, !reply)
      .Icmp(type, static_cast<uint8_t>(choices_.Below(5)), 1400)
      .Quote(quoted, choices_.Of<size_t>({8, 8, 8, 20, 7, 0}))
      .Build();
}

std::string Scenario::Arp(size_t host) {
  const Host& me = hosts_[host];
  const auto some = [&] {
    const IpAddress address = choices_.In(hosts_).v4;
    return address == IpAddress() ? IpAddress::FromV4(0) : address;
  };
  return PacketBuilder()
      .Ethernet(MacOf(host, false), {255, 255, 255, 255, 255, 255})
      .Arp(choices_.Of<uint16_t>({1, 1, 1, 2, 3}), MacOf(host, false),
           choices_.Percent(80) ? me.v4 : some(), {}, some())
      .Build();
}

std::string Scenario::Neighbor(size_t host) {
  const IpAddress link_local = Ip("fe80::1");
  const IpAddress& me =
      choices_.Percent(80)
          ? hosts_[host].v6
          : choices_.Of({link_local, IpAddress(), choices_.In(hosts_).v6});
  IpFields fields;
  fields.ttl = choices_.Percent(85) ? 255 : 254;
  const uint8_t type = choices_.Of<uint8_t>(
      {135, 135, 135, 136, 133, 134, 137, 130, 131, 132, 143});
  return PacketBuilder()
      .Ethernet(MacOf(host, false), {0x33, 0x33, 255, 0, 0, 1})
      .Ip(me,
          choices_.Percent(70) ? Ip("ff02::1:ff00:1") : choices_.In(hosts_).v6,
          fields)
      .Neighbor(type,
                choices_.Percent(20) ? link_local : choices_.In(hosts_).v6,
                MacOf(host, false))
      .Build();
}

std::string Scenario::Oddity(const Flow& flow) {
  PacketBuilder builder = Begin(flow, choices_.Percent(50));
  switch (choices_.Below(5)) {
    case 0:
      builder.Icmp(
          choices_.Of<uint8_t>({13, 14, 0, 8, 5, 9, 127, 128, 129, 200}),
          static_cast<uint8_t>(choices_.Below(3)), 7);
      break;
    case 1:
      return PacketBuilder()
          .Ethernet(kOutsideMac, kOutsideMac,
                    choices_.Of<uint16_t>(
                        {0x8100, 0x88cc, 0x8847, 0x0806, 0x0800, 0x86dd, 100}))
          .Payload(std::string(60, static_cast<char>(choices_.Below(256))))
          .Build();
    case 2:
      builder.Tcp(flow.sport, flow.dport, 0xff);
      break;
    case 3: {
      // A fragment by itself, in the family's way.
      const uint16_t offset =
          static_cast<uint16_t>(8 * choices_.Of<uint32_t>({0, 1, 2, 3, 100}));
      Flow whole = flow;
      std::vector<std::string> parts =
          Fragments(Segment(whole, false), 8, choices_.Below(4));
      return parts[offset / 8 % parts.size()];
    }
    default: {
      IpFields fields;
      fields.protocol = choices_.Of<uint8_t>({47, 50, 255, 4, 41});
      builder.Ip(hosts_[0].v4, hosts_[1].v4, fields);
    }
  }
  return builder.Payload(std::string(choices_.Below(40), '?')).Build();
}

void Scenario::Spoil(std::string* packet) {
  if (choices_.Percent(4) && !packet->empty()) {
    const uint32_t changes = 1 + choices_.Below(3);
    for (uint32_t i = 0; i < changes; ++i) {
      const uint32_t at = choices_.Below(
          static_cast<uint32_t>(std::min<size_t>(packet->size(), 90)));
      (*packet)[at] = static_cast<char>(
          choices_.Percent(50) ? (*packet)[at] ^ 1 << choices_.Below(8)
                               : static_cast<int>(choices_.Below(256)));
    }
  }
  if (choices_.Percent(4)) {
    packet->resize(choices_.Below(static_cast<uint32_t>(packet->size() + 1)));
  }
}

Arrival Scenario::Arrive(std::string packet, size_t from, size_t to) {
  const Host& sender = hosts_[from];
  const Host& receiver = hosts_[to];
  Arrival arrival;
  arrival.packet = std::move(packet);
  const bool sending =
      receiver.slot == 0 || (sender.slot != 0 && choices_.Percent(70));
  arrival.program = sending ? Program::kFromEndpoint : Program::kToEndpoint;
  arrival.ifindex = sending ? sender.ifindex : receiver.ifindex;
  if (!sending) {
    arrival.ingress_ifindex =
        choices_.Percent(85)
            ? sender.ifindex
            : choices_.Of<uint32_t>({0, 10, 11, kScenarioOutside});
  }
  if (choices_.Percent(3)) {
    arrival.ifindex =
        choices_.Of<uint32_t>({10, 11, 12, 70000, kScenarioNobody});
  }
  Spoil(&arrival.packet);
  return arrival;
}

Arrival Scenario::Next() {
  MayChange();
  LetTimePass();
  if (!fragments_.empty() && choices_.Percent(60)) {
    const uint32_t at =
        choices_.Below(static_cast<uint32_t>(fragments_.size()));
    Arrival next = choices_.Percent(70) ? fragments_.front() : fragments_[at];
    fragments_.erase(fragments_.begin());
    return next;
  }
  if (flows_.empty() || choices_.Percent(25)) {
    if (flows_.size() >= kFlowsKept) {
      flows_.erase(flows_.begin() + choices_.Below(kFlowsKept));
    }
    flows_.push_back(NewFlow());
  }
  const Flow flow = choices_.Percent(40) ? flows_.back() : choices_.In(flows_);
  const bool reply = choices_.Percent(40);
  const size_t from = reply ? flow.to : flow.from;
  const size_t to = reply ? flow.from : flow.to;
  const uint32_t kind = choices_.Below(100);
  if (kind < 8) return Arrive(IcmpError(flow, reply), to, from);
  if (kind < 11) {
    const size_t host = choices_.Below(kSlots);
    return Arrive(Arp(host), host, kSlots + 1);
  }
  if (kind < 15) {
    const size_t host = choices_.Below(kSlots);
    return choices_.Percent(75) ? Arrive(Neighbor(host), host, kSlots + 1)
                                : Arrive(Neighbor(host), kSlots + 1, host);
  }
  if (kind < 20) return Arrive(Oddity(flow), from, to);
  if (kind < 26) {
    const uint32_t id = choices_.Below(3);
    for (std::string& part :
         Fragments(Segment(flow, reply),
                   choices_.Of<size_t>({8, 16, 24, 32, 40}), id)) {
      if (fragments_.size() < 8) {
        fragments_.push_back(Arrive(std::move(part), from, to));
      }
    }
    if (!fragments_.empty() && choices_.Percent(50)) {
      std::swap(fragments_.front(), fragments_.back());
    }
  }
  return Arrive(Segment(flow, reply), from, to);
}

}  // namespace ciliumcore::testing
