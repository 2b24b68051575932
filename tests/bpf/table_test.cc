// SPDX-License-Identifier: Apache-2.0

// What the programs read of the maps: tables of every shape, switches that
// turn with the epoch, and elements that are recycled under a reader.

#include <gtest/gtest.h>

#include <random>

#include "tests/bpf/endpoint_fixture.h"

namespace ciliumcore::testing {
namespace {

// --- Verdict tables ---------------------------------------------------------

// The rules' own answer, which the table must give as well.
bool Allows(const std::vector<Rule>& rules, uint32_t peer, uint8_t protocol,
            uint16_t port) {
  for (const Rule& rule : rules) {
    if (rule.peer && *rule.peer != peer) continue;
    if (rule.protocol != 0 &&
        (rule.protocol != protocol || port < rule.first || port > rule.last)) {
      continue;
    }
    return rule.verdict == CC_VERDICT_ALLOW;
  }
  return false;
}

// `count` separate ranges of TCP ports make 2 * count bounds.
std::vector<Rule> Ranges(int count) {
  std::vector<Rule> rules;
  for (int i = 0; i < count; ++i) {
    const uint16_t first = static_cast<uint16_t>(1000 + 300 * i);
    rules.push_back({.protocol = 6,
                     .first = first,
                     .last = static_cast<uint16_t>(first + 99 + i)});
  }
  return rules;
}

TEST_P(EndpointTest, ReadsTablesOfEveryNumberOfBounds) {
  Egress(web_, AllowAll());
  for (int count = 0; count <= 8; ++count) {
    for (const bool odd : {false, true}) {
      std::vector<Rule> rules = Ranges(count);
      // A range that meets the last one adds a single bound.
      if (odd && count > 0) {
        const uint16_t next = static_cast<uint16_t>(rules.back().last + 1);
        rules.push_back({.protocol = 6,
                         .first = next,
                         .last = static_cast<uint16_t>(next + 20)});
        rules.push_back({.peer = far_.peer});  // two classes
      }
      for (const bool paged : {false, true}) {
        state_->Table(db_.ingress_table, rules, paged);
        NextEpoch();
        std::vector<uint16_t> ports = {0, 1, 999, 65535};
        for (const Rule& rule : rules) {
          for (const int at : {rule.first - 1, rule.first + 0, rule.first + 50,
                               rule.last + 0, rule.last + 1}) {
            ports.push_back(static_cast<uint16_t>(at));
          }
        }
        for (const uint16_t port : ports) {
          EXPECT_EQ(Send(web_, Syn(web_, db_, port)).action,
                    Allows(rules, web_.peer, 6, port) ? Action::kRedirect
                                                      : Action::kDrop)
              << count << " ranges, port " << port << (paged ? ", paged" : "");
        }
      }
    }
  }
}

TEST_P(EndpointTest, ReadsPagedTablesForEveryProtocol) {
  Egress(web_, AllowAll());
  const uint8_t icmp = v6() ? 58 : 1;
  std::vector<Rule> rules;
  for (const uint8_t protocol : {uint8_t{6}, uint8_t{17}, uint8_t{132}}) {
    rules.push_back({.protocol = protocol, .first = protocol, .last = 300});
  }
  rules.push_back({.protocol = icmp,
                   .first = static_cast<uint16_t>(200 << 8 | 7),
                   .last = static_cast<uint16_t>(200 << 8 | 9)});
  state_->Table(db_.ingress_table, rules, true);
  NextEpoch();
  const auto action = [&](const PacketBuilder& packet) {
    return Send(web_, packet.Build()).action;
  };
  for (const uint16_t port : {5, 6, 16, 17, 131, 132, 255, 256, 300, 301}) {
    const auto expected = [&](uint8_t protocol) {
      return Allows(rules, web_.peer, protocol, port) ? Action::kRedirect
                                                      : Action::kDrop;
    };
    EXPECT_EQ(action(From(web_, db_).Tcp(9, port, kTcpSyn)), expected(6));
    EXPECT_EQ(action(From(web_, db_).Udp(9, port)), expected(17));
    EXPECT_EQ(action(From(web_, db_).Sctp(9, port)), expected(132));
  }
  for (const uint8_t code : {6, 7, 9, 10}) {
    EXPECT_EQ(action(From(web_, db_).Icmp(200, code)),
              code >= 7 && code <= 9 ? Action::kRedirect : Action::kDrop);
  }
  EXPECT_EQ(action(From(web_, db_, {.protocol = 47}).Payload("12345678")),
            Action::kDrop);
  rules.push_back(Rule{});
  state_->Table(db_.ingress_table, rules, true);
  NextEpoch();
  EXPECT_EQ(action(From(web_, db_, {.protocol = 47}).Payload("12345678")),
            Action::kRedirect);
}

TEST_P(EndpointTest, AgreesWithTheRulesOnRandomTables) {
  Egress(web_, AllowAll());
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    std::vector<Rule> rules;
    for (unsigned i = random() % 10; i > 0; --i) {
      Rule rule;
      if (random() % 2) rule.peer = random() % 2 ? web_.peer : far_.peer;
      rule.protocol = random() % 4 ? 6 : 0;
      rule.first = static_cast<uint16_t>(random() % 1200);
      rule.last = static_cast<uint16_t>(rule.first + random() % 700);
      rule.verdict = random() % 2 ? CC_VERDICT_ALLOW : CC_VERDICT_DENY;
      rules.push_back(rule);
    }
    state_ = std::make_unique<State>(
        std::vector<ProgramRunner*>{runner_.get()});  // its cells again
    ASSERT_TRUE(runner_->Clear("cc_classes").ok());
    state_->Table(web_.egress_table, AllowAll());
    state_->Table(db_.ingress_table, rules, random() % 2 == 0);
    NextEpoch();
    for (int i = 0; i < 20; ++i) {
      const uint16_t port = static_cast<uint16_t>(random() % 2000);
      EXPECT_EQ(
          Send(web_, Syn(web_, db_, port)).action,
          Allows(rules, web_.peer, 6, port) ? Action::kRedirect : Action::kDrop)
          << "round " << round << ", port " << port;
    }
  }
}

TEST_P(EndpointTest, DeniesWhatTheProxyShouldSeeWhileThereIsNone) {
  Egress(web_, AllowAll());
  Ingress(db_, {{.verdict = CC_VERDICT_REDIRECT}});
  const std::string syn = Syn(web_, db_);
  ExpectDropped(Send(web_, syn), syn, CC_REASON_NO_PROXY);
  ExpectDropped(Receive(db_, Syn(far_, db_)), Syn(far_, db_),
                CC_REASON_NO_PROXY);
  Egress(web_, {{.verdict = CC_VERDICT_REDIRECT}});
  Ingress(db_, AllowAll());
  ExpectDropped(Send(web_, syn), syn, CC_REASON_NO_PROXY);
}

TEST_P(EndpointTest, DeniesWhatNoTableJudges) {
  AllowEverything();
  // Where a table of zeros points, and what counting its bounds adds.
  for (const uint32_t cell : {0u, 4u}) {
    state_->Put("cc_cells", cell,
                cc_cell{.rule_set = 1,
                        .proxy_port = 0,
                        .verdict = CC_VERDICT_ALLOW,
                        .auth = 0});
  }
  state_->Subject(db_.slot, {.identity = db_.peer, .table = {60, 61}});
  NextEpoch();
  const std::string syn = Syn(web_, db_);
  ExpectDropped(Send(web_, syn), syn, CC_REASON_POLICY_DENIED);
  state_->Subject(db_.slot, {.identity = db_.peer, .table = {0xffff, 0xffff}});
  NextEpoch();
  ExpectDropped(Send(web_, syn), syn, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, DeniesWhereTheCellIsOutOfReach) {
  AllowEverything();
  cc_table table = {};
  table.cells = 0xfffffff0;
  table.interval_count = 1;
  state_->Put("cc_tables", uint32_t{db_.ingress_table}, table);
  NextEpoch();
  const std::string syn = Syn(web_, db_);
  ExpectDropped(Send(web_, syn), syn, CC_REASON_POLICY_DENIED);
}

// --- Switches ---------------------------------------------------------------

TEST_P(EndpointTest, TurnsASubjectAtItsEpoch) {
  AllowEverything();
  state_->Table(10, {});
  state_->Subject(10, {.identity = db_.peer, .table = {10, 10}});
  const auto put = [&](uint64_t subject) {
    state_->Endpoint(2, {.ifindex = db_.ifindex,
                         .subject = subject,
                         .v4 = db_.v4,
                         .v6 = db_.v6,
                         .mac = db_.mac,
                         .host_mac = db_.host_mac});
  };
  // From an open policy to one that denies, in three steps.
  put(CC_SWITCH(epoch_ + 2, 10, 2));
  const std::string syn = Syn(web_, db_);
  ExpectDelivered(Send(web_, syn), syn, db_);
  NextEpoch();
  ExpectDelivered(Send(web_, syn), syn, db_);
  NextEpoch();
  ExpectDropped(Send(web_, syn), syn, CC_REASON_POLICY_DENIED);
  NextEpoch();
  ExpectDropped(Send(web_, syn), syn, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, TurnsASubjectAcrossTheWrapOfTheEpoch) {
  epoch_ = 0xfffffff9;
  Restart();
  AllowEverything();  // four epochs: 0xfffffffd
  state_->Subject(10, {.identity = db_.peer, .table = {0, 0}});
  state_->Endpoint(2, {.ifindex = db_.ifindex,
                       .subject = CC_SWITCH(1, 10, 2),
                       .v4 = db_.v4,
                       .v6 = db_.v6,
                       .mac = db_.mac,
                       .host_mac = db_.host_mac});
  const std::string syn = Syn(web_, db_);
  while (epoch_ != 1) {
    ExpectDelivered(Send(web_, syn), syn, db_);
    NextEpoch();
  }
  ExpectDropped(Send(web_, syn), syn, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, TurnsAPlaceAtItsEpoch) {
  Ingress(db_, {{.peer = 2001}});
  for (const uint16_t now : {0, 1, 2}) {
    for (const uint16_t before : {0, 1, 2}) {
      if (now == before) continue;
      cc_place place = {};
      for (cc_place_value& value : place.value) {
        value = {.peer = 2002, .where = CC_REMOTE, .pad = 0};
      }
      place.value[now].peer = 2001;
      place.which = CC_SWITCH(epoch_ + 1, now, before);
      state_->Place(3, place);
      const std::string syn = Syn(far_, db_);
      ExpectDropped(Receive(db_, syn), syn, CC_REASON_POLICY_DENIED);
      NextEpoch();
      ExpectPassed(Receive(db_, syn), syn);
      NextEpoch();
    }
  }
}

// --- Addresses --------------------------------------------------------------

TEST_P(EndpointTest, PrefersTheExactAddressToAPrefix) {
  Ingress(db_, {{.peer = far_.peer}});
  state_->Place(5, 5555, CC_REMOTE);
  state_->Prefix(IpPrefix::Of(AddressOf(far_), v6() ? 128 : 32), 5);
  ExpectPassed(Receive(db_, Syn(far_, db_)), Syn(far_, db_));
}

TEST_P(EndpointTest, PrefersTheLongestPrefix) {
  Ingress(db_, {{.peer = 5555}});
  state_->Place(5, 5555, CC_REMOTE);
  state_->Place(6, 6666, CC_REMOTE);
  const auto prefix = [&](int v4_length, int v6_length) {
    return *IpPrefix::ParseLenient(
        AddressOf(world_).ToString() + "/" +
        std::to_string(v6() ? v6_length : v4_length));
  };
  state_->Prefix(prefix(8, 32), 6);
  ExpectDropped(Receive(db_, Syn(world_, db_)), Syn(world_, db_),
                CC_REASON_POLICY_DENIED);
  state_->Prefix(prefix(24, 64), 5);
  NextEpoch();
  ExpectPassed(Receive(db_, Syn(world_, db_)), Syn(world_, db_));
}

TEST_P(EndpointTest, FindsEachAddressOfAChain) {
  Ingress(db_, {{.peer = far_.peer}});
  // Three to a head, linked before and after it.
  state_->Place(5, 5555, CC_REMOTE);
  for (uint32_t i = 0; i < 3 * 16 * kStateHeads; ++i) {
    state_->Address(IpAddress::FromV4(0x0a630000 + i), 5);
  }
  ExpectPassed(Receive(db_, Syn(far_, db_)), Syn(far_, db_));
  state_->ForgetAddress(AddressOf(far_));
  NextEpoch();
  ExpectDropped(Receive(db_, Syn(far_, db_)), Syn(far_, db_),
                CC_REASON_POLICY_DENIED);
  state_->Address(AddressOf(far_), 3);
  NextEpoch();
  ExpectPassed(Receive(db_, Syn(far_, db_)), Syn(far_, db_));
}

TEST_P(EndpointTest, DoesNotBelieveARecycledClass) {
  Ingress(db_, {{.peer = far_.peer}});
  const cc_class_key key = {.table = db_.ingress_table, .peer = far_.peer};
  state_->Put("cc_classes", key, cc_class_value{.check = 1, .cls = 1});
  ExpectDropped(Receive(db_, Syn(far_, db_)), Syn(far_, db_),
                CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, DoesNotBelieveARecycledConnection) {
  AllowWebToDb();
  OpenTcp();
  auto entries = runner_->Dump("cc_conntrack").value();
  ASSERT_EQ(entries.size(), 1u);
  auto& [key, value] = *entries.begin();
  cc_ct ct;
  std::memcpy(&ct, value.data(), sizeof(ct));
  ct.word ^= uint64_t{1} << CC_CT_CHECK_SHIFT;
  ASSERT_TRUE(runner_->PutBytes("cc_conntrack", key.data(), &ct).ok());
  const std::string reply = Tcp(db_, web_, 80, 40000, kTcpAck);
  ExpectDropped(Send(db_, reply), reply, CC_REASON_POLICY_DENIED);
}

TEST_P(EndpointTest, DoesNotDeliverWhereARecycledRecordPoints) {
  AllowWebToDb();
  OpenTcp();
  auto entries = runner_->Dump("cc_conntrack").value();
  auto& [key, value] = *entries.begin();
  cc_ct ct;
  std::memcpy(&ct, value.data(), sizeof(ct));
  ct.where[1] = web_.slot;  // db's, by the key
  ASSERT_TRUE(runner_->PutBytes("cc_conntrack", key.data(), &ct).ok());
  const std::string data = Tcp(web_, db_, 40000, 80, kTcpAck);
  ExpectDelivered(Send(web_, data), data, db_);
}

}  // namespace
}  // namespace ciliumcore::testing
