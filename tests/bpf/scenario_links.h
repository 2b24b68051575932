// SPDX-License-Identifier: Apache-2.0

// The interfaces and routes of the tests that run in the kernel.

#ifndef CILIUMCORE_TESTS_BPF_SCENARIO_LINKS_H_
#define CILIUMCORE_TESTS_BPF_SCENARIO_LINKS_H_

#include "tests/support/private_netns.h"

namespace ciliumcore::testing {

// Makes the interfaces that scenarios and the endpoint tests name, and the
// routes that ScenarioFib answers by.
void MakeScenarioLinks(PrivateNetns& netns);

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_BPF_SCENARIO_LINKS_H_
