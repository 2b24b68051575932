// SPDX-License-Identifier: Apache-2.0

// Replaces operator new by one that counts, for binaries with one thread.

#ifndef CILIUMCORE_TESTS_FLOW_ALLOCATIONS_H_
#define CILIUMCORE_TESTS_FLOW_ALLOCATIONS_H_

#include <cstddef>

namespace ciliumcore::testing {

// Calls of operator new so far.
size_t Allocations();

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_FLOW_ALLOCATIONS_H_
