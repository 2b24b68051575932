// SPDX-License-Identifier: Apache-2.0

// Flows and counters of real connections: who they name, how they end, and what
// is counted for whom.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "ciliumcore/abi/convert.h"
#include "ciliumcore/abi/event.h"
#include "ciliumcore/datapath/datapath.h"
#include "ciliumcore/datapath/flow_tail.h"
#include "ciliumcore/flow/filter.h"
#include "ciliumcore/identity/allocator.h"
#include "tests/support/private_bpffs.h"
#include "tests/support/require_bpf.h"
#include "tests/support/ring_writer.h"
#include "tests/support/test_node.h"

namespace ciliumcore {
namespace {

using testing::TestNode;
using testing::TestSocket;

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }

constexpr PortProtocol kPort = {.protocol = Protocol::kTcp, .port = 5432};

class FlowsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::RequireBpf();
    if (IsSkipped()) return;
    node_.emplace();
    node_->AddPod("web", "10.0.1.1");
    node_->AddPod("db", "10.0.1.2");
  }

  void Open(DatapathOptions options = {}) {
    options.name = "flows";
    options.capacity.connections = 4096;
    options.capacity.addresses = options.capacity.prefixes = 1024;
    auto datapath = Datapath::Open(options);
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    datapath_.emplace(*std::move(datapath));
    Transaction change = datapath_->Begin();
    change.AttachEndpoint(Endpoint("web", "10.0.1.1"));
    change.AttachEndpoint(Endpoint("db", "10.0.1.2"));
    const absl::Status done = change.Commit();
    ASSERT_TRUE(done.ok()) << done;
    listener_ = TestSocket::Listen(node_->netns("db"), Ip("10.0.1.2"), kPort);
  }

  EndpointOptions Endpoint(const std::string& name, const char* address) {
    EndpointOptions endpoint;
    endpoint.interface = "veth-" + name;
    endpoint.addresses = {Ip(address)};
    endpoint.identity = identities_.Allocate({{"app", name}});
    endpoint.name = "default/" + name + "-0";
    return endpoint;
  }

  // Nobody may talk to db.
  void Isolate() {
    NetworkPolicy policy;
    policy.ns = "default";
    policy.name = "nobody";
    policy.pod_selector = {.match_labels = {{"app", "db"}},
                           .match_expressions = {}};
    Transaction change = datapath_->Begin();
    change.SetPolicies({policy});
    ASSERT_TRUE(change.Commit().ok());
  }

  // Only web may.
  void LetWebIn() {
    NetworkPolicy policy;
    policy.ns = "default";
    policy.name = "web";
    policy.pod_selector = {.match_labels = {{"app", "db"}},
                           .match_expressions = {}};
    NetworkPolicyRule rule;
    rule.peers.push_back(
        {.pod_selector = LabelSelector{.match_labels = {{"app", "web"}},
                                       .match_expressions = {}},
         .namespace_selector = {},
         .ip_block = {}});
    policy.ingress.push_back(rule);
    Transaction change = datapath_->Begin();
    change.SetPolicies({policy});
    ASSERT_TRUE(change.Commit().ok());
  }

  TestSocket Connect(int milliseconds = 500) {
    return TestSocket::Connect(node_->netns("web"), Ip("10.0.1.1"),
                               Ip("10.0.1.2"), kPort, milliseconds);
  }

  // A connection of web to db that carries some bytes both ways, and ends.
  void Converse() {
    TestSocket web = Connect();
    ASSERT_TRUE(web.connected());
    TestSocket served = listener_.Accept();
    ASSERT_TRUE(web.Reaches(served, "select"));
    ASSERT_TRUE(served.Reaches(web, "a row"));
  }

  // The next flow that `filter` passes.
  std::optional<Flow> Find(const char* filter) {
    const FlowFilter wanted = *FlowFilter::Parse(filter);
    while (auto flow = datapath_->flows().Next(absl::Seconds(2))) {
      if (wanted.Matches(*flow)) return flow;
    }
    return std::nullopt;
  }

  Counter CounterOf(const std::string& endpoint, bool is_egress,
                    uint8_t reason) {
    const auto counters = datapath_->endpoint_counters();
    EXPECT_TRUE(counters.ok()) << counters.status();
    if (!counters.ok()) return {};
    for (const Counter& counter : *counters) {
      if (counter.endpoint == endpoint && counter.is_egress == is_egress &&
          counter.reason == reason)
        return counter;
    }
    return {};
  }

  std::optional<TestNode> node_;
  IdentityAllocator identities_;
  std::optional<Datapath> datapath_;
  TestSocket listener_;
};

