// SPDX-License-Identifier: Apache-2.0

// Sends packets through a datapath in this process: a test author's program.

#include <iostream>
#include <string>

#include "ciliumcore/ciliumcore.h"
#include "ciliumcore/testing/native_datapath.h"
#include "ciliumcore/testing/packet.h"

namespace cc = ciliumcore;
using cc::testing::NativeDatapath;
using cc::testing::PacketBuilder;

constexpr char kPolicy[] = R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
)";

absl::Status Run() {
  const cc::IpAddress web = *cc::IpAddress::Parse("10.0.0.1");
  const cc::IpAddress db = *cc::IpAddress::Parse("10.0.0.2");
  auto policies = cc::PolicySet::FromManifest(kPolicy);
  if (!policies.ok()) return policies.status();
  auto node = NativeDatapath::Open();
  if (!node.ok()) return node.status();
  cc::IdentityAllocator identities;

  cc::Transaction change = node->Begin();
  change.AttachEndpoint({.interface = "web",
                         .addresses = {web},
                         .identity = identities.Allocate({{"app", "web"}})});
  change.AttachEndpoint({.interface = "db",
                         .addresses = {db},
                         .identity = identities.Allocate({{"app", "db"}})});
  change.SetPolicies(policies->policies());
  if (absl::Status done = change.Commit(); !done.ok()) return done;

  for (const uint16_t port : {5432, 22}) {
    auto sent = node->Send("web", PacketBuilder()
                                      .Ethernet({2, 0, 0, 0, 0, 1}, {2})
                                      .Ip(web, db)
                                      .Tcp(40000, port, cc::testing::kTcpSyn)
                                      .Build());
    if (!sent.ok()) return sent.status();
    std::cout << port << ": " << sent->ToString() << "\n";
  }
  return absl::OkStatus();
}

int main() {
  const absl::Status done = Run();
  if (!done.ok()) std::cerr << done.ToString() << "\n";
  return done.ok() ? 0 : 1;
}
