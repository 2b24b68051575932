// SPDX-License-Identifier: Apache-2.0

// The smallest agent: two pods, one policy, and what the datapath says of them.
//
//   identity_policy policies.yaml     needs the interfaces veth-web and
//   veth-db, and root

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "ciliumcore/ciliumcore.h"

namespace cc = ciliumcore;

absl::Status Run(const std::string& policies) {
  auto datapath = cc::Datapath::Open({.name = "demo"});
  if (!datapath.ok()) return datapath.status();
  auto parsed = cc::PolicySet::FromManifest(policies);
  if (!parsed.ok()) return parsed.status();
  cc::IdentityAllocator identities;

  cc::Transaction change = datapath->Begin();
  change.AttachEndpoint({.interface = "veth-web",
                         .addresses = {*cc::IpAddress::Parse("10.0.1.42")},
                         .identity = identities.Allocate({{"app", "web"}})});
  change.AttachEndpoint({.interface = "veth-db",
                         .addresses = {*cc::IpAddress::Parse("10.0.2.17")},
                         .identity = identities.Allocate({{"app", "db"}})});
  change.SetPolicies(parsed->policies());
  if (absl::Status done = change.Commit(); !done.ok()) return done;

  while (auto flow = datapath->flows().Next(absl::Seconds(1))) {
    std::cout << flow->ToString() << "\n";
  }
  return absl::OkStatus();
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: identity_policy policies.yaml\n";
    return 2;
  }
  std::ifstream file(argv[1]);
  const std::string text((std::istreambuf_iterator<char>(file)),
                         std::istreambuf_iterator<char>());
  const absl::Status done = Run(text);
  if (!done.ok()) std::cerr << "identity_policy: " << done.message() << "\n";
  return done.ok() ? 0 : 1;
}
