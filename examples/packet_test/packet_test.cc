// SPDX-License-Identifier: Apache-2.0

// Tests a policy with packets: no cluster, no root, no kernel with BPF. The
// programs that judge here are those that judge on a node.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "ciliumcore/ciliumcore.h"
#include "ciliumcore/testing/native_datapath.h"
#include "ciliumcore/testing/packet.h"

namespace {

namespace cc = ciliumcore;
using cc::testing::NativeDatapath;
using cc::testing::PacketBuilder;
using cc::testing::PacketOutcome;

constexpr char kPolicy[] = R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: default}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
)";

cc::IpAddress Ip(const char* text) {
  return cc::IpAddress::Parse(text).value();
}

// A node with a web server and a database.
class PolicyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cc::Transaction change = node_.Begin();
    change.AttachEndpoint({.interface = "web",
                           .addresses = {Ip("10.0.0.1")},
                           .identity = identities_.Allocate({{"app", "web"}})});
    change.AttachEndpoint({.interface = "db",
                           .addresses = {Ip("10.0.0.2")},
                           .identity = identities_.Allocate({{"app", "db"}})});
    change.SetPolicies(cc::PolicySet::FromManifest(kPolicy).value().policies());
    const absl::Status done = change.Commit();
    ASSERT_TRUE(done.ok()) << done;
  }

  PacketOutcome Send(const char* from, const char* to, uint16_t sport,
                     uint16_t dport, uint8_t flags = cc::testing::kTcpSyn) {
    const std::string packet =
        PacketBuilder()
            .Ethernet({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2})
            .Ip(Ip(from), Ip(to))
            .Tcp(sport, dport, flags)
            .Build();
    return node_.Send(node_.InterfaceOf(Ip(from)), packet).value();
  }

  cc::IdentityAllocator identities_;
  NativeDatapath node_ = NativeDatapath::Open().value();
};

TEST_F(PolicyTest, TheWebServerReachesTheDatabase) {
  const PacketOutcome sent = Send("10.0.0.1", "10.0.0.2", 40000, 5432);
  EXPECT_EQ(sent.interface, "db") << sent;
}

TEST_F(PolicyTest, AndIsAnswered) {
  Send("10.0.0.1", "10.0.0.2", 40000, 5432);
  const uint8_t flags = cc::testing::kTcpSyn | cc::testing::kTcpAck;
  EXPECT_FALSE(Send("10.0.0.2", "10.0.0.1", 5432, 40000, flags).dropped());
}

// Streaming the outcome into a failure shows every step, and the rules.
TEST_F(PolicyTest, ButOnNoOtherPort) {
  const PacketOutcome sent = Send("10.0.0.1", "10.0.0.2", 40000, 22);
  EXPECT_TRUE(sent.dropped()) << sent;
}

}  // namespace
