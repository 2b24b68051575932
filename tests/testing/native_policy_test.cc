// SPDX-License-Identifier: Apache-2.0

// Packets through policies of every dialect, by the datapath's own programs.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ciliumcore/abi/reason.h"
#include "ciliumcore/identity/allocator.h"
#include "ciliumcore/policy/compiled_cluster.h"
#include "ciliumcore/policy/manifest.h"
#include "ciliumcore/testing/native_datapath.h"
#include "ciliumcore/testing/packet.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ciliumcore::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Of "web" that sends to "db".
struct Sent {
  Protocol protocol = Protocol::kTcp;
  uint16_t port = 80;  // ICMP: the type
  bool is_v6 = false;
};

constexpr Sent kTcp80 = {};
constexpr Sent kTcp81 = {Protocol::kTcp, 81};
constexpr Sent kUdp80 = {Protocol::kUdp, 80};

Sent Icmp(uint8_t type, bool is_v6 = false) {
  return {is_v6 ? Protocol::kIcmpv6 : Protocol::kIcmp, type, is_v6};
}

class NativePolicyTest : public ::testing::Test {
 protected:
  // Both pods in "default", and the policies of a manifest.
  void Start(const std::string& manifest,
             const NativeDatapathOptions& options = {}) {
    absl::StatusOr<NativeDatapath> node = NativeDatapath::Open(options);
    ASSERT_TRUE(node.ok()) << node.status();
    node_.emplace(*std::move(node));
    const std::vector<ManifestSource> sources = {{"policies", manifest}};
    absl::StatusOr<Cluster> cluster = LoadManifests(sources);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    Transaction change = node_->Begin();
    change.AttachEndpoint(
        {.interface = "web", .addresses = web_at_, .identity = web_});
    change.AttachEndpoint(
        {.interface = "db", .addresses = db_at_, .identity = db_});
    change.SetPolicies(PoliciesOf(*cluster));
    const absl::Status committed = change.Commit();
    ASSERT_TRUE(committed.ok()) << committed;
  }

  // Each packet is the first of a connection of its own.
  PacketOutcome Send(const Sent& sent) {
    PacketBuilder packet;
    packet.Ethernet({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2})
        .Ip(web_at_[sent.is_v6], db_at_[sent.is_v6]);
    const uint16_t from = ++source_port_;
    if (sent.protocol == Protocol::kTcp) {
      packet.Tcp(from, sent.port, kTcpSyn);
    } else if (sent.protocol == Protocol::kUdp) {
      packet.Udp(from, sent.port);
    } else {
      packet.Icmp(static_cast<uint8_t>(sent.port), 0, uint32_t{from} << 16 | 1);
    }
    absl::StatusOr<PacketOutcome> outcome = node_->Send("web", packet.Build());
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    if (!outcome.ok()) return {};
    EXPECT_THAT(outcome->trace.disagreement, IsEmpty()) << *outcome;
    return *std::move(outcome);
  }
  bool Passes(const Sent& sent) { return !Send(sent).dropped(); }

  const std::vector<IpAddress> web_at_ = {*IpAddress::Parse("10.0.0.1"),
                                          *IpAddress::Parse("fd00::1")};
  const std::vector<IpAddress> db_at_ = {*IpAddress::Parse("10.0.0.2"),
                                         *IpAddress::Parse("fd00::2")};
  IdentityAllocator identities_;
  IdentityRef web_ = identities_.Allocate({{"app", "web"}});
  IdentityRef db_ = identities_.Allocate({{"app", "db"}});
  std::optional<NativeDatapath> node_;
  uint16_t source_port_ = 40000;
};

// A policy of Cilium for "db", whose specification goes on with `spec`.
std::string ForDb(const std::string& spec) {
  return R"(
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: db, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: db}}
)" + spec;
}

TEST_F(NativePolicyTest, ATypeOfIcmpIsThatTypeAndNoOther) {
  Start(ForDb("  ingress: [{icmps: [{fields: [{type: 8, family: IPv4}]}]}]"));
  EXPECT_TRUE(Passes(Icmp(8)));
  EXPECT_FALSE(Passes(Icmp(0)));
  EXPECT_FALSE(Passes(Icmp(13)));
  EXPECT_FALSE(Passes(Icmp(8, true)));
  EXPECT_FALSE(Passes(Icmp(128, true)));
  EXPECT_FALSE(Passes(kTcp80));
}

TEST_F(NativePolicyTest, TypeZeroOfIcmpIsNoWildcard) {
  Start(ForDb("  ingress: [{icmps: [{fields: [{type: 0, family: IPv4}]}]}]"));
  EXPECT_TRUE(Passes(Icmp(0)));
  EXPECT_FALSE(Passes(Icmp(8)));
  EXPECT_FALSE(Passes(Icmp(1)));
  EXPECT_FALSE(Passes(Icmp(255)));
  EXPECT_FALSE(Passes(kTcp80));
}

TEST_F(NativePolicyTest, TypesOfIcmpv6AreTold) {
  Start(ForDb("  ingress: [{icmps: [{fields: [{type: 128, family: IPv6}]}]}]"));
  EXPECT_TRUE(Passes(Icmp(128, true)));
  EXPECT_FALSE(Passes(Icmp(129, true)));
  EXPECT_FALSE(Passes(Icmp(128)));
}

