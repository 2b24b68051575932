// SPDX-License-Identifier: Apache-2.0

// What two compilations must have in common.

#ifndef CILIUMCORE_TESTS_ORACLE_SAME_POLICY_H_
#define CILIUMCORE_TESTS_ORACLE_SAME_POLICY_H_

#include "ciliumcore/policy/compiler.h"
#include "gtest/gtest.h"

namespace ciliumcore::testing {

// Both of the same registries, so that equal things have equal numbers.
inline void ExpectSame(const CompiledPolicy& incremental,
                       const CompiledPolicy& full) {
  ASSERT_EQ(incremental.tables.size(), full.tables.size());
  for (size_t i = 0; i < full.tables.size(); ++i) {
    ASSERT_EQ(*incremental.tables[i], *full.tables[i]) << "table " << i;
  }
  ASSERT_EQ(incremental.endpoints, full.endpoints);
  ASSERT_EQ(incremental.rule_sets, full.rule_sets);
  const PeerMap &map = *incremental.peer_map, &wanted = *full.peer_map;
  ASSERT_EQ(map.of_endpoint, wanted.of_endpoint);
  ASSERT_EQ(map.addresses, wanted.addresses);
  ASSERT_EQ(map.prefixes, wanted.prefixes);
  ASSERT_EQ(map.peers.size(), wanted.peers.size());
  for (const auto& [number, peer] : wanted.peers) {
    const PeerRef* own = map.peers.Find(number);
    ASSERT_NE(own, nullptr) << peer->variety.ToString();
    ASSERT_EQ((*own)->number, number);
    ASSERT_EQ((*own)->variety, peer->variety);
  }
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_SAME_POLICY_H_