TEST_F(FlowsTest, AConnectionBeginsAndEndsAndSaysWhatItCarried) {
  Open();
  Converse();
  const auto begun = Find("kind=new port=5432");
  ASSERT_TRUE(begun.has_value());
  EXPECT_EQ(begun->source.pod, "default/web-0");
  EXPECT_EQ(begun->destination.pod, "default/db-0");
  ASSERT_NE(begun->source.labels, nullptr);
  EXPECT_EQ(*begun->source.labels->Get("app"), "web");
  const auto end = Find("kind=end port=5432");
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->source.pod, "default/web-0") << "who opened it";
  EXPECT_EQ(end->source.port, begun->source.port);
  EXPECT_GE(end->sent.packets, 4u) << "SYN, ACK, data, FIN";
  EXPECT_GE(end->answered.packets, 3u) << "SYN-ACK, data, FIN";
  EXPECT_GT(end->sent.bytes, end->sent.packets * 54);
  EXPECT_FALSE(end->is_reply);
  EXPECT_FALSE(Find("kind=end port=5432").has_value()) << "it is told once";
  EXPECT_EQ(datapath_->flows().lost(), 0u);
  EXPECT_EQ(datapath_->flows().undecodable(), 0u);
}

TEST_F(FlowsTest, ReadsEventsInBatchesAndSaysWhatTheyMean) {
  Open();
  for (int i = 0; i < 3; ++i) Converse();
  std::vector<FlowEvent> events;
  // The last packets of a connection may still be under way.
  size_t ends = 0;
  for (int round = 0; round < 20 && ends < 3; ++round) {
    datapath_->flows().Consume(absl::Milliseconds(200),
                               [&](const FlowEvent& event) {
                                 events.push_back(event);
                                 ends += event.kind == FlowKind::kEnd;
                               });
  }
  EXPECT_EQ(ends, 3u);
  Flow flow;
  for (const FlowEvent& event : events) {
    datapath_->flows().Resolve(event, flow);
    EXPECT_EQ(flow.kind, event.kind);
    if (event.destination_port != kPort.port) continue;
    EXPECT_EQ(flow.destination.pod, "default/db-0") << flow.ToString();
  }
}

TEST_F(FlowsTest, TellsOfConnectionsThatAreJudgedAgainIfAsked) {
  Open({.report_verdicts = true});
  TestSocket web = Connect();
  ASSERT_TRUE(web.connected());
  TestSocket served = listener_.Accept();
  LetWebIn();
  const uint32_t generation = datapath_->generation();
  ASSERT_TRUE(web.Reaches(served, "after"));
  const auto again = Find("kind=verdict dport=5432");
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->generation, generation);
  EXPECT_NE(again->ingress.why.find("default/web ingress[0]"),
            std::string::npos);
}

TEST_F(FlowsTest, CountsForEachEndpointWhatEventsLeaveOut) {
  Open({.report_drops = false});
  // What the node itself sent before the endpoints were somebody.
  const uint64_t db = CounterOf("veth-db", false, 133).packets;
  const uint64_t web = CounterOf("veth-web", false, 133).packets;
  Converse();
  const Counter sent = CounterOf("veth-web", true, 0);
  EXPECT_GE(sent.packets, 4u);
  EXPECT_GT(sent.bytes, sent.packets * 54);
  EXPECT_EQ(CounterOf("veth-db", false, 133).packets, db);
  Isolate();
  EXPECT_FALSE(Connect(100).connected());
  const Counter denied = CounterOf("veth-db", false, 133);
  EXPECT_GE(denied.packets, db + 1) << "the judgement was db's";
  EXPECT_EQ(CounterOf("veth-web", false, 133).packets, web);
  EXPECT_FALSE(Find("kind=drop").has_value());
  // All of them together are the node's.
  const auto node = datapath_->counters();
  const auto each = datapath_->endpoint_counters();
  ASSERT_TRUE(node.ok() && each.ok());
  uint64_t dropped[2] = {0, 0};
  for (const Counter& counter : *node)
    if (counter.reason == 133) dropped[0] += counter.packets;
  for (const Counter& counter : *each)
    if (counter.reason == 133) dropped[1] += counter.packets;
  EXPECT_EQ(dropped[0], dropped[1]);
}

TEST_F(FlowsTest, AnEndpointThatComesAgainCountsFromNothing) {
  Open();
  Converse();
  ASSERT_GT(CounterOf("veth-web", true, 0).packets, 0u);
  for (int i = 0; i < 3; ++i) {
    Transaction gone = datapath_->Begin();
    gone.DetachEndpoint("veth-web");
    ASSERT_TRUE(gone.Commit().ok());
    EXPECT_EQ(CounterOf("veth-web", true, 0).packets, 0u);
    Transaction back = datapath_->Begin();
    back.AttachEndpoint(Endpoint("web", "10.0.1.1"));
    ASSERT_TRUE(back.Commit().ok());
    // Neighbours may be asked for meanwhile, no more.
    EXPECT_LT(CounterOf("veth-web", true, 0).packets, 4u);
    Converse();
    EXPECT_GE(CounterOf("veth-web", true, 0).packets, 4u);
  }
}

