// SPDX-License-Identifier: Apache-2.0

// What a datapath says of connections: who, to whom, what became of it, and by
// which rules. Only those to the database's port.
//
//   flow_tail       as root; leaves nothing behind

#include <iostream>
#include <string>

#include "ciliumcore/ciliumcore.h"
#include "examples/pods/pods.h"

namespace cc = ciliumcore;

constexpr char kPolicy[] = R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-web, namespace: default}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
)";

absl::Status Run() {
  absl::StatusOr<cc::examples::Node> node = cc::examples::Node::Create();
  if (!node.ok()) return node.status();
  auto datapath = cc::Datapath::Open({.name = "flow-tail"});
  if (!datapath.ok()) return datapath.status();
  auto policies = cc::PolicySet::FromManifest(kPolicy);
  if (!policies.ok()) return policies.status();

  const cc::IpAddress db = *cc::IpAddress::Parse("10.0.1.3");
  cc::Transaction change = datapath->Begin();
  for (const auto& [name, address] :
       {std::pair("web", "10.0.1.1"), std::pair("thief", "10.0.1.2"),
        std::pair("db", "10.0.1.3")}) {
    absl::Status made = node->AddPod(name, *cc::IpAddress::Parse(address));
    if (!made.ok()) return made;
    change.AttachEndpoint(node->Endpoint(name));
  }
  if (absl::Status made = node->Listen("db", 5432); !made.ok()) return made;
  change.SetPolicies(policies->policies());
  if (absl::Status done = change.Commit(); !done.ok()) return done;

  for (const char* pod : {"web", "thief"}) {
    const auto reached = node->Connect(pod, db, 5432);
    std::cout << pod << (reached.ok() ? " reached it\n" : " did not\n");
  }

  auto wanted = cc::FlowFilter::Parse("dport=5432");
  if (!wanted.ok()) return wanted.status();
  while (auto flow = datapath->flows().Next(absl::Milliseconds(200))) {
    if (wanted->Matches(*flow)) std::cout << flow->ToString() << "\n";
  }
  return absl::OkStatus();
}

int main() {
  const absl::Status done = Run();
  if (!done.ok()) std::cerr << "flow_tail: " << done << "\n";
  return done.ok() ? 0 : 1;
}