TEST_F(NativePolicyTest, ADenialPrevailsOverWhatIsAllowed) {
  Start(ForDb(R"(
  ingress: [{fromEntities: [all]}]
  ingressDeny:
  - fromEndpoints: [{matchLabels: {app: web}}]
    toPorts: [{ports: [{port: "80", protocol: TCP}]}]
)"));
  const PacketOutcome sent = Send(kTcp80);
  EXPECT_EQ(sent.trace.reason, CC_REASON_POLICY_DENIED) << sent;
  ASSERT_EQ(sent.flows.size(), 1u);
  EXPECT_EQ(sent.flows[0].ingress.why,
            "denied by CiliumNetworkPolicy default/db ingressDeny[0]");
  EXPECT_TRUE(Passes(kTcp81));
  EXPECT_TRUE(Passes(kUdp80));
  EXPECT_TRUE(Passes(Icmp(8)));
}

TEST_F(NativePolicyTest, AnAdminPassLeavesItToOthers) {
  constexpr char kAdmin[] = R"(
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: guard}
spec:
  tier: Admin
  priority: 1
  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}}
  ingress:
  - action: Pass
    from: [{namespaces: {}}]
    protocols: [{tcp: {destinationPort: {range: {start: 80, end: 81}}}}]
  - action: Deny
    from: [{namespaces: {}}]
)";
  Start(kAdmin);
  EXPECT_TRUE(Passes(kTcp80));
  EXPECT_FALSE(Passes(kUdp80));
  // Beneath, a policy opens one of both, and what was denied above.
  Start(std::string(kAdmin) + "---" + ForDb(R"(
  ingress:
  - toPorts: [{ports: [{port: "80", protocol: ANY}]}]
)"));
  EXPECT_TRUE(Passes(kTcp80));
  EXPECT_FALSE(Passes(kTcp81));
  EXPECT_FALSE(Passes(kUdp80));
}

constexpr char kHttp[] = R"(
  ingress:
  - toPorts:
    - ports: [{port: "80", protocol: TCP}]
      rules: {http: [{method: GET}]}
  - toPorts: [{ports: [{port: "81", protocol: TCP}]}]
)";

TEST_F(NativePolicyTest, WhatAProxyShouldJudgeIsDroppedForWantOfOne) {
  Start(ForDb(kHttp));
  const PacketOutcome sent = Send(kTcp80);
  EXPECT_TRUE(sent.dropped()) << sent;
  EXPECT_EQ(sent.trace.reason, CC_REASON_NO_PROXY);
  ASSERT_EQ(sent.trace.sides.size(), 2u);
  EXPECT_EQ(sent.trace.sides[1].cell.verdict, Verdict::kRedirect);
  ASSERT_EQ(sent.flows.size(), 1u);
  EXPECT_EQ(sent.flows[0].verdict, Flow::Verdict::kDropped);
  EXPECT_THAT(sent.flows[0].ToString(), HasSubstr("no proxy"));
  EXPECT_TRUE(Passes(kTcp81));
}

TEST_F(NativePolicyTest, AnAuditLetsPassWhatAProxyShouldJudge) {
  Start(ForDb(kHttp), {.audit_only = true});
  const PacketOutcome sent = Send(kTcp80);
  EXPECT_FALSE(sent.dropped()) << sent;
  EXPECT_TRUE(sent.trace.audited);
  ASSERT_EQ(sent.flows.size(), 1u);
  EXPECT_EQ(sent.flows[0].verdict, Flow::Verdict::kAudited);
}

// Neither does the other direction of a proxy's rules let anything pass.
TEST_F(NativePolicyTest, WhatIsSentForAProxyIsDroppedToo) {
  Start(R"(
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: web}}
  egress:
  - toPorts:
    - ports: [{port: "80", protocol: UDP}]
      rules: {dns: [{matchPattern: "*"}]}
)");
  EXPECT_EQ(Send(kUdp80).trace.reason, CC_REASON_NO_PROXY);
  EXPECT_EQ(Send(kTcp80).trace.reason, CC_REASON_POLICY_DENIED);
}

TEST_F(NativePolicyTest, ServicesAreKnownOnceTheContextSaysThem) {
  Start(R"(
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: web}}
  egress: [{toServices: [{k8sService: {serviceName: db, namespace: default}}]}]
)");
  EXPECT_FALSE(Passes(kTcp80));
  const auto set_context = [this](PolicyContext context) {
    Transaction change = node_->Begin();
    change.SetPolicyContext(std::move(context));
    return change.Commit();
  };
  PolicyContext context;
  context.services = {
      {.ns = "default",
       .name = "db",
       .selector = LabelSelector{.match_labels = {{"app", "db"}},
                                 .match_expressions = {}}}};
  ASSERT_TRUE(set_context(context).ok());
  EXPECT_TRUE(Passes(kTcp80));
  // The same again changes nothing; without it, nobody is meant.
  const uint32_t generation = node_->generation();
  ASSERT_TRUE(set_context(context).ok());
  EXPECT_EQ(node_->generation(), generation);
  ASSERT_TRUE(set_context({}).ok());
  EXPECT_FALSE(Passes(kTcp80));
}

TEST_F(NativePolicyTest, NamesAreKnownOnceTheContextSaysThem) {
  Start(R"(
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: web}}
  egress: [{toFQDNs: [{matchName: example.com}]}]
)");
  const IpAddress outside = *IpAddress::Parse("203.0.113.7");
  const auto is_dropped = [&] {
    const std::string packet =
        PacketBuilder()
            .Ethernet({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2})
            .Ip(web_at_[0], outside)
            .Tcp(++source_port_, 443, kTcpSyn)
            .Build();
    return node_->Send("web", packet)->dropped();
  };
  EXPECT_TRUE(is_dropped());
  Transaction change = node_->Begin();
  PolicyContext context;
  context.names = {{.name = "example.com", .addresses = {outside}}};
  change.SetPolicyContext(context);
  ASSERT_TRUE(change.Commit().ok());
  EXPECT_FALSE(is_dropped());
}

}  // namespace
}  // namespace ciliumcore::testing
