// SPDX-License-Identifier: Apache-2.0

// A child process that is watched, and may be killed, at each system call.

#ifndef CILIUMCORE_TESTS_SUPPORT_TRACED_CHILD_H_
#define CILIUMCORE_TESTS_SUPPORT_TRACED_CHILD_H_

#include <cstdint>
#include <functional>

namespace ciliumcore::testing {

struct SystemCall {
  long number = 0;
  uint64_t args[6] = {};
};

// How a traced child ended.
struct TracedEnd {
  bool killed = false;  // because `watch` said so
  int exit_code = -1;   // if not
};

// Calls `work` in a child and `watch` with each system call that any thread of
// it begins after Mark; the child is killed by SIGKILL when `watch` returns
// false. The child exits with what `work` returns.
TracedEnd RunTraced(const std::function<int()>& work,
                    const std::function<bool(const SystemCall&)>& watch);

// In the child: from here on it is watched.
void MarkTraced();

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_SUPPORT_TRACED_CHILD_H_
