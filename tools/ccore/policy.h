// SPDX-License-Identifier: Apache-2.0

// The verbs of `ccore policy`.

#ifndef CILIUMCORE_TOOLS_CCORE_POLICY_H_
#define CILIUMCORE_TOOLS_CCORE_POLICY_H_

#include "CLI/CLI.hpp"

namespace ciliumcore::ccore {

void AddPolicyDiff(CLI::App& policy);
void AddPolicyMatrix(CLI::App& policy);
void AddPolicyTrace(CLI::App& policy);
void AddPolicyVerify(CLI::App& policy);
void AddPolicyWhyNot(CLI::App& policy);

}  // namespace ciliumcore::ccore

#endif  // CILIUMCORE_TOOLS_CCORE_POLICY_H_
