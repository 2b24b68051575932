// SPDX-License-Identifier: Apache-2.0

// Skips kernel tests by name where the machine does not allow them.

#ifndef CILIUMCORE_TESTS_SUPPORT_REQUIRE_BPF_H_
#define CILIUMCORE_TESTS_SUPPORT_REQUIRE_BPF_H_

namespace ciliumcore::testing {

// Skips the running test if bpf(2) is refused for want of CAP_BPF, and fails it
// instead if the environment says CI=true: there, a skip would go unseen. Call
// it in SetUp(); in a test's body, return if IsSkipped().
void RequireBpf();

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_SUPPORT_REQUIRE_BPF_H_
