// SPDX-License-Identifier: Apache-2.0

// Random things that policies of all dialects are made of. Names, labels,
// addresses and ports come from pools so small that rules meet, overlap and
// contradict each other.

#ifndef CILIUMCORE_TESTS_ORACLE_RANDOM_SOURCE_H_
#define CILIUMCORE_TESTS_ORACLE_RANDOM_SOURCE_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "ciliumcore/base/ip.h"
#include "ciliumcore/base/port.h"
#include "ciliumcore/identity/selector.h"
#include "ciliumcore/policy/network_policy.h"

namespace ciliumcore::testing {

// The pools.
const std::vector<std::string>& Namespaces();
const std::vector<std::string>& PortNames();
const std::vector<Protocol>& Transports();
const std::vector<uint16_t>& Ports();

// A copy goes on as the original would.
class RandomSource {
 public:
  explicit RandomSource(uint64_t seed) : random_(seed) {}

  uint32_t Below(uint32_t end) {
    return std::uniform_int_distribution<uint32_t>(0, end - 1)(random_);
  }
  bool Chance(uint32_t percent) { return Below(100) < percent; }
  template <typename T>
  const T& OneOf(const std::vector<T>& values) {
    return values[Below(static_cast<uint32_t>(values.size()))];
  }
  // The place of an element of `values`, which has some.
  template <typename T>
  auto PlaceIn(std::vector<T>& values) {
    return values.begin() + Below(static_cast<uint32_t>(values.size()));
  }

  Labels PodLabels();
  Labels NamespaceLabels(const std::string& name);
  LabelSelector Selector(bool of_namespaces);
  // Near others, in both families; some IPv6 ones look like IPv4 in their bits.
  IpAddress Address();
  IpPrefix Prefix(const IpAddress& around);
  // Up to three of those inside.
  std::vector<IpPrefix> Exceptions(const IpPrefix& prefix);
  PortRule Port();

 private:
  std::mt19937_64 random_;
};

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_RANDOM_SOURCE_H_
