// SPDX-License-Identifier: Apache-2.0

// Writes down what verdicts depend on, so that it can be typed in again.

#ifndef CILIUMCORE_TESTS_ORACLE_DESCRIPTION_H_
#define CILIUMCORE_TESTS_ORACLE_DESCRIPTION_H_

#include <string>
#include <vector>

#include "ciliumcore/policy/policy_input.h"

namespace ciliumcore::testing {

// Namespaces, nodes, pods, whom policies name, and policies.
std::string Describe(const PolicyInput& input);

// Its parts.
std::string Listing(const std::vector<IpAddress>& addresses);
std::string Listing(const std::vector<IpPrefix>& prefixes);
std::string PortText(const PortRule& port);
std::string Describe(const CiliumPolicy& policy);
std::string Describe(const ClusterPolicy& policy);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_DESCRIPTION_H_
