// SPDX-License-Identifier: Apache-2.0
#include "ciliumcore/testing/native_datapath.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ciliumcore/abi/identity.h"
#include "ciliumcore/abi/reason.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/policy/manifest.h"
#include "ciliumcore/testing/packet.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ciliumcore::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Connection = PacketTrace::Connection;
using To = PacketOutcome::To;

constexpr char kOnlyWebToDb[] = R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: default}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
  - from: [{ipBlock: {cidr: 203.0.113.0/24}}]
    ports: [{port: 5433}]
)";

std::vector<NetworkPolicy> Policies(const std::string& text) {
  const std::vector<ManifestSource> sources = {{"policies", text}};
  absl::StatusOr<Cluster> cluster = LoadManifests(sources);
  EXPECT_TRUE(cluster.ok()) << cluster.status();
  return cluster.ok() ? cluster->policies : std::vector<NetworkPolicy>();
}

IpAddress Ip(const char* text) { return IpAddress::Parse(text).value(); }

const IpAddress kWeb = Ip("10.0.0.1");
const IpAddress kDb = Ip("10.0.0.2");
const IpAddress kDbV6 = Ip("fd00::2");
const IpAddress kFar = Ip("10.1.0.9");
const IpAddress kWorld = Ip("203.0.113.7");

class NativeDatapathTest : public ::testing::Test {
 protected:
  // "web" and "db" on this node, a "web" on another, policy on "db".
  void Start(const NativeDatapathOptions& options = {}) {
    absl::StatusOr<NativeDatapath> node = NativeDatapath::Open(options);
    ASSERT_TRUE(node.ok()) << node.status();
    node_.emplace(*std::move(node));
    Transaction change = node_->Begin();
    change.AttachEndpoint(
        {.interface = "web", .addresses = {kWeb}, .identity = web_});
    change.AttachEndpoint(
        {.interface = "db", .addresses = {kDb, kDbV6}, .identity = db_});
    change.UpsertRemote({.addresses = {kFar},
                         .identity = web_,
                         .next_hop = NextHop{"eth0", Ip("192.0.2.1")}});
    change.SetPolicies(Policies(kOnlyWebToDb));
    const absl::Status committed = change.Commit();
    ASSERT_TRUE(committed.ok()) << committed;
  }

  static std::string Tcp(const IpAddress& from, const IpAddress& to,
                         uint16_t sport, uint16_t dport, uint8_t flags,
                         uint8_t ttl = 64) {
    IpFields fields;
    fields.ttl = ttl;
    return PacketBuilder()
        .Ethernet({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2})
        .Ip(from, to, fields)
        .Tcp(sport, dport, flags)
        .Build();
  }

  // The walk and the program agree on every packet of every test.
  PacketOutcome Checked(absl::StatusOr<PacketOutcome> outcome) {
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    if (!outcome.ok()) return {};
    EXPECT_THAT(outcome->trace.disagreement, IsEmpty()) << *outcome;
    return *std::move(outcome);
  }
  PacketOutcome Send(const std::string& interface, const std::string& packet) {
    return Checked(node_->Send(interface, packet));
  }
  PacketOutcome Receive(const std::string& interface,
                        const std::string& packet) {
    return Checked(node_->Receive(interface, packet));
  }
  PacketOutcome Open(uint16_t sport = 40000, uint16_t dport = 5432) {
    return Send("web", Tcp(kWeb, kDb, sport, dport, kTcpSyn));
  }

  IdentityAllocator identities_;
  IdentityRef web_ = identities_.Allocate({{"app", "web"}});
  IdentityRef db_ = identities_.Allocate({{"app", "db"}});
  std::optional<NativeDatapath> node_;
};

TEST_F(NativeDatapathTest, DeliversWhatRulesAllow) {
  Start();
  const PacketOutcome sent = Open();
  EXPECT_EQ(sent.to, To::kEndpoint) << sent;
  EXPECT_EQ(sent.interface, "db");
  EXPECT_EQ(sent.trace.connection, Connection::kNew);
  ASSERT_EQ(sent.trace.sides.size(), 2u) << sent;
  EXPECT_EQ(sent.trace.sides[1].direction, Direction::kIngress);
  EXPECT_THAT(sent.trace.sides[1].rules.ToString(),
              HasSubstr("default/db ingress[0]"));
  ASSERT_EQ(sent.flows.size(), 1u);
  EXPECT_EQ(sent.flows[0].verdict, Flow::Verdict::kForwarded);
  EXPECT_TRUE(ChecksumsAreRight(sent.packet));
}

