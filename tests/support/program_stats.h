// SPDX-License-Identifier: Apache-2.0

// What programs cost before they see a packet: the verifier's work, their
// stack, their machine code.

#ifndef CILIUMCORE_TESTS_SUPPORT_PROGRAM_STATS_H_
#define CILIUMCORE_TESTS_SUPPORT_PROGRAM_STATS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace ciliumcore::testing {

struct ProgramStats {
  std::string object;  // "endpoint", of endpoint.bpf.o
  std::string program;
  uint32_t instructions = 0;  // that the verifier walked
  uint32_t stack = 0;         // bytes, of the deepest chain of calls
  uint32_t jited_bytes = 0;
};

// Loads the object file at `path` with everything on that its configuration can
// switch on, because what is off the verifier prunes, and unloads it again. The
// verifier's last words are in the error of one that is refused.
absl::StatusOr<std::vector<ProgramStats>> MeasurePrograms(
    const std::string& path);

// "6.1", of the kernel that runs.
std::string KernelSeries();

}  // namespace ciliumcore::testing

#endif  // CILIUMCORE_TESTS_SUPPORT_PROGRAM_STATS_H_
