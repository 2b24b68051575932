// SPDX-License-Identifier: Apache-2.0

// Every sentence, by its subject.

#ifndef CILIUMCORE_TESTS_ORACLE_POLICY_CASES_H_
#define CILIUMCORE_TESTS_ORACLE_POLICY_CASES_H_

#include <string>
#include <utility>
#include <vector>

#include "tests/oracle/cilium_default_cases.h"
#include "tests/oracle/cilium_demand_cases.h"
#include "tests/oracle/cilium_peer_cases.h"
#include "tests/oracle/cilium_port_cases.h"
#include "tests/oracle/cluster_match_cases.h"
#include "tests/oracle/cluster_tier_cases.h"
#include "tests/oracle/known_cases.h"
#include "tests/oracle/network_cases.h"
#include "tests/oracle/policy_case.h"

namespace ciliumcore::testing {

inline std::vector<PolicyCase> AllPolicyCases() {
  std::vector<PolicyCase> all;
  for (const auto& cases :
       {NetworkPolicyCases(), CiliumDefaultCases(), CiliumSubjectCases(),
        CiliumDemandCases(), CiliumPortCases(), CiliumEndpointCases(),
        CiliumEntityCases(), CiliumAddressCases(), ClusterTierCases(),
        ClusterMatchCases(), KnownCases()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_ORACLE_POLICY_CASES_H_
