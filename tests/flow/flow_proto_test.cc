// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/flow/flow_proto.h"

#include <gtest/gtest.h>

#include <set>

#include "ciliumcore/flow/reason.h"
#include "ciliumcore/flow/v1/flow.pb.h"
#include "tests/flow/records.h"

namespace ciliumcore {
namespace {

namespace wire = flow::v1;
using testing::BytesOf;
using testing::EndRecord;
using testing::Record;

Flow FlowOf(const cc_event& record) {
  return *DecodeFlow(BytesOf(record), testing::TwoPods());
}

wire::Flow Message(const Flow& flow) {
  wire::Flow message;
  FlowToProto(flow, message);
  return message;
}

TEST(FlowProtoTest, CarriesEveryFieldOfADrop) {
  cc_event record = Record(CC_EVENT_DROP);
  record.tcp_flags = 0x12;
  const wire::Flow message = Message(FlowOf(record));
  EXPECT_EQ(message.monotonic_ns(), 123456789);
  EXPECT_EQ(message.verdict(), wire::DROPPED);
  EXPECT_EQ(message.kind(), wire::DROP);
  EXPECT_EQ(message.drop_reason_desc(), wire::POLICY_DENIED);
  EXPECT_EQ(message.ip().source(), "10.0.1.10");
  EXPECT_EQ(message.ip().destination(), "10.0.1.20");
  EXPECT_EQ(message.ip().ip_version(), wire::IPv4);
  EXPECT_EQ(message.l4().tcp().source_port(), 40000u);
  EXPECT_EQ(message.l4().tcp().destination_port(), 5432u);
  EXPECT_TRUE(message.l4().tcp().flags().syn());
  EXPECT_TRUE(message.l4().tcp().flags().ack());
  EXPECT_FALSE(message.l4().tcp().flags().fin());
  EXPECT_EQ(message.source().identity(), testing::kWebPeer);
  EXPECT_EQ(message.source().namespace_(), "shop");
  EXPECT_EQ(message.source().pod_name(), "web-0");
  EXPECT_EQ(message.source().name(), "shop/app=web");
  ASSERT_EQ(message.destination().labels_size(), 5);
  EXPECT_EQ(message.destination().labels(0), "k8s:app=db");
  EXPECT_EQ(message.service(), "shop/db:sql");
  EXPECT_EQ(message.traffic_direction(), wire::INGRESS);
  EXPECT_EQ(message.egress().rule_set(), testing::kEgressRules);
  EXPECT_EQ(message.egress().why(),
            "allowed by NetworkPolicy shop/allow-web egress[0]");
  EXPECT_EQ(message.ingress().rule_set(), testing::kIngressRules);
  EXPECT_EQ(message.generation(), 42u);
  EXPECT_EQ(message.interface_index(), 10u);
  EXPECT_EQ(message.packet_bytes(), 74u);
  EXPECT_FALSE(message.is_reply());
  EXPECT_FALSE(message.has_sent());
}

TEST(FlowProtoTest, CarriesTheCountsOfAnEnd) {
  const wire::Flow message =
      Message(*DecodeFlow(BytesOf(EndRecord()), testing::TwoPods()));
  EXPECT_EQ(message.kind(), wire::END_OF_CONNECTION);
  EXPECT_EQ(message.verdict(), wire::FORWARDED);
  EXPECT_EQ(message.sent().packets(), 3u);
  EXPECT_EQ(message.sent().bytes(), 300u);
  EXPECT_EQ(message.answered().packets(), 20u);
  EXPECT_EQ(message.answered().bytes(), 2000u);
  EXPECT_FALSE(message.has_egress());
}

TEST(FlowProtoTest, EachProtocolHasItsMessage) {
  cc_event record = Record(CC_EVENT_NEW, "fd00::1", "fd00::2");
  record.tcp_flags = 128;
  record.protocol = 17;
  EXPECT_EQ(Message(FlowOf(record)).l4().udp().destination_port(), 5432u);
  record.protocol = 132;
  EXPECT_EQ(Message(FlowOf(record)).l4().sctp().source_port(), 40000u);
  record.protocol = 1;
  EXPECT_EQ(Message(FlowOf(record)).l4().icmpv4().type(), 128u);
  record.protocol = 58;
  EXPECT_EQ(Message(FlowOf(record)).l4().icmpv6().type(), 128u);
  record.protocol = 47;
  EXPECT_EQ(Message(FlowOf(record)).l4().other(), 47u);
  EXPECT_EQ(Message(FlowOf(record)).ip().source(), "fd00::1");
  EXPECT_EQ(Message(FlowOf(record)).ip().ip_version(), wire::IPv6);
}

TEST(FlowProtoTest, WritesIpv4AsItIsWrittenElsewhere) {
  for (const char* text : {"0.0.0.0", "255.255.255.255", "10.0.200.9",
                           "1.20.100.101", "99.100.9.10"}) {
    EXPECT_EQ(Message(FlowOf(Record(CC_EVENT_NEW, text))).ip().source(), text);
  }
}

TEST(FlowProtoTest, AMessageThatIsUsedAgainKeepsNothingOfTheOneBefore) {
  wire::Flow message;
  FlowToProto(*DecodeFlow(BytesOf(EndRecord()), testing::TwoPods()), message);
  FlowToProto(FlowOf(Record(CC_EVENT_DROP)), message);
  Flow plain = FlowOf(Record(CC_EVENT_NEW));
  plain.source = {};
  plain.egress = {};
  plain.service.clear();
  plain.protocol = Protocol::kUdp;
  FlowToProto(plain, message);
  EXPECT_EQ(message.SerializeAsString(), Message(plain).SerializeAsString());
}

// Numbers below 220 are Cilium's on both sides; a reason that the message has
// no name for would be printed as a number.
TEST(FlowProtoTest, EveryReasonHasAName) {
  std::set<int> ours;
  for (const DropReason& reason : DropReasons()) {
    ours.insert(reason.number);
    EXPECT_TRUE(wire::DropReason_IsValid(reason.number)) << reason.name;
  }
  for (int number = 0; number <= 255; ++number) {
    EXPECT_EQ(wire::DropReason_IsValid(number), ours.contains(number))
        << number;
  }
}

TEST(FlowProtoTest, PrintsJson) {
  Flow flow = FlowOf(Record(CC_EVENT_DROP));
  flow.source.labels = nullptr;
  flow.destination.labels = nullptr;
  flow.egress = {};
  flow.ingress.why = "a \"quoted\" rule";
  const auto json = FlowToJson(flow);
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(
      *json,
      R"({"monotonic_ns":"123456789","verdict":"DROPPED","kind":"DROP",)"
      R"("drop_reason_desc":"POLICY_DENIED","IP":{"source":"10.0.1.10",)"
      R"("destination":"10.0.1.20","ip_version":"IPv4"},"l4":{"TCP":)"
      R"({"source_port":40000,"destination_port":5432,"flags":{"SYN":true}}},)"
      R"("source":{"identity":1001,"namespace":"shop","pod_name":"web-0",)"
      R"("name":"shop/app=web"},"destination":{"identity":1002,)"
      R"("namespace":"shop","pod_name":"db-0","name":"shop/app=db"},)"
      R"("service":"shop/db:sql","traffic_direction":"INGRESS",)"
      R"("ingress":{"rule_set":8,"why":"a \"quoted\" rule"},"generation":42,)"
      R"("interface_index":10,"packet_bytes":74})");
}

}  // namespace
}  // namespace ciliumcore
