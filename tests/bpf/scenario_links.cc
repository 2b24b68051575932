// SPDX-License-Identifier: Apache-2.0

#include "tests/bpf/scenario_links.h"

#include <string>

#include "tests/bpf/scenario.h"

namespace ciliumcore::testing {

void MakeScenarioLinks(PrivateNetns& netns) {
  for (const uint32_t ifindex : kScenarioEndpoints) {
    netns.AddVeth("e" + std::to_string(ifindex), ifindex);
  }
  netns.AddVeth("nobody", kScenarioNobody);
  netns.AddVeth("outside", kScenarioOutside);
  netns.Sysctl("ipv4/conf/all/forwarding", "1");
  netns.Sysctl("ipv6/conf/all/forwarding", "1");
  netns.Ip("route add 198.51.100.0/24 dev outside");
  netns.Ip("route add blackhole 192.0.2.0/24");
  netns.Ip("route add 2001:db8:1::/48 dev outside");
  netns.Ip("route add blackhole 2001:db8:2::/48");
}

}  // namespace ciliumcore::testing
