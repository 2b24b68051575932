// SPDX-License-Identifier: Apache-2.0

// A cluster so small that every small set of policies can be tried on it.

#ifndef CILIUMCORE_TESTS_ORACLE_VILLAGE_H_
#define CILIUMCORE_TESTS_ORACLE_VILLAGE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ciliumcore/policy/policy_input.h"
#include "tests/oracle/random_cluster.h"

namespace ciliumcore::testing {

inline LabelSelector Only(const std::string& key, const std::string& value) {
  LabelSelector selector;
  selector.match_labels.emplace_back(key, value);
  return selector;
}

// Two pods that differ in label, port and addresses, of which one has two, and
// one in another namespace that has the label of the first.
inline PolicyInput Village() {
  PolicyInput input;
  input.namespaces = {MakeNamespace("x"), MakeNamespace("y", {{"far", "yes"}})};
  const auto add =
      [&](uint32_t identity, const std::string& ns, const std::string& app,
          const std::vector<std::string>& addresses, uint16_t http) {
        PolicyEndpoint pod;
        pod.identity = static_cast<Identity>(identity);
        pod.ns = ns;
        pod.labels.Set("app", app);
        for (const std::string& address : addresses) {
          pod.addresses.push_back(*IpAddress::Parse(address));
        }
        pod.ports = {{"http", {Protocol::kTcp, http}}};
        input.endpoints.push_back(std::move(pod));
      };
  add(1001, "x", "a", {"10.0.0.1"}, 80);
  add(1002, "x", "b", {"10.0.0.2", "10.0.0.17"}, 81);
  add(1003, "y", "a", {"10.0.1.1"}, 80);
  input.host_addresses = {*IpAddress::Parse("10.0.0.100")};
  return input;
}

inline std::vector<Flow> FlowsOf(const PolicyInput& input) {
  std::vector<FlowEnd> ends;
  for (uint32_t i = 0; i < input.endpoints.size(); ++i) {
    for (const IpAddress& address : input.endpoints[i].addresses) {
      ends.push_back({i, address});
    }
  }
  ends.push_back({kNoEndpoint, input.host_addresses[0]});
  ends.push_back({kNoEndpoint, *IpAddress::Parse("10.0.0.9")});
  std::vector<Flow> flows;
  for (const FlowEnd& source : ends) {
    for (const FlowEnd& destination : ends) {
      if (source.endpoint == kNoEndpoint &&
          destination.endpoint == kNoEndpoint) {
        continue;
      }
      for (const PortProtocol& target :
           {PortProtocol{Protocol::kTcp, 80}, PortProtocol{Protocol::kTcp, 81},
            PortProtocol{Protocol::kUdp, 80},
            PortProtocol{Protocol::kIcmp, 0}}) {
        flows.push_back({source, destination, target});
      }
    }
  }
  return flows;
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_VILLAGE_H_
