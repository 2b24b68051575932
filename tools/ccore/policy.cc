// SPDX-License-Identifier: Apache-2.0

#include "tools/ccore/policy.h"

#include "tools/ccore/nouns.h"

namespace ciliumcore::ccore {

void AddPolicyCommands(CLI::App& app) {
  CLI::App& policy =
      *app.add_subcommand("policy", "What network policies allow, and why");
  policy.require_subcommand(1);
  AddPolicyDiff(policy);
  AddPolicyMatrix(policy);
  AddPolicyTrace(policy);
  AddPolicyVerify(policy);
  AddPolicyWhyNot(policy);
}

}  // namespace ciliumcore::ccore
