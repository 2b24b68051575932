// SPDX-License-Identifier: Apache-2.0

// Ends a fuzzer where what must hold does not.

#ifndef CILIUMCORE_TESTS_FUZZ_FUZZ_CHECK_H_
#define CILIUMCORE_TESTS_FUZZ_FUZZ_CHECK_H_

#include <cstdio>
#include <cstdlib>

namespace ciliumcore {

inline void FuzzCheck(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace ciliumcore

#endif  // CILIUMCORE_TESTS_FUZZ_FUZZ_CHECK_H_