TEST_F(FlowsTest, AnotherReaderFollowsAPinnedInstance) {
  const testing::PrivateBpffs bpffs;
  EXPECT_TRUE(absl::IsNotFound(FlowTail::Open("flows", bpffs.root()).status()));
  Open({.lifetime = Lifetime::kPinned, .bpffs = bpffs.root()});
  auto tail = FlowTail::Open("flows", bpffs.root());
  ASSERT_TRUE(tail.ok()) << tail.status();
  Converse();
  bool has_begun = false, has_ended = false;
  Flow begun;
  for (int round = 0; round < 20 && !has_ended; ++round) {
    tail->Consume(absl::Milliseconds(200), [&](const FlowEvent& event) {
      if (event.destination_port != kPort.port) return;
      if (event.kind == FlowKind::kNew) {
        has_begun = true;
        ResolveFlow(event, tail->directory(), begun);
      }
      has_ended |= event.kind == FlowKind::kEnd;
    });
  }
  EXPECT_TRUE(has_begun);
  EXPECT_TRUE(has_ended);
  // By names that the writer noted for others.
  EXPECT_EQ(begun.destination.name, "default/app=db");
  EXPECT_EQ(begun.ingress.why,
            "not isolated: no policy selects it for ingress");
  EXPECT_EQ(tail->lost(), 0u);
  EXPECT_EQ(tail->undecodable(), 0u);
  EXPECT_FALSE(datapath_->flows().Next(absl::ZeroDuration()).has_value());
}

// The first `bytes` of an event, with zeros behind those that it has.
std::vector<std::byte> RecordOf(const cc_event& event,
                                size_t bytes = sizeof(cc_event)) {
  std::vector<std::byte> record(bytes);
  std::memcpy(record.data(), &event, std::min(bytes, sizeof(event)));
  return record;
}

TEST_F(FlowsTest, WhatIsNoEventOfThisBuildIsCountedAndIsNoFlow) {
  const testing::PrivateBpffs bpffs;
  Open({.lifetime = Lifetime::kPinned, .bpffs = bpffs.root()});
  while (datapath_->flows().Next(absl::ZeroDuration())) {
  }
  cc_event event = {};
  event.kind = CC_EVENT_NEW;
  event.version = CC_EVENT_VERSION;
  event.bytes = sizeof(event);
  event.src = abi::ToAddr(Ip("10.0.1.1"));
  event.dst = abi::ToAddr(Ip("10.0.1.2"));
  const std::vector<std::byte> good = RecordOf(event);
  std::vector<std::vector<std::byte>> foreign = {
      RecordOf(event, 1), RecordOf(event, sizeof(event) - 1)};
  for (const int kind : {0, CC_EVENT_VERDICT + 1, 0xffff}) {
    cc_event other = event;
    other.kind = static_cast<__u16>(kind);
    foreign.push_back(RecordOf(other));
  }
  for (const int version : {CC_EVENT_VERSION - 1, CC_EVENT_VERSION + 1}) {
    cc_event other = event;
    other.version = static_cast<__u16>(version);
    foreign.push_back(RecordOf(other));
    foreign.push_back(RecordOf(other, sizeof(cc_event) + 8));
  }
  cc_event end = event;
  end.kind = CC_EVENT_END;  // and nothing behind it
  foreign.push_back(RecordOf(end));
  const auto write = [&] {
    const std::string ring =
        bpffs.root() + "/ciliumcore/flows/state/maps/cc_events";
    for (const std::vector<std::byte>& record : foreign) {
      testing::WriteToRing(ring, record);
      testing::WriteToRing(ring, good);
    }
  };
  write();
  size_t flows = 0;
  while (auto flow = datapath_->flows().Next(absl::ZeroDuration())) {
    ++flows;
    EXPECT_EQ(flow->kind, FlowKind::kNew);
    EXPECT_EQ(flow->destination.address, Ip("10.0.1.2"));
  }
  EXPECT_EQ(flows, foreign.size());
  EXPECT_EQ(datapath_->flows().undecodable(), foreign.size());
  EXPECT_EQ(datapath_->flows().lost(), 0u);
  // Each reader counts what it read itself.
  auto tail = FlowTail::Open("flows", bpffs.root());
  ASSERT_TRUE(tail.ok()) << tail.status();
  EXPECT_EQ(tail->undecodable(), 0u);
  write();
  EXPECT_EQ(tail->Consume(absl::ZeroDuration(), [](const FlowEvent&) {}),
            foreign.size());
  EXPECT_EQ(tail->undecodable(), foreign.size());
  EXPECT_EQ(datapath_->flows().undecodable(), foreign.size());
}

TEST_F(FlowsTest, RefusesASampleThatIsNone) {
  const auto datapath = Datapath::Open({.drop_sample_shift = 32});
  EXPECT_EQ(datapath.status(),
            absl::InvalidArgumentError(
                "drop_sample_shift: expected at most 31, found 32"));
}

}  // namespace
}  // namespace ciliumcore
