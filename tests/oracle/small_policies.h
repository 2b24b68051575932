// SPDX-License-Identifier: Apache-2.0

// A universe small enough to try every set of policies in it.

#ifndef CILIUMCORE_TESTS_ORACLE_SMALL_POLICIES_H_
#define CILIUMCORE_TESTS_ORACLE_SMALL_POLICIES_H_

#include <vector>

#include "ciliumcore/policy/compiler.h"
#include "tests/oracle/village.h"

namespace ciliumcore::testing {

// A rule of every way to name peers with every way to name ports.
std::vector<NetworkPolicyRule> SmallRules();

// A policy without a name in the first namespace of the village.
NetworkPolicy PolicyOf(const LabelSelector& subject, Direction direction,
                       std::vector<NetworkPolicyRule> rules);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_SMALL_POLICIES_H_