TEST_F(NativeDatapathTest, DropsTheRestAndSaysWhy) {
  Start();
  const PacketOutcome sent = Open(40000, 80);
  EXPECT_TRUE(sent.dropped()) << sent;
  EXPECT_EQ(sent.trace.reason, CC_REASON_POLICY_DENIED);
  ASSERT_EQ(sent.flows.size(), 1u);
  EXPECT_THAT(sent.flows[0].ingress.why, HasSubstr("default/db"));
}

TEST_F(NativeDatapathTest, KnowsConnectionsAndReplies) {
  Start();
  Open();
  const PacketOutcome reply =
      Send("db", Tcp(kDb, kWeb, 5432, 40000, kTcpSyn | kTcpAck));
  EXPECT_EQ(reply.interface, "web") << reply;
  EXPECT_EQ(reply.trace.connection, Connection::kReply);
  const PacketOutcome more = Send("web", Tcp(kWeb, kDb, 40000, 5432, kTcpAck));
  EXPECT_EQ(more.trace.connection, Connection::kEstablished);
  EXPECT_TRUE(more.trace.is_current);
  EXPECT_THAT(more.flows, IsEmpty());
}

TEST_F(NativeDatapathTest, RevocationEndsAnOpenConnection) {
  Start();
  Open();
  Transaction change = node_->Begin();
  change.SetPolicies(Policies(R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: default}
spec: {podSelector: {matchLabels: {app: db}}}
)"));
  ASSERT_TRUE(change.Commit().ok());
  const PacketOutcome more = Send("web", Tcp(kWeb, kDb, 40000, 5432, kTcpAck));
  EXPECT_TRUE(more.dropped()) << more;
  EXPECT_EQ(more.trace.connection, Connection::kEstablished);
  EXPECT_FALSE(more.trace.is_current);
}

TEST_F(NativeDatapathTest, SilentConnectionsEnd) {
  Start();
  Open();
  node_->Advance(absl::Seconds(61));
  const PacketOutcome late = Send("web", Tcp(kWeb, kDb, 40000, 5432, kTcpAck));
  EXPECT_EQ(late.trace.connection, Connection::kNew) << late;
}

TEST_F(NativeDatapathTest, JudgesWhatComesFromOutside) {
  Start();
  const PacketOutcome in =
      Receive("db", Tcp(kWorld, kDb, 40000, 5433, kTcpSyn));
  EXPECT_EQ(in.to, To::kEndpoint) << in;
  EXPECT_NE(in.trace.source.peer, CC_IDENTITY_WORLD);  // a block of its own
  EXPECT_TRUE(Receive("db", Tcp(kWorld, kDb, 40001, 5432, kTcpSyn)).dropped());
  EXPECT_EQ(
      Receive("db", Tcp(kFar, kDb, 40000, 5432, kTcpSyn)).trace.source.identity,
      web_.id());
}

TEST_F(NativeDatapathTest, RefusesBorrowedAddresses) {
  Start();
  EXPECT_EQ(Send("web", Tcp(kFar, kDb, 1, 5432, kTcpSyn)).trace.reason,
            CC_REASON_INVALID_SOURCE_IP);
  EXPECT_EQ(Receive("db", Tcp(kWeb, kDb, 1, 5432, kTcpSyn)).trace.reason,
            CC_REASON_INVALID_SOURCE_IP);
}

TEST_F(NativeDatapathTest, SendsToOtherNodesAndToTheWorld) {
  Start();
  const PacketOutcome far = Send("web", Tcp(kWeb, kFar, 1, 80, kTcpSyn));
  EXPECT_EQ(far.to, To::kInterface) << far;
  EXPECT_EQ(far.interface, "eth0");
  EXPECT_EQ(far.trace.destination.where, "through eth0 by 192.0.2.1");
  EXPECT_EQ(Send("web", Tcp(kWeb, kWorld, 1, 80, kTcpSyn)).to, To::kNode);
}

TEST_F(NativeDatapathTest, CountsHops) {
  Start();
  EXPECT_EQ(Send("web", Tcp(kWeb, kDb, 1, 5432, kTcpSyn, 1)).trace.reason,
            CC_REASON_TTL_EXCEEDED);
  EXPECT_EQ(Send("web", Tcp(kWeb, kFar, 1, 80, kTcpSyn, 1)).trace.reason,
            CC_REASON_TTL_EXCEEDED);
}

TEST_F(NativeDatapathTest, AnswersArp) {
  Start();
  const PacketOutcome asked = Send(
      "web", PacketBuilder()
                 .Ethernet({2, 0, 0, 0, 0, 1}, {255, 255, 255, 255, 255, 255})
                 .Arp(1, {2, 0, 0, 0, 0, 1}, kWeb, {}, Ip("10.0.0.254"))
                 .Build());
  EXPECT_EQ(asked.interface, "web") << asked;
  EXPECT_EQ(asked.trace.parsed, PacketTrace::Parsed::kLink);
}

