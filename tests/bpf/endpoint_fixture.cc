// SPDX-License-Identifier: Apache-2.0

#include "tests/bpf/endpoint_fixture.h"

#include <cstring>
#include <utility>

#include "tests/bpf/scenario.h"

namespace ciliumcore::testing {
namespace {

// Kernel maps of the declared sizes would take a while to make for each test.
std::map<std::string, uint32_t> SmallMaps() {
  return {{"cc_conntrack", 1024},    {"cc_fragments", 1024},
          {"cc_addrs", kStateHeads}, {"cc_places", kStatePlaces},
          {"cc_classes", 1024},      {"cc_cells", 4096},
          {"cc_port_pages", 1024},   {"cc_tables", 64},
          {"cc_subjects", 64},       {"cc_endpoints", 64},
          {"cc_hops", 64},           {"cc_prefixes", 64},
          {"cc_ifindex_far", 64},    {"cc_forwarded", 4},
          {"cc_drops", 64}};
}

}  // namespace

void EndpointTest::SetUp() {
  const Ground& ground = std::get<0>(GetParam());
  if (ground.prepare != nullptr) ground.prepare();
  if (IsSkipped() || HasFatalFailure()) return;
  options_.entries = SmallMaps();
  options_.fib = ScenarioFib;
  web_ = {.v4 = Ip("10.0.1.10"),
          .v6 = Ip("fd00:1::10"),
          .peer = 1001,
          .slot = 1,
          .ifindex = kWebIfindex,
          .mac = {2, 0, 0, 0, 0, 0x10},
          .host_mac = {2, 0, 0, 0, 1, 0x10},
          .egress_table = 1,
          .ingress_table = 2};
  db_ = {.v4 = Ip("10.0.1.20"),
         .v6 = Ip("fd00:1::20"),
         .peer = 1002,
         .slot = 2,
         .ifindex = kDbIfindex,
         .mac = {2, 0, 0, 0, 0, 0x20},
         .host_mac = {2, 0, 0, 0, 1, 0x20},
         .egress_table = 3,
         .ingress_table = 4};
  far_ = {.v4 = Ip("10.0.2.30"),
          .v6 = Ip("fd00:2::30"),
          .peer = 1003,
          .ifindex = kOutsideIfindex};
  world_ = {.v4 = Ip("203.0.113.9"),
            .v6 = Ip("2001:db8::9"),
            .peer = CC_IDENTITY_WORLD,
            .ifindex = kOutsideIfindex};
  Restart();
}

void EndpointTest::Restart() {
  auto runner = std::get<0>(GetParam()).make(options_);
  ASSERT_TRUE(runner.ok()) << runner.status();
  runner_ = *std::move(runner);
  state_ = std::make_unique<State>(std::vector<ProgramRunner*>{runner_.get()});
  state_->Epoch(epoch_);
  state_->Ticks(ticks_);
  for (const Host& host : {web_, db_}) {
    state_->Table(host.egress_table, {});
    state_->Table(host.ingress_table, {});
    state_->Subject(host.slot,
                    {.identity = host.peer,
                     .table = {host.egress_table, host.ingress_table}});
    state_->Endpoint(host.slot, {.ifindex = host.ifindex,
                                 .subject = CC_SWITCH(epoch_, host.slot, 0),
                                 .v4 = host.v4,
                                 .v6 = host.v6,
                                 .mac = host.mac,
                                 .host_mac = host.host_mac});
    state_->Place(host.slot, host.peer, host.slot);
    state_->Address(host.v4, host.slot);
    state_->Address(host.v6, host.slot);
  }
  state_->Place(3, far_.peer, CC_REMOTE | 1);
  state_->Address(far_.v4, 3);
  state_->Address(far_.v6, 3);
  state_->Hop(1, {.ifindex = kOutsideIfindex, .family = 0, .gateway = {}});
}

void EndpointTest::Egress(const Host& host, const std::vector<Rule>& rules) {
  state_->Table(host.egress_table, rules);
  NextEpoch();
}

void EndpointTest::Ingress(const Host& host, const std::vector<Rule>& rules) {
  state_->Table(host.ingress_table, rules);
  NextEpoch();
}

void EndpointTest::AllowWebToDb() {
  Egress(web_, {{.peer = db_.peer}});
  Ingress(db_, {{.peer = web_.peer}});
}

void EndpointTest::AllowEverything() {
  for (const Host& host : {web_, db_}) {
    Egress(host, AllowAll());
    Ingress(host, AllowAll());
  }
}

PacketBuilder EndpointTest::From(const Host& from, const Host& to,
                                 const IpFields& fields) const {
  return PacketBuilder()
      .Ethernet(from.mac, from.host_mac)
      .Ip(AddressOf(from), AddressOf(to), fields);
}

std::string EndpointTest::Tcp(const Host& from, const Host& to, uint16_t sport,
                              uint16_t dport, uint8_t flags) const {
  return From(from, to).Tcp(sport, dport, flags).Build();
}

std::string EndpointTest::Udp(const Host& from, const Host& to, uint16_t sport,
                              uint16_t dport) const {
  return From(from, to).Udp(sport, dport).Payload("hello").Build();
}

ProgramOutput EndpointTest::Send(const Host& host, const std::string& packet) {
  auto output = runner_->Run({.program = Program::kFromEndpoint,
                              .packet = packet,
                              .ifindex = host.ifindex,
                              .ingress_ifindex = host.ifindex});
  EXPECT_TRUE(output.ok()) << output.status();
  return output.value_or(ProgramOutput());
}

ProgramOutput EndpointTest::Receive(const Host& host, const std::string& packet,
                                    uint32_t ingress_ifindex) {
  auto output = runner_->Run({.program = Program::kToEndpoint,
                              .packet = packet,
                              .ifindex = host.ifindex,
                              .ingress_ifindex = ingress_ifindex});
  EXPECT_TRUE(output.ok()) << output.status();
  return output.value_or(ProgramOutput());
}

void EndpointTest::ExpectDelivered(const ProgramOutput& output,
                                   const std::string& packet, const Host& to) {
  EXPECT_EQ(output.action, Action::kRedirect);
  EXPECT_EQ(output.packet, Routed(packet, to.host_mac, to.mac));
  EXPECT_TRUE(ChecksumsAreRight(output.packet));
  if (!output.redirect) return;
  EXPECT_EQ(output.redirect->kind, RedirectTarget::Kind::kPeer);
  EXPECT_EQ(output.redirect->ifindex, to.ifindex);
}

void EndpointTest::ExpectForwarded(const ProgramOutput& output,
                                   const std::string& packet,
                                   uint32_t ifindex) {
  EXPECT_EQ(output.action, Action::kRedirect);
  // The kernel fills in the neighbour's MAC address.
  MacAddress src, dst;
  std::memcpy(dst.data(), packet.data(), 6);
  std::memcpy(src.data(), packet.data() + 6, 6);
  EXPECT_EQ(output.packet, Routed(packet, src, dst));
  if (!output.redirect) return;
  EXPECT_EQ(output.redirect->kind, RedirectTarget::Kind::kNeighbor);
  EXPECT_EQ(output.redirect->ifindex, ifindex);
}

void EndpointTest::ExpectPassed(const ProgramOutput& output,
                                const std::string& packet) {
  EXPECT_EQ(output.action, Action::kPass);
  EXPECT_EQ(output.packet, packet);
}

void EndpointTest::ExpectDropped(const ProgramOutput& output,
                                 const std::string& packet, cc_reason reason) {
  EXPECT_EQ(output.action, Action::kDrop);
  EXPECT_EQ(output.packet, packet);
  if (reason == CC_REASON_LINK_SCOPE) {
    EXPECT_TRUE(output.events.empty()) << "common, and of no interest";
    return;
  }
  ASSERT_EQ(output.events.size(), 1u);
  EXPECT_EQ(output.events[0].kind, CC_EVENT_DROP);
  EXPECT_EQ(output.events[0].reason, reason);
}

void EndpointTest::ExpectAnswered(const ProgramOutput& output,
                                  const std::string& answer, const Host& host) {
  EXPECT_EQ(output.action, Action::kRedirect);
  EXPECT_EQ(output.packet, answer);
  EXPECT_TRUE(ChecksumsAreRight(output.packet));
  if (!output.redirect) return;
  EXPECT_EQ(output.redirect->kind, RedirectTarget::Kind::kDevice);
  EXPECT_EQ(output.redirect->ifindex, host.ifindex);
}

size_t EndpointTest::Connections() {
  return runner_->Dump("cc_conntrack").value().size();
}

cc_ct EndpointTest::Connection() {
  const auto entries = runner_->Dump("cc_conntrack").value();
  EXPECT_EQ(entries.size(), 1u);
  cc_ct ct = {};
  if (!entries.empty()) {
    std::memcpy(&ct, entries.begin()->second.data(), sizeof(ct));
  }
  return ct;
}

cc_metric EndpointTest::Metric(cc_direction direction, cc_reason reason) {
  const uint32_t key = CC_METRIC_KEY(direction, reason);
  if (reason != CC_REASON_FORWARDED)
    return runner_->Get<cc_metric>("cc_metrics", key).value();
  cc_metric total = {};
  for (uint32_t slot = 0; slot < CC_FORWARDED_ENDPOINTS; ++slot) {
    const cc_metric one = MetricOf(slot, direction, reason);
    total.packets += one.packets;
    total.bytes += one.bytes;
  }
  return total;
}

cc_metric EndpointTest::MetricOf(uint32_t slot, cc_direction direction,
                                 cc_reason reason) {
  if (reason == CC_REASON_FORWARDED) {
    return runner_
        ->Get<cc_forwarded>("cc_forwarded", slot / CC_FORWARDED_ENDPOINTS)
        .value()
        .at[CC_FORWARDED_AT(slot, direction)];
  }
  return runner_
      ->Get<cc_metric>("cc_drops",
                       cc_drop_key{.slot = static_cast<__u16>(slot),
                                   .direction = static_cast<__u8>(direction),
                                   .reason = static_cast<__u8>(reason)})
      .value_or(cc_metric());
}

void EndpointTest::ExpectLives(uint32_t ticks, const std::string& reply) {
  const uint32_t last = ticks_;
  state_->Ticks(ticks_ = last + ticks + 1);
  ExpectDropped(Send(db_, reply), reply, CC_REASON_POLICY_DENIED);
  state_->Ticks(ticks_ = last + ticks);
  ExpectDelivered(Send(db_, reply), reply, web_);
}

void EndpointTest::OpenTcp(uint16_t dport) {
  const std::string syn = Tcp(web_, db_, 40000, dport, kTcpSyn);
  ExpectDelivered(Send(web_, syn), syn, db_);
  const std::string answer = Tcp(db_, web_, dport, 40000, kTcpSyn | kTcpAck);
  ExpectDelivered(Send(db_, answer), answer, web_);
  const std::string ack = Tcp(web_, db_, 40000, dport, kTcpAck);
  ExpectDelivered(Send(web_, ack), ack, db_);
}

}  // namespace ciliumcore::testing