TEST_F(NativeDatapathTest, RefusesTruncatedPackets) {
  Start();
  const std::string whole = Tcp(kWeb, kDb, 1, 5432, kTcpSyn);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_TRUE(Send("web", whole.substr(0, size)).dropped()) << size;
  }
}

TEST_F(NativeDatapathTest, AuditLetsPassAndTells) {
  Start({.audit_only = true});
  const PacketOutcome sent = Open(40000, 80);
  EXPECT_EQ(sent.to, To::kEndpoint) << sent;
  EXPECT_TRUE(sent.trace.audited);
  ASSERT_EQ(sent.flows.size(), 1u);
  EXPECT_EQ(sent.flows[0].verdict, Flow::Verdict::kAudited);
}

TEST_F(NativeDatapathTest, DetachingOpensOrCloses) {
  Start();
  Transaction change = node_->Begin();
  change.DetachEndpoint("web");
  ASSERT_TRUE(change.Commit().ok());
  EXPECT_TRUE(absl::IsNotFound(
      node_->Send("web", Tcp(kWeb, kDb, 1, 5432, kTcpSyn)).status()));

  Transaction closing = node_->Begin();
  closing.AttachEndpoint({.interface = "web",
                          .addresses = {kWeb},
                          .identity = web_,
                          .on_detach = OnDetach::kClosed});
  ASSERT_TRUE(closing.Commit().ok());
  EXPECT_FALSE(Open().dropped());
  closing.DetachEndpoint("web");
  ASSERT_TRUE(closing.Commit().ok());
  EXPECT_EQ(Open(40001).trace.reason, CC_REASON_NO_ENDPOINT);
}

TEST_F(NativeDatapathTest, AFailedChangeChangesNothing) {
  Start();
  const uint32_t before = node_->generation();
  Transaction change = node_->Begin();
  change.AttachEndpoint(
      {.interface = "thief", .addresses = {kDb}, .identity = web_});
  EXPECT_TRUE(absl::IsInvalidArgument(change.Commit()));
  EXPECT_EQ(node_->generation(), before);
  EXPECT_EQ(node_->InterfaceOf(kDb), "db");
  EXPECT_FALSE(Open().dropped());
}

TEST_F(NativeDatapathTest, AFullMapChangesNothing) {
  Start({.capacity = {.connections = 64,
                      .addresses = 6,
                      .prefixes = 16,
                      .classes = 64,
                      .cells = 256}});
  Transaction change = node_->Begin();
  for (uint8_t i = 1; i < 10; ++i) {
    change.UpsertRemote(
        {.addresses = {IpAddress::FromBytes(
             {0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, i})},
         .identity = web_});
  }
  EXPECT_TRUE(absl::IsResourceExhausted(change.Commit()));
  EXPECT_FALSE(Open().dropped());
}

TEST_F(NativeDatapathTest, CountsPackets) {
  Start();
  Open();
  Open(40000, 80);
  uint64_t denied = 0, forwarded = 0;
  for (const Counter& counter : node_->counters()) {
    if (counter.reason == CC_REASON_POLICY_DENIED) denied += counter.packets;
    if (counter.reason == 0) forwarded += counter.packets;
  }
  EXPECT_EQ(denied, 1u);
  EXPECT_EQ(forwarded, 1u);
}

TEST_F(NativeDatapathTest, NodesAreIndependent) {
  Start();
  absl::StatusOr<NativeDatapath> other = NativeDatapath::Open();
  ASSERT_TRUE(other.ok());
  Transaction change = other->Begin();
  change.AttachEndpoint(
      {.interface = "web", .addresses = {kDb}, .identity = db_});
  ASSERT_TRUE(change.Commit().ok());
  EXPECT_EQ(
      Checked(other->Send("web", Tcp(kWeb, kDb, 1, 2, kTcpSyn))).trace.reason,
      CC_REASON_INVALID_SOURCE_IP);
  EXPECT_FALSE(Open().dropped());
}

TEST(TcpFlagsTest, AreReadAsTheyAreWritten) {
  for (int flags = 0; flags < 256; ++flags) {
    EXPECT_EQ(*ParseTcpFlags(TcpFlagNames(static_cast<uint8_t>(flags))), flags);
  }
  EXPECT_EQ(*ParseTcpFlags("syn,ack"), kTcpSyn | kTcpAck);
  for (const char* wrong : {"", "SYN,", "SYN ACK", "none,SYN", "0x12"}) {
    EXPECT_EQ(ParseTcpFlags(wrong).status().code(),
              absl::StatusCode::kInvalidArgument)
        << wrong;
  }
}

}  // namespace
}  // namespace ciliumcore::testing
